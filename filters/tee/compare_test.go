package tee

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// sumOf is the checksum of the rows in a reply.
func sumOf(r pipelinetest.Reply) uint64 {
	var h watch
	h.reset(nil, true)
	for i := range r {
		if err := h.WriteReply(&r[i]); err != nil {
			panic(err)
		}
	}
	return h.sum
}

// rowsOf is a reply of the rows given, in that order.
func rowsOf(rows ...string) pipelinetest.Reply {
	r := pipelinetest.Rows(1)
	for i := range r {
		if r[i].Kind != protocol.KindRow {
			continue
		}
		r[i].Data, r[i].Count = nil, len(rows)
		for _, row := range rows {
			r[i].Data = protocol.AppendPacket(r[i].Data, 0, protocol.AppendLenencString(nil, row))
		}
	}
	return r
}

func TestChecksum(t *testing.T) {
	rows := pipelinetest.Rows(300)
	want := sumOf(rows)
	for name, r := range map[string]pipelinetest.Reply{
		"packets": rows.Packets(), "fragments of 5": rows.Fragments(5), "fragments of 6": rows.Fragments(6),
	} {
		if sumOf(r) != want {
			t.Errorf("in %s: the checksum is another", name)
		}
	}
	if sumOf(rowsOf("a", "b", "b")) != sumOf(rowsOf("b", "a", "b")) {
		t.Error("the order of rows counts")
	}
	for _, other := range [][]string{{"a", "b"}, {"a", "a", "b"}, {"a", "b", "c"}, {"ab", "b", ""}, {"a", "b", "b", "b"}} {
		if sumOf(rowsOf("a", "b", "b")) == sumOf(rowsOf(other...)) {
			t.Errorf("%q has the same checksum as a, b, b", other)
		}
	}
}

// TestChecksumOfHugeRows: a row of several packets is the same however it is cut, at headers too.
func TestChecksumOfHugeRows(t *testing.T) {
	huge := rowsOf("x", strings.Repeat("y", 2*protocol.MaxPayload+100), "z")
	want := sumOf(huge)
	data := huge[2].Data
	for _, n := range []int{64 << 10, protocol.MaxPayload + 2, protocol.MaxPayload + protocol.HeaderSize + 3} {
		r := rowsOf("x", "z")
		chunk := protocol.Chunk{Kind: protocol.KindRow, Part: protocol.First, Count: 1}
		rest := data[6 : len(data)-6] // without x and z
		for len(rest) > n {
			chunk.Data, rest = rest[:n], rest[n:]
			r = append(r, chunk)
			chunk.Part, chunk.Count = protocol.Middle, 0
		}
		chunk.Data, chunk.Part = rest, protocol.Last
		if sumOf(append(r, chunk)) != want {
			t.Errorf("in fragments of %d bytes: the checksum is another", n)
		}
	}
}

func TestSteadiness(t *testing.T) {
	for text, want := range map[string]steadiness{
		"SELECT a FROM t": steady, "SELECT NOW ( )": steadyCounts, "SELECT a FROM know": steady, "SELECT UNKNOWN": steady,
		"SELECT NOWHERE , CURRENT_TIMESTAMP": steadyCounts, "SELECT `NOW`": steady, "SELECT t.NOW": steady,
		"SELECT UNIX_TIMESTAMP ( )": steadyCounts,
	} {
		if got := steadinessOf(&pipeline.Statement{Canonical: text}); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if steadinessOf(&pipeline.Statement{Description: sqlscan.Description{Class: sqlscan.Show}}) != steadyErrors ||
		steadinessOf(&pipeline.Statement{Description: sqlscan.Description{Effects: sqlscan.Volatile}}) != steadyCounts {
		t.Error("the scanner's word does not count")
	}
}

func TestCompare(t *testing.T) {
	p := session(t, caps, caps, comparing)
	no := pipelinetest.Err(1064, "42000", "You have an error near 'IDENTIFIED BY 'hunter2''")
	p.send(protocol.ComQuery, "SELECT a FROM t", pipelinetest.Rows(3), pipelinetest.Rows(3))
	p.send(protocol.ComQuery, "SELECT a FROM t", pipelinetest.Rows(3), pipelinetest.Rows(2))
	p.send(protocol.ComQuery, "SELECT a FROM t", rowsOf("a", "b"), rowsOf("a", "c"))
	p.send(protocol.ComQuery, "SELECT a FROM t", rowsOf("a", "b"), rowsOf("b", "a"))
	p.send(protocol.ComQuery, "INSERT INTO t SELECT * FROM u", pipelinetest.OK(3, 0), pipelinetest.OK(2, 0))
	p.send(protocol.ComQuery, "NEW SYNTAX", no, pipelinetest.OK(0, 0))
	p.send(protocol.ComQuery, "OLD SYNTAX", pipelinetest.OK(0, 0), no)
	p.send(protocol.ComQuery, "NO SYNTAX", no, no)
	p.send(protocol.ComQuery, "SELECT UNIX_TIMESTAMP()", rowsOf("1"), rowsOf("2"))
	p.send(protocol.ComStmtPrepare, "SELECT a FROM t", pipelinetest.Prepared(1, 0), pipelinetest.Prepared(1, 0))
	p.send(protocol.ComStmtExecute, id(1)+"\x00\x01\x00\x00\x00", pipelinetest.Rows(1), pipelinetest.Rows(1))
	p.chain.Close()
	p.figures(map[string]int{"compared_statements_total": 11, "differences_total": 5})

	doc := p.Pages["compare"]().(page)
	type seen struct {
		Count, Differing int64
		Differences      map[string]int64
	}
	got := make(map[string]seen)
	for _, e := range doc.Digests {
		got[e.Command+" "+strings.ReplaceAll(e.Statement, " ( )", "()")] = seen{e.Count, e.Differing, e.Differences}
	}
	want := map[string]seen{
		"COM_QUERY SELECT a FROM t":               {4, 2, map[string]int64{"rows": 1, "checksum": 1}},
		"COM_QUERY INSERT INTO t SELECT * FROM u": {1, 1, map[string]int64{"affected_rows": 1}},
		"COM_QUERY NEW SYNTAX":                    {1, 1, map[string]int64{"error": 1}},
		"COM_QUERY OLD SYNTAX":                    {1, 1, map[string]int64{"error": 1}},
		"COM_QUERY NO SYNTAX":                     {1, 0, nil},
		"COM_QUERY SELECT UNIX_TIMESTAMP()":       {1, 0, nil},
		"COM_STMT_PREPARE SELECT a FROM t":        {1, 0, nil},
		"COM_STMT_EXECUTE SELECT a FROM t":        {1, 0, nil},
	}
	// How names are quoted and spaced is the scanner's business.
	plain := cmpopts.AcyclicTransformer("plain", func(m map[string]seen) map[string]seen {
		all := make(map[string]seen)
		for k, v := range m {
			all[strings.ToUpper(strings.NewReplacer("`", "", " ", "").Replace(k))] = v
		}
		return all
	})
	if diff := cmp.Diff(want, got, plain); diff != "" {
		t.Errorf("digests (-want +got):\n%s", diff)
	}
	if doc.Digests[0].Differing != 2 || doc.Compared != 11 || doc.Differences != 5 || doc.Target != "shadow" {
		t.Errorf("the page is %+v", doc)
	}
	if b, err := json.Marshal(doc); err != nil || !strings.Contains(string(b), `"main_seconds":`) {
		t.Errorf("%s: %v", b, err)
	}
	p.Stop()
	log := p.Log.String()
	for _, want := range []string{
		"msg=\"replies differ\"", "in=rows ", "in=checksum ", "in=affected_rows ", "main.affected_rows=3", "branch.affected_rows=2",
		"branch.message=\"? near ? at line ?\"", "msg=\"session copied\"", "compared=11 differences=5",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
	if strings.Contains(log, "hunter2") {
		t.Errorf("a password is in the log:\n%s", log)
	}
}

// TestManyDifferences: what is kept and said of them is bounded.
func TestManyDifferences(t *testing.T) {
	p := session(t, caps, caps, comparing)
	for i := range 2 * slots {
		p.send(protocol.ComQuery, fmt.Sprintf("SELECT a%d FROM t", i), pipelinetest.Rows(1), pipelinetest.Rows(2))
	}
	p.chain.Close()
	p.Stop()
	doc := p.Pages["compare"]().(page)
	total := doc.Other.Count
	for _, e := range doc.Digests {
		total += e.Count
	}
	if len(doc.Digests) > slots || total != 2*slots || doc.Other.Count == 0 {
		t.Errorf("%d digests, %d others, %d in all", len(doc.Digests), doc.Other.Count, total)
	}
	if n := strings.Count(p.Log.String(), "replies differ"); n < perSecond || n > 20*perSecond {
		t.Errorf("%d messages", n)
	}
}
