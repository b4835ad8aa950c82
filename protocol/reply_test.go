package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reply builds the bytes of a reply packet by packet.
type reply struct {
	b   []byte
	seq uint8
}

func (r *reply) add(payloads ...[]byte) *reply {
	for _, p := range payloads {
		r.b = AppendPacket(r.b, r.seq, p)
		r.seq += uint8(len(p)/MaxPayload) + 1
	}
	return r
}

func started() *reply { return &reply{seq: 1} }

func okPacket(status uint16) []byte {
	ok := OK{AffectedRows: 300, LastInsertID: 70000, Status: status}
	return ok.Append(nil, 0)
}

func eofPacket(status uint16) []byte { return []byte{0xfe, 0, 0, byte(status), byte(status >> 8)} }

// endPacket is the OK packet that ends rows where EOF packets are deprecated.
func endPacket(status uint16) []byte {
	b := okPacket(status)
	b[0] = 0xfe
	return b
}

func column(name string) []byte { return append([]byte("\x03def\x00\x00\x00"), name...) }

func prepareOK(columns, params uint16, follows ...byte) []byte {
	b := []byte{0, 7, 0, 0, 0}
	b = binary.LittleEndian.AppendUint16(b, columns)
	b = binary.LittleEndian.AppendUint16(b, params)
	return append(append(b, 0, 0, 0), follows...)
}

var (
	errPacket   = (&SQLError{1064, "42000", "You have an error"}).Append(nil)
	row         = []byte("\x011\x02ab")
	hugeRow     = append([]byte{0xfe, 0, 0, 0, 1, 0, 0, 0, 0}, make([]byte, MaxPayload+100)...)
	exactRow    = append([]byte{0xfe, 0xf6, 0xff, 0xff, 0, 0, 0, 0, 0}, make([]byte, MaxPayload-9)...)
	binaryRow   = []byte("\x00\x00\x01\x00\x00\x00")
	progressErr = []byte("\xff\xff\xff\x01\x01\x02\x10\x00\x00\x05stage")
)

// replyCases are replies and what they are read as: kind and count, with "!" at the end of the reply.
var replyCases = []struct {
	name  string
	com   byte
	caps  Capability
	reply *reply
	want  string
}{
	{"OK", ComQuery, 0, started().add(okPacket(2)), "OK!"},
	{"ERR", ComQuery, 0, started().add(errPacket), "ERR!"},
	{
		"text result", ComQuery, 0,
		started().add([]byte{2}, column("a"), column("b"), eofPacket(2), row, row, row, eofPacket(2)),
		"columns column*2 EOF row*3 EOF!",
	},
	{
		"text result without EOF packets", ComQuery, ClientDeprecateEOF,
		started().add([]byte{2}, column("a"), column("b"), row, row, endPacket(2)), "columns column*2 row*2 EOF!",
	},
	{
		"no rows", ComQuery, ClientDeprecateEOF, started().add([]byte{1}, column("a"), endPacket(2)),
		"columns column EOF!",
	},
	{
		"an error after rows", ComQuery, ClientDeprecateEOF,
		started().add([]byte{1}, column("a"), row, errPacket), "columns column row ERR!",
	},
	{
		"several results", ComQuery, ClientDeprecateEOF,
		started().add([]byte{1}, column("a"), row, endPacket(StatusMoreResultsExists), okPacket(StatusMoreResultsExists),
			okPacket(0)), "columns column row EOF OK OK!",
	},
	{
		"several results, the last an error", ComQuery, 0,
		started().add([]byte{1}, column("a"), eofPacket(0), row, eofPacket(StatusMoreResultsExists), errPacket),
		"columns column EOF row EOF ERR!",
	},
	{
		"binary result", ComStmtExecute, 0,
		started().add([]byte{1}, column("a"), eofPacket(2), binaryRow, binaryRow, eofPacket(2)),
		"columns column EOF row*2 EOF!",
	},
	{
		"cursor", ComStmtExecute, 0, started().add([]byte{1}, column("a"), eofPacket(StatusCursorExists)),
		"columns column EOF!",
	},
	{
		"cursor without EOF packets", ComStmtExecute, ClientDeprecateEOF,
		started().add([]byte{1}, column("a"), endPacket(StatusCursorExists)), "columns column EOF!",
	},
	{"fetch", ComStmtFetch, 0, started().add(binaryRow, binaryRow, eofPacket(StatusCursorExists)), "row*2 EOF!"},
	{"fetch, last", ComStmtFetch, ClientDeprecateEOF, started().add(endPacket(StatusLastRowSent)), "EOF!"},
	{"fetch, error", ComStmtFetch, 0, started().add(errPacket), "ERR!"},
	{
		"cached metadata", ComStmtExecute, MariaDBClientCacheMetadata | ClientDeprecateEOF,
		started().add([]byte{2, 0}, binaryRow, endPacket(2)), "columns row EOF!",
	},
	{
		"cached metadata with EOF packets", ComStmtExecute, MariaDBClientCacheMetadata,
		started().add([]byte{2, 0}, eofPacket(2), binaryRow, eofPacket(2)), "columns EOF row EOF!",
	},
	{
		"metadata not yet cached", ComStmtExecute, MariaDBClientCacheMetadata | ClientDeprecateEOF,
		started().add([]byte{1, 1}, column("a"), binaryRow, endPacket(2)), "columns column row EOF!",
	},
	{"prepare, nothing follows", ComStmtPrepare, 0, started().add(prepareOK(0, 0)), "prepare OK!"},
	{
		"prepare, parameters", ComStmtPrepare, 0, started().add(prepareOK(0, 1), column("?"), eofPacket(0)),
		"prepare OK column EOF!",
	},
	{
		"prepare, columns", ComStmtPrepare, 0, started().add(prepareOK(1, 0), column("a"), eofPacket(0)),
		"prepare OK column EOF!",
	},
	{
		"prepare, both", ComStmtPrepare, 0,
		started().add(prepareOK(2, 2), column("?"), column("?"), eofPacket(0), column("a"), column("b"), eofPacket(0)),
		"prepare OK column*2 EOF column*2 EOF!",
	},
	{
		"prepare, both, without EOF packets", ComStmtPrepare, ClientDeprecateEOF,
		started().add(prepareOK(2, 1), column("?"), column("a"), column("b")), "prepare OK column column*2!",
	},
	{
		"prepare without metadata", ComStmtPrepare, ClientOptionalResultsetMetadata | ClientDeprecateEOF,
		started().add(prepareOK(2, 1, 0)), "prepare OK!",
	},
	{
		// As MySQL 9.7 answers after SET resultset_metadata = NONE.
		"prepare without metadata, with EOF packets", ComStmtPrepare, ClientOptionalResultsetMetadata,
		started().add(prepareOK(2, 1, 0), eofPacket(2), eofPacket(2)), "prepare OK EOF EOF!",
	},
	{
		"prepare columns without metadata, with EOF packets", ComStmtPrepare, ClientOptionalResultsetMetadata,
		started().add(prepareOK(2, 0, 0), eofPacket(2)), "prepare OK EOF!",
	},
	{
		"result without metadata", ComQuery, ClientOptionalResultsetMetadata,
		started().add([]byte{2, 0}, eofPacket(2), row, eofPacket(2)), "columns EOF row EOF!",
	},
	{"prepare, error", ComStmtPrepare, 0, started().add(errPacket), "ERR!"},
	{"field list", ComFieldList, 0, started().add(column("a"), column("b"), eofPacket(0)), "column column EOF!"},
	{"statistics", ComStatistics, 0, started().add([]byte("Uptime: 5")), "statistics!"},
	{"ping", ComPing, 0, started().add(okPacket(2)), "OK!"},
	{"set option", ComSetOption, 0, started().add(eofPacket(2)), "EOF!"},
	{"unknown command", 0x77, 0, started().add(errPacket), "ERR!"},
	{
		"progress reports", ComQuery, MariaDBClientProgress,
		started().add(progressErr, progressErr, okPacket(2)), "progress progress OK!",
	},
	{"code 0xFFFF is an error to others", ComQuery, 0, started().add(progressErr), "ERR!"},
	{
		"bulk execute with unit results", ComStmtBulkExecute, MariaDBClientBulkUnitResults | ClientDeprecateEOF,
		started().add([]byte{2}, column("id"), column("n"), binaryRow, endPacket(2)), "columns column*2 row EOF!",
	},
	{"binlog", ComBinlogDump, 0, started().add([]byte("\x00ev1"), []byte("\x00ev2"), eofPacket(0)), "event*2 EOF!"},
	{
		"a row of 16 MiB and more", ComQuery, ClientDeprecateEOF,
		started().add([]byte{1}, column("a"), row, hugeRow, row, endPacket(2)), "columns column row row row EOF!",
	},
	{
		"a row of exactly one packet's payload", ComQuery, 0,
		started().add([]byte{1}, column("a"), eofPacket(2), exactRow, eofPacket(2)), "columns column EOF row EOF!",
	},
}

// readAll reads a reply that arrives in pieces of step bytes into a buffer of size bytes, as a link does, and returns
// what it was read as. It fails where a byte is lost or the end is in the wrong place.
func readAll(t *testing.T, com byte, caps Capability, in []byte, size, step int) string {
	t.Helper()
	var r ReplyReader
	r.Reset(com, caps, 1)
	var out []byte
	var words []string
	buf := make([]byte, size)
	have := 0
	last, run := "", 0
	note := func(word string, count int) {
		if word == last && run > 0 && count > 0 && (word == "row" || word == "column" || word == "event") {
			run += count
			words[len(words)-1] = word + "*" + strconv.Itoa(run)
			return
		}
		last, run = word, count
		if count > 1 {
			word += "*" + strconv.Itoa(count)
		}
		words = append(words, word)
	}
	for rest := in; !r.Done(); {
		n := copy(buf[have:min(len(buf), have+step)], rest)
		if n == 0 && len(rest) == 0 {
			t.Fatalf("the reply did not end: %v", words)
		}
		rest = rest[n:]
		have += n
		at := 0
		for at < have && !r.Done() {
			var p Chunk
			n, err := r.Next(buf[at:have], at == 0 && have == len(buf), &p)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			if n != len(p.Data) {
				t.Fatalf("returned %d for a chunk of %d bytes", n, len(p.Data))
			}
			if _, _, _, ok := p.Wire(); !ok {
				t.Fatal("a chunk as read does not say so")
			}
			if p.Count > 0 {
				note(p.Kind.String(), p.Count)
			}
			if p.Final {
				words[len(words)-1] += "!"
			}
			if p.Final != r.Done() {
				t.Fatal("Final and Done disagree")
			}
			out = append(out, p.Data...)
			at += n
		}
		have = copy(buf, buf[at:have])
	}
	if !bytes.Equal(out, in) {
		t.Fatal("the chunks are not the bytes that came")
	}
	return strings.Join(words, " ")
}

// merged makes of a description what it is when definitions of parameters and columns meet, or runs are split.
func merged(s string) string {
	s = strings.ReplaceAll(s, "column column column", "column*3")
	s = strings.ReplaceAll(s, "column column*2", "column*3")
	s = strings.ReplaceAll(s, "column column", "column*2")
	s = strings.ReplaceAll(s, "row row row", "row*3")
	return strings.ReplaceAll(s, "row row", "row*2")
}

func TestReplies(t *testing.T) {
	for _, c := range replyCases {
		t.Run(c.name, func(t *testing.T) {
			steps := [][2]int{{64 << 10, 64 << 10}, {16 << 10, 1000}, {64, 64}}
			if len(c.reply.b) < 1<<20 {
				steps = append(steps, [2]int{64 << 10, 1}, [2]int{64, 1}, [2]int{64, 7})
			}
			for _, s := range steps {
				if got := readAll(t, c.com, c.caps, c.reply.b, s[0], s[1]); merged(got) != merged(c.want) {
					t.Errorf("buffer %d, %d bytes at a time: read as %q, want %q", s[0], s[1], got, c.want)
				}
			}
		})
	}
}

func TestRepliesByCommand(t *testing.T) {
	t.Run("LOCAL INFILE", func(t *testing.T) {
		var r ReplyReader
		var p Chunk
		r.Reset(ComQuery, 0, 1)
		request := started().add([]byte("\xfb/etc/motd")).b
		n, err := r.Next(request, false, &p)
		if err != nil || n != len(request) || p.Kind != KindLocalInfile || p.Final || r.Done() {
			t.Fatalf("request read as %v, %d bytes, final %v: %v", p.Kind, n, p.Final, err)
		}
		r.Resume(5)
		answer := (&reply{seq: 5}).add(okPacket(2)).b
		if _, err := r.Next(answer, false, &p); err != nil || p.Kind != KindOK || !p.Final {
			t.Fatalf("answer read as %v: %v", p.Kind, err)
		}
	})
	t.Run("status", func(t *testing.T) {
		var r ReplyReader
		var p Chunk
		r.Reset(ComQuery, ClientDeprecateEOF, 1)
		if _, err := r.Next(started().add(okPacket(StatusInTrans|StatusAutocommit)).b, false, &p); err != nil {
			t.Fatal(err)
		}
		if p.Status != StatusInTrans|StatusAutocommit {
			t.Errorf("status %#x", p.Status)
		}
	})
}

func TestRepliesThatAreNone(t *testing.T) {
	cases := map[string]struct {
		com   byte
		bytes []byte
	}{
		"wrong number":            {ComQuery, (&reply{seq: 2}).add(okPacket(0)).b},
		"empty packet":            {ComQuery, []byte{0, 0, 0, 1}},
		"truncated OK":            {ComQuery, started().add([]byte{0, 0}).b},
		"truncated ERR":           {ComQuery, started().add([]byte{0xff, 1}).b},
		"no columns":              {ComQuery, started().add([]byte{0xfc, 0, 0}).b},
		"row where columns end":   {ComQuery, started().add([]byte{1}, column("a"), row).b},
		"OK to COM_STMT_PREPARE":  {ComStmtPrepare, started().add([]byte{0, 0, 0}).b},
		"result to COM_PING":      {ComPing, started().add([]byte{1}).b},
		"wrong number in the run": {ComStmtFetch, append(started().add(row).b, (&reply{seq: 7}).add(row).b...)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var r ReplyReader
			r.Reset(c.com, 0, 1)
			for b := c.bytes; ; {
				var p Chunk
				n, err := r.Next(b, false, &p)
				if err != nil {
					return
				}
				if n == 0 || r.Done() {
					t.Fatalf("taken for a reply; %d bytes left", len(b))
				}
				b = b[n:]
			}
		})
	}
}

func FuzzReply(f *testing.F) {
	for _, c := range replyCases {
		if len(c.reply.b) < 1<<16 {
			f.Add(c.com, uint64(c.caps), c.reply.b, uint8(5))
		}
	}
	f.Fuzz(func(t *testing.T, com byte, caps uint64, in []byte, step uint8) {
		var r ReplyReader
		r.Reset(com, Capability(caps), 1)
		buf := make([]byte, 256)
		have, cut := 0, 0
		for rest := in; !r.Done(); {
			n := copy(buf[have:min(len(buf), have+int(step)+1)], rest)
			if n == 0 {
				return
			}
			rest = rest[n:]
			have += n
			at := 0
			for at < have && !r.Done() {
				var p Chunk
				n, err := r.Next(buf[at:have], at == 0 && have == len(buf), &p)
				if err != nil {
					return
				}
				if n == 0 {
					break
				}
				if p.Kind == KindLocalInfile && p.Part != First && p.Part != Middle {
					r.Resume(1)
				}
				if !bytes.Equal(p.Data, in[cut:cut+n]) {
					t.Fatal("a chunk is not what came")
				}
				at += n
				cut += n
			}
			if at == 0 && have == len(buf) {
				t.Fatal("stuck on a full buffer")
			}
			have = copy(buf, buf[at:have])
		}
	})
}

// Binlog events are numbered on from what a replica acknowledges one with.
func TestEventsNumberedAnew(t *testing.T) {
	var b []byte
	for i, seq := range []byte{1, 2, 1, 2, 1} {
		b = AppendPacket(b, seq, []byte{0, byte(i)})
	}
	b = AppendPacket(b, 2, eofPacket(0))
	var r ReplyReader
	r.Reset(ComBinlogDump, 0, 1)
	var got []string
	for !r.Done() {
		var p Chunk
		n, err := r.Next(b, false, &p)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		_, _, seq, _ := p.Wire()
		got = append(got, fmt.Sprintf("%d from %d", p.Count, seq))
		b = b[n:]
	}
	want := []string{"2 from 1", "2 from 1", "1 from 1", "1 from 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packets (- want, + got):\n%s", diff)
	}
}
