package querylog

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
)

const (
	first   = "\x01\x00\x00\x00"
	execute = "\x00\x01\x00\x00\x00" // flags, iteration count
)

// executions are executions of a statement with four parameters, and the parameters they have in the log.
var executions = []struct {
	com        byte
	rest       string
	want       string
	sets       int
	truncated  bool
	redactedAs string
}{
	{ // an integer, a string, a date, NULL
		protocol.ComStmtExecute,
		first + execute + "\x08\x01\x08\x00\xfe\x00\x0c\x00\x06\x00" + "\xd6\xff\xff\xff\xff\xff\xff\xff" + "\x04it's" +
			"\x0b\xea\x07\x0b\x14\x12\x2e\x07\xd2\x04\x00\x00",
		`[-42,"it's","2026-11-20 18:46:07.001234",null]`, 0, false, `["?","?","?","?"]`,
	},
	{ // bound as before
		protocol.ComStmtExecute,
		first + execute + "\x06\x00" + "\x01\x00\x00\x00\x00\x00\x00\x00",
		`[1,null,null,null]`, 0, false, `["?","?","?","?"]`,
	},
	{ // not UTF-8; a quote, a line break; a number JSON has not; a decimal
		protocol.ComStmtExecute,
		first + execute + "\x00\x01\xfc\x00\xfd\x00\x05\x00\xf6\x00" + "\x03\xff\x00\xfe" + "\x03\"\n\\" +
			"\x00\x00\x00\x00\x00\x00\xf0\x7f" + "\x0412.5",
		`[{"base64":"/wD+"},"\"\n\\","+Inf","12.5"]`, 0, false, `["?","?","?","?"]`,
	},
	{protocol.ComStmtSendLongData, first + "\x01\x00abcdef", ``, 0, false, ``},
	{protocol.ComStmtSendLongData, first + "\x01\x00ghi", ``, 0, false, ``},
	{ // the second was sent ahead
		protocol.ComStmtExecute,
		first + execute + "\x0c\x01\x01\x00\xfc\x00\x01\x00\x01\x00" + "\x05",
		`[5,{"long_data":9},null,null]`, 0, false, `["?","?","?","?"]`,
	},
	{protocol.ComStmtSendLongData, first + "\x01\x00abcdef", ``, 0, false, ``},
	{protocol.ComStmtReset, first, ``, 0, false, ``},
	{ // what was sent ahead is forgotten
		protocol.ComStmtExecute, first + execute + "\x0e\x00" + "\x06", `[6,null,null,null]`, 0, false, `["?","?","?","?"]`,
	},
	{ // cut off
		protocol.ComStmtExecute, first + execute + "\x00\x01\x01\x00\x01\x00\x01\x00\x01\x00" + "\x05\x06", `[5,6]`, 0, true,
		`["?","?"]`,
	},
	{
		protocol.ComStmtBulkExecute,
		first + "\x80\x00" + "\x01\x00\xfe\x00\x01\x00\x01\x00" + "\x00\x01\x00\x01a\x01\x02" + "\x00\x02\x00\x01b\x03\x00\x09",
		`[[1,"a",null,{"indicator":"default"}],[2,"b",{"indicator":"ignore"},9]]`, 2, false,
		`[["?","?","?","?"],["?","?","?","?"]]`,
	},
	{ // types that cannot be made out, and are not taken for the earlier ones either
		protocol.ComStmtExecute, first + execute + "\x00\x01\x01", ``, 0, false, ``,
	},
	{protocol.ComStmtExecute, first + execute + "\x0e\x00" + "\x06", ``, 0, false, ``},
}

func TestParams(t *testing.T) {
	for _, redact := range []bool{false, true} {
		b := start(t, func(c *Config) {
			if redact {
				c.Literals = "redact"
			}
		})
		talks := []talk{{protocol.ComStmtPrepare, "insert t values (?, ?, ?, ?)", pipelinetest.Prepared(1, 4)}}
		for _, e := range executions {
			k := talk{e.com, e.rest, pipelinetest.OK(1, 0)}
			if e.com == protocol.ComStmtSendLongData {
				k.reply = nil
			}
			talks = append(talks, k)
		}
		serve(t, b, talks)
		got := b.lines(t)
		for i, e := range executions {
			l := got[i+1]
			want := e.want
			if redact {
				want = e.redactedAs
			}
			if string(l.Params) != want || l.ParamSets != e.sets || l.Truncated != e.truncated {
				t.Errorf("execution %d: params %s of %d sets, truncated %v, want %s", i, l.Params, l.ParamSets, l.Truncated, want)
			}
		}
	}
}

// The same in a cell of a CSV file.
func TestParamsInCSV(t *testing.T) {
	b := start(t, asCSV, func(c *Config) { c.Fields = []string{"truncated", "params", "param_sets"} })
	talks := []talk{{protocol.ComStmtPrepare, "insert t values (?, ?, ?, ?)", pipelinetest.Prepared(1, 4)}}
	want := [][]string{{"truncated", "params", "param_sets", "event"}, {"", "", "", ""}}
	for _, e := range executions {
		if e.com != protocol.ComStmtExecute {
			continue
		}
		if strings.Contains(e.want, "long_data") {
			break
		}
		talks = append(talks, talk{e.com, e.rest, pipelinetest.OK(1, 0)})
		want = append(want, []string{"", e.want, "", ""})
	}
	serve(t, b, talks)
	b.Stop()
	file, err := os.Open(b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestBulkParamsAreBounded(t *testing.T) {
	b := start(t)
	rows := strings.Repeat("\x00\x07", 3*maxSets)
	serve(t, b, []talk{
		{protocol.ComStmtPrepare, "insert t values (?)", pipelinetest.Prepared(1, 1)},
		{protocol.ComStmtBulkExecute, first + "\x80\x00\x01\x00" + rows, pipelinetest.OK(300, 0)},
	})
	l := b.lines(t)[1]
	var sets [][]int
	if err := json.Unmarshal(l.Params, &sets); err != nil {
		t.Fatal(err)
	}
	if len(sets) != maxSets || l.ParamSets != 3*maxSets || !l.Truncated {
		t.Errorf("%d sets shown of %d, truncated %v", len(sets), l.ParamSets, l.Truncated)
	}
}

// Nothing of a value is in a redacted log.
func TestRedact(t *testing.T) {
	b := start(t, func(c *Config) { c.Literals = "redact" })
	const secret = "Wz9secret"
	serve(t, b, []talk{
		{protocol.ComQuery, "insert into t values ('" + secret + "')", pipelinetest.Err(1062, "23000", "Duplicate entry '"+secret+"' for key 'k'")},
		{protocol.ComQuery, "insert into t values ('" + secret + "')", pipelinetest.Err(60999, "45000", secret)},
		{protocol.ComStmtPrepare, "select '" + secret + "', ?", pipelinetest.Prepared(1, 1)},
		{protocol.ComStmtExecute, first + execute + "\x00\x01\xfe\x00\x09" + secret, pipelinetest.Rows(1)},
	})
	b.Stop()
	text, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), secret) {
		t.Errorf("the value is in the log: %s", text)
	}
	for _, want := range []string{`"error_message":"Duplicate entry ? for key ?"`, `"error_message":""`, `"params":["?"]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}
