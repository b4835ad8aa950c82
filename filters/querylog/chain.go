package querylog

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// hashSize is how much longer a record gets in a chain, at most.
const hashSize = len(`,"seq":18446744073709551615,"hash":""`) + 2*sha256.Size

// A chain numbers records and ties each to the one before: its hash is that of the hash before, as it is written, and of
// the record's bytes as they stand, up to its own hash. The first record of a CSV file answers for the header above it
// too, which stands between the two.
type chain struct {
	hash  hash.Hash
	csv   bool
	begun bool   // in this process
	seq   uint64 // of the last record
	last  [2 * sha256.Size]byte
	sum   [sha256.Size]byte // for next: here, so that it is not allocated
}

// newChain makes a chain that has no record yet. With a key, hashes are HMACs.
func newChain(key []byte, csv bool) *chain {
	c := &chain{hash: sha256.New(), csv: csv}
	if len(key) > 0 {
		c.hash = hmac.New(sha256.New, key)
	}
	for i := range c.last {
		c.last[i] = '0'
	}
	return c
}

// append appends the record, which ends with a line break, as the next of the chain. before is what stands between the
// last one and it, and is covered by its hash.
func (c *chain) append(dst, record, before []byte) []byte {
	before = bytes.Clone(before) // it may be the beginning of dst
	from := len(dst)
	if c.csv {
		dst = append(append(dst, record[:len(record)-1]...), ',')
	} else {
		dst = append(dst, record[:len(record)-2]...)
		if len(record) > len("{}\n") {
			dst = append(dst, ',')
		}
		dst = append(dst, `"seq":`...)
	}
	c.seq++
	dst = strconv.AppendUint(dst, c.seq, 10)
	c.last = c.next(before, dst[from:])
	if c.csv {
		dst = append(append(dst, ','), c.last[:]...)
		return append(dst, '\n')
	}
	dst = append(append(dst, `,"hash":"`...), c.last[:]...)
	return append(dst, "\"}\n"...)
}

// next returns the hash of what follows the last record.
func (c *chain) next(before, record []byte) (sum [2 * sha256.Size]byte) {
	c.hash.Reset()
	_, _ = c.hash.Write(c.last[:]) // a hash takes everything
	_, _ = c.hash.Write(before)
	_, _ = c.hash.Write(record)
	hex.Encode(sum[:], c.hash.Sum(c.sum[:0]))
	return sum
}

// record is the record that says how the chain goes on: at the start, and at the beginning of a file. columns is the
// number of columns before an event's in CSV.
func (c *chain) record(now time.Time, reason string, columns int) []byte {
	e := begin(nil, c.csv, columns, "chain", now)
	e.text("reason", reason)
	e.number("after_seq", c.seq)
	e.text("after_hash", string(c.last[:]))
	return e.end()
}

// The ends of records in a chain, as no text in a record has them: JSON escapes quotes, and the writer of a CSV cell
// cannot know what hash to forge.
var (
	jsonEnd = regexp.MustCompile(`"seq":([0-9]{1,20}),"hash":"([0-9a-f]{64})"}\n`)
	csvEnd  = regexp.MustCompile(`,([0-9]{1,20}),([0-9a-f]{64})\n`)
)

func chainEnd(csv bool) *regexp.Regexp {
	if csv {
		return csvEnd
	}
	return jsonEnd
}

// resume goes on after the last record of the file at path, or where that has none, of the file rotated last. Without
// either the chain is a new one.
func (c *chain) resume(path string) error {
	found, err := c.resumeFile(path)
	if found || err != nil {
		return err
	}
	if rotated, err := rotatedFiles(path); err != nil || len(rotated) == 0 {
		return err
	} else if last := rotated[len(rotated)-1]; strings.HasSuffix(last, ".gz") {
		text, err := readAll(last)
		if err == nil {
			c.resumeText(text)
		}
		return err
	} else {
		_, err = c.resumeFile(last)
		return err
	}
}

// resumeFile looks for the last record from the end of a file: what was cut off may stand behind it.
func (c *chain) resumeFile(path string) (found bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	for n := int64(4 << 10); ; n *= 4 {
		n = min(n, info.Size())
		end := make([]byte, n)
		if _, err := io.ReadFull(io.NewSectionReader(file, info.Size()-n, n), end); err != nil {
			return false, err
		}
		if c.resumeText(end) {
			return true, nil
		}
		if n == info.Size() {
			return false, nil
		}
	}
}

func (c *chain) resumeText(text []byte) bool {
	all := chainEnd(c.csv).FindAllSubmatch(text, -1)
	if len(all) == 0 {
		return false
	}
	m := all[len(all)-1]
	seq, err := strconv.ParseUint(string(m[1]), 10, 64)
	if err != nil {
		return false
	}
	c.seq = seq
	copy(c.last[:], m[2])
	return true
}
