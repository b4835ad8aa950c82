package querylog

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

var at = time.Date(2026, 11, 20, 18, 46, 7, 1_234_000, time.UTC)

func TestLine(t *testing.T) {
	who := appendWho(nil, 7, "app", "10.0.0.9:4711")
	tests := []struct {
		name string
		e    entry
		want string
	}{
		{
			"text",
			entry{
				who: who, schema: "shop", command: protocol.ComQuery,
				statement: statement{text: []byte(`select "a"`), known: true},
				watch: &pipeline.Watch{
					Start: at, First: 412 * time.Microsecond, Last: 433900, Rows: 3, Bytes: 120, Server: "db1",
				},
			},
			`{"time":"2026-11-20T18:46:07.001234Z","session":7,"user":"app","client":"10.0.0.9:4711",` +
				`"schema":"shop","command":"COM_QUERY","statement":"select \"a\"","first_us":412,"last_us":433,` +
				`"rows":3,"affected_rows":0,"bytes":120,"server":"db1"}`,
		},
		{
			"error",
			entry{
				who: who, command: protocol.ComInitDB,
				watch: &pipeline.Watch{
					Start: at.Add(time.Second), First: time.Second, Last: time.Second, Bytes: 30,
					Err: &protocol.SQLError{Code: 1049}, Server: "db1",
				},
			},
			`{"time":"2026-11-20T18:46:08.001234Z","session":7,"user":"app","client":"10.0.0.9:4711",` +
				`"schema":"","command":"COM_INIT_DB","first_us":1000000,"last_us":1000000,"rows":0,` +
				`"affected_rows":0,"bytes":30,"error":1049,"server":"db1"}`,
		},
		{
			"broken off",
			entry{
				who: who, command: protocol.ComStmtPrepare, aborted: true,
				statement: statement{text: []byte(`a\n`), known: true, encoded: true, truncated: true},
				watch:     &pipeline.Watch{Start: at},
			},
			`{"time":"2026-11-20T18:46:07.001234Z","session":7,"user":"app","client":"10.0.0.9:4711",` +
				`"schema":"","command":"COM_STMT_PREPARE","statement":"a\n","truncated":true,"first_us":0,` +
				`"last_us":0,"rows":0,"affected_rows":0,"bytes":0,"aborted":true,"server":""}`,
		},
	}
	var c clock
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := string(tt.e.append(nil, &c))
			if got != tt.want+"\n" {
				t.Errorf("got  %swant %s", got, tt.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("not JSON")
			}
		})
	}
}

// The longest line there can be must fit what is reserved for it, and a quarter of the smallest ring.
func TestLongestLine(t *testing.T) {
	long := strings.Repeat("\x01", 2*maxName)
	text := bytes.Repeat([]byte{1}, 10*minQueue)
	e := entry{
		who:       appendWho(nil, math.MaxUint32, long, long),
		schema:    clipName(long),
		command:   protocol.ComStmtSendLongData,
		statement: statement{text: text, known: true}.clip(maxText(minQueue)),
		aborted:   true,
		watch: &pipeline.Watch{
			Start: at, First: math.MaxInt64, Last: math.MaxInt64, Rows: math.MaxUint64, AffectedRows: math.MaxUint64,
			Bytes: math.MaxUint64, Err: &protocol.SQLError{Code: math.MaxUint16}, Server: clipName(long),
		},
	}
	line := e.append(nil, new(clock))
	if len(line) > e.size() {
		t.Errorf("the line has %d bytes, %d were reserved", len(line), e.size())
	}
	if e.size() > minQueue/4 {
		t.Errorf("%d bytes is more than a quarter of %d", e.size(), minQueue)
	}
	if !json.Valid(line) {
		t.Error("not JSON")
	}
}
