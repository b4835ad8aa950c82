package querylog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
)

// A Finding is what is wrong at one place of a log with integrity.
type Finding struct {
	File    string
	Line    int // where the record begins, from 1
	Problem string
}

// A Verdict is what Verify has found out about files that belong together.
type Verdict struct {
	Records     int
	First, Last uint64 // numbers of the first and the last record
	Hash        string // of the last record: who notes it elsewhere can tell later whether the end has been cut off
	Findings    int
}

// Verify reads files with integrity, oldest first, and tells report what is wrong: records that are missing, changed, cut
// off, or not in order. A file comes after those that it was rotated to, wherever it is named, so that "query.jsonl*" may
// name them all. Compressed files are read as they are. key is the integrity_key they were written with, or empty.
// An error means that a file could not be read.
func Verify(files []string, key []byte, report func(Finding)) (Verdict, error) {
	v := &verifier{key: key, report: report}
	for _, file := range inOrder(files) {
		if err := v.file(file); err != nil {
			return v.verdict, fmt.Errorf("%s: %w", file, err)
		}
	}
	return v.verdict, nil
}

// inOrder moves files behind those they were rotated to.
func inOrder(files []string) []string {
	ordered := slices.Clone(files)
	for _, file := range files {
		from := slices.Index(ordered, file)
		for to := len(ordered) - 1; to > from; to-- {
			if base := rotatedSuffix.ReplaceAllString(ordered[to], ""); base == file && base != ordered[to] {
				ordered = slices.Insert(slices.Delete(ordered, from, from+1), to, file)
				break
			}
		}
	}
	return ordered
}

// A verifier follows a chain through files.
type verifier struct {
	key     []byte
	report  func(Finding)
	verdict Verdict

	chain *chain // as far as the records say; nil before the first one
	path  string
	line  int
	// unchained is the first of lines that have no hash, 0 where the last one had.
	unchained int
}

func (v *verifier) find(line int, format string, args ...any) {
	v.verdict.Findings++
	v.report(Finding{v.path, line, fmt.Sprintf(format, args...)})
}

func (v *verifier) file(path string) error {
	r, err := openLog(path)
	if err != nil {
		return err
	}
	defer r.Close()
	v.path, v.line = path, 1
	var head []byte // of a CSV file, until a record has answered for it
	csv := false
	for first := true; ; first = false {
		record, err := r.record(csv)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(record) == 0 {
			break
		}
		lines := bytes.Count(record, []byte{'\n'})
		switch {
		case first && record[0] != '{':
			csv, head = true, record
			if !bytes.HasSuffix(record, []byte(",event,seq,hash\n")) {
				v.find(v.line, "the first line is no header of a CSV log with integrity")
			}
		case record[len(record)-1] != '\n':
			v.endUnchained()
			v.find(v.line, "the record is cut off")
		default:
			v.record(record, head, csv)
			head = nil
		}
		v.line += max(lines, 1)
	}
	v.endUnchained()
	return nil
}

// endUnchained reports lines without a hash, together.
func (v *verifier) endUnchained() {
	switch v.unchained {
	case 0:
	case v.line - 1:
		v.find(v.unchained, "the record has no sequence number and hash")
	default:
		v.find(v.unchained, "the records up to line %d have no sequence number and hash", v.line-1)
	}
	v.unchained = 0
}

// What a record of an event says of the chain before it.
var (
	jsonChain = regexp.MustCompile(`^{"event":"chain","time":"[^"]*","reason":"(\w+)","after_seq":(\d+),"after_hash":"([0-9a-f]{64})",`)
	csvChain  = regexp.MustCompile(`^,*chain time=\S+ reason=(\w+) after_seq=(\d+) after_hash=([0-9a-f]{64}),`)
)

// record checks one whole record. before is the header above it.
func (v *verifier) record(record, before []byte, csv bool) {
	end := chainEnd(csv).FindSubmatchIndex(lastLine(record))
	if end == nil {
		if v.unchained == 0 {
			v.unchained = v.line
		}
		return
	}
	v.endUnchained()
	offset := len(record) - len(lastLine(record))
	for i := range end {
		end[i] += offset
	}
	seq, err := strconv.ParseUint(string(record[end[2]:end[3]]), 10, 64)
	if err != nil {
		v.find(v.line, "the sequence number is too large")
		return
	}
	v.verdict.Records++
	begins := jsonChain
	if csv {
		begins = csvChain
	}
	v.before(begins.FindSubmatch(record), seq)
	sum := v.chain.next(before, record[:end[3]])
	stated := record[end[4]:end[5]]
	if seq == v.chain.seq+1 && !bytes.Equal(sum[:], stated) {
		v.find(v.line, "record %d was changed, or what stands before it", seq)
	}
	v.chain.seq = seq
	copy(v.chain.last[:], stated)
	v.verdict.Last, v.verdict.Hash = seq, string(stated)
}

func lastLine(record []byte) []byte {
	return record[bytes.LastIndexByte(record[:len(record)-1], '\n')+1:]
}

// before compares a record's number, and what it says of the chain before it, with what came before it.
func (v *verifier) before(begins [][]byte, seq uint64) {
	after := newChain(v.key, false)
	if begins != nil {
		after.seq, _ = strconv.ParseUint(string(begins[2]), 10, 64) // as many digits as there are
		copy(after.last[:], begins[3])
	}
	if v.chain == nil {
		v.verdict.First = seq
		if begins == nil {
			v.find(v.line, "the log does not begin here: record %d says nothing of what came before", seq)
			after.seq = seq // its hash tells nothing
		}
		v.chain = after
		return
	}
	switch {
	case begins != nil && (after.seq != v.chain.seq || after.last != v.chain.last):
		v.find(v.line, "record %d goes on after record %d %s, and not after record %d before it",
			seq, after.seq, after.last[:8], v.chain.seq)
		v.chain = after
	case seq == v.chain.seq+1:
	case seq > v.chain.seq+1:
		v.find(v.line, "%s missing before record %d", recordsBetween(v.chain.seq, seq), seq)
	default:
		v.find(v.line, "record %d is out of order: record %d stands before it", seq, v.chain.seq)
	}
}

func recordsBetween(last, next uint64) string {
	if next-last == 2 {
		return fmt.Sprintf("record %d is", last+1)
	}
	return fmt.Sprintf("records %d to %d are", last+1, next-1)
}
