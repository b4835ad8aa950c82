package querylog

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

var at = time.Date(2026, 11, 20, 18, 46, 7, 1_234_000, time.UTC)

// open opens a filter for a session, without a process around it.
func open(t *testing.T, info pipeline.SessionInfo, changes ...func(*Config)) *link {
	t.Helper()
	f, err := New(settings("x", changes...), pipeline.Env{
		OnStart: func(func() error) {}, OnStop: func(func()) {}, OnReopen: func(func()) {}, Expose: func(pipeline.Metric) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := f.Open(pipeline.Detached(info), nil)
	if err != nil {
		t.Fatal(err)
	}
	return h.(*link)
}

func everyField(c *Config) { c.Fields = slices.Clone(fieldNames[:]) }

func asCSV(c *Config) { c.Format = "csv" }

// line is the record of an entry, after it has gone through the ring.
func (l *link) line(e entry) []byte {
	e.id, e.user, e.client = l.s.ID(), l.user, l.client
	raw := e.append(nil)
	var r record
	r.parse(raw)
	if len(raw) != e.size() {
		panic(fmt.Sprintf("%d bytes, said to be %d", len(raw), e.size()))
	}
	return l.output.encoder.append(nil, &r)
}

// Statements whose names are known need not be parsed again, and none is while the writer is behind.
func TestNames(t *testing.T) {
	behind := false
	c := nameCache{busy: func() bool { return behind }}
	var scanner sqlscan.Scanner
	canonical, _, _ := scanner.Scan([]byte("select count(*) from t where n = 1"), 0)
	first := c.of(1, canonical)
	if string(first.tables) != `["t"]` || string(first.functions) != `["COUNT"]` {
		t.Errorf("%s, %s", first.tables, first.functions)
	}
	if n := c.of(2, []byte("DO ?")); string(n.tables) != "[]" {
		t.Errorf("%s", n.tables)
	}
	if n := c.of(3, []byte("NONSENSE ?")); n.tables != nil {
		t.Errorf("%s", n.tables)
	}
	if n := c.of(1, []byte("SELECT ? FROM u")); string(n.tables) != `["u"]` { // the same digest by chance
		t.Errorf("%s", n.tables)
	}
	behind = true
	if n := c.of(2, []byte("DO ?")); n == nil {
		t.Error("forgotten")
	}
	if n := c.of(4, []byte("DO ?")); n != nil {
		t.Error("parsed")
	}
	behind = false
	for i := range uint64(5 * maxNamed) {
		c.of(i, []byte("DO ?"))
	}
	if len(c.known) > maxNamed {
		t.Errorf("%d are known", len(c.known))
	}
}

// examples are entries, as JSON and as CSV with every field.
var examples = []struct {
	name      string
	e         entry
	json, csv string
}{
	{
		"text",
		entry{
			flags: known, com: protocol.ComQuery, schema: "shop", text: []byte(`select "a"`),
			watch: &pipeline.Watch{
				Start: at, First: 412 * time.Microsecond, Last: 433900, Rows: 3, Bytes: 120, Server: "db1",
			},
		},
		`{"time":"2026-11-20T18:46:07.001234Z","session":7,"user":"app","client":"192.0.2.7:40123",` +
			`"schema":"shop","command":"COM_QUERY","statement":"select \"a\"","first_us":412,"last_us":433,` +
			`"rows":3,"affected_rows":0,"bytes":120,"server":"db1","last_insert_id":0}`,
		`"2026-11-20T18:46:07.001234Z",7,"app","192.0.2.7:40123","shop","COM_QUERY","select ""a""",,,,412,433,3,0,120,` +
			`,,,,"db1",,0,,,,,,`,
	},
	{
		"error, cut, aborted, traced",
		entry{
			flags: known | truncated | aborted | traced | described | failed | executes | attributes,
			com:   protocol.ComStmtExecute, prepared: "insert ?", trace: [16]byte{0x4b, 0xf9, 15: 0x36},
			about: &pipeline.Statement{
				Digest: 0xabc, Description: sqlscan.Description{Class: sqlscan.Write, Summary: `INSERT "x"`},
			},
			canonical: "INSERT INTO `shop`.`x` SELECT NOW(), y FROM z",
			// With a query attribute, which is left out; the first was sent ahead, the second was bound before.
			execution: []byte("\x17\x01\x00\x00\x00\x08\x01\x00\x00\x00\x03\x00\x00\x07\x01v"), params: 2,
			types: []byte("\xfc\x00\x01\x00\xfe\x00"), long: []uint64{6, 0},
			err:   &protocol.SQLError{Code: 1062, State: "23000", Message: "Duplicate entry 'x'"},
			watch: &pipeline.Watch{Start: at, AffectedRows: 2, LastInsertID: 17},
		},
		`{"time":"2026-11-20T18:46:07.001234Z","session":7,"user":"app","client":"192.0.2.7:40123",` +
			`"schema":"","command":"COM_STMT_EXECUTE","statement":"insert ?","params":[{"long_data":5},7],"truncated":true,` +
			`"first_us":0,"last_us":0,"rows":0,"affected_rows":2,"bytes":0,"error":1062,"sqlstate":"23000",` +
			`"error_message":"Duplicate entry 'x'",` +
			`"aborted":true,"server":"","trace_id":"4bf90000000000000000000000000036","last_insert_id":17,` +
			`"digest":"0000000000000abc","class":"write","summary":"INSERT \"x\"",` +
			`"tables":["z","shop.x"],"functions":["NOW"]}`,
		`"2026-11-20T18:46:07.001234Z",7,"app","192.0.2.7:40123","","COM_STMT_EXECUTE","insert ?",` +
			`"[{""long_data"":5},7]",,true,0,0,0,2,0,` +
			`1062,"23000","Duplicate entry 'x'",true,"","4bf90000000000000000000000000036",17,"0000000000000abc","write",` +
			`"INSERT ""x""","[""z"",""shop.x""]","[""NOW""]",`,
	},
}

func TestRecord(t *testing.T) {
	for _, tt := range examples {
		for format, want := range map[string]string{"json": tt.json, "csv": tt.csv} {
			l := open(t, pipelinetest.Session(7), everyField, func(c *Config) { c.Format = format })
			if got := string(l.line(tt.e)); got != want+"\n" {
				t.Errorf("%s:\ngot  %swant %s", tt.name, got, want)
			}
		}
	}
}

func TestFieldsAsChosen(t *testing.T) {
	for _, tt := range []struct {
		format string
		fields []string
		want   string
	}{
		{"json", []string{"error", "rows", "user"}, `{"rows":3,"user":"app"}`},
		{"json", []string{"error"}, "{}"},
		{"csv", []string{"error", "rows", "user"}, `,3,"app",`},
	} {
		l := open(t, pipelinetest.Session(7), func(c *Config) { c.Format, c.Fields = tt.format, tt.fields })
		if got := string(l.line(examples[0].e)); got != tt.want+"\n" {
			t.Errorf("%s, %q: %s", tt.format, tt.fields, got)
		}
	}
}

// One record after another says nothing of the one before.
func TestRecordsInARow(t *testing.T) {
	l := open(t, pipelinetest.Session(7), everyField)
	var r record
	for _, i := range []int{0, 1, 0, 1} {
		e := examples[i].e
		e.id, e.user, e.client = 7, l.user, l.client
		r.parse(e.append(nil))
		if got := string(l.output.encoder.append(nil, &r)); got != examples[i].json+"\n" {
			t.Errorf("%s: got %s", examples[i].name, got)
		}
	}
}

// Whatever a client sends, the line is a line, and says it.
func TestHostileText(t *testing.T) {
	hostile := []string{
		"", `"`, `""`, `\`, `\"`, "a\nb\r\nc", "\x00\x01\x1f\x7f", "a,b;c\td", "{\"event\":\"gap\"}\n{", "Grüße 世界 🐘", "\u2028\u2029",
		"\xff\xfe", "\xed\xa0\x80", "=cmd|' /C calc'!A0", " leading and trailing ", `",1,"`, "\n,1," + strings.Repeat("0", 64) + "\n",
	}
	for _, s := range hostile {
		info := pipelinetest.Session(7)
		info.User, info.ClientAddr = s, s
		e := entry{
			flags: known | failed | described, com: protocol.ComQuery, schema: s, text: []byte(s),
			err:   &protocol.SQLError{Code: 1, Message: s},
			watch: &pipeline.Watch{Start: at, Server: s}, about: &pipeline.Statement{Description: sqlscan.Description{Summary: s}},
		}
		want := strings.ToValidUTF8(s, "\ufffd")
		if s == "\xff\xfe" || s == "\xed\xa0\x80" { // one for each byte, where ToValidUTF8 makes one of a run
			want = strings.Repeat("\ufffd", len(s))
		}
		l := open(t, info, everyField)
		line := l.line(e)
		var got struct{ User, Client, Schema, Statement, Summary, Server string }
		if err := json.Unmarshal(line, &got); err != nil || bytes.Count(line, []byte{'\n'}) != 1 {
			t.Errorf("%q: %v in %s", s, err, line)
		}
		if got.User != want || got.Client != want || got.Schema != want || got.Statement != want || got.Summary != want || got.Server != want {
			t.Errorf("%q came back as %+v", s, got)
		}

		l = open(t, info, everyField, asCSV)
		file := append(append(slices.Clone(l.output.head), l.line(e)...), l.line(e)...)
		rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
		if err != nil || len(rows) != 3 {
			t.Errorf("%q: %d rows, %v in %s", s, len(rows), err, file)
			continue
		}
		want = strings.ReplaceAll(want, "\r\n", "\n") // so the reader has it
		for i, name := range rows[0] {
			switch name {
			case "user", "client", "schema", "statement", "summary", "server", "error_message":
				if rows[1][i] != want || rows[2][i] != want {
					t.Errorf("%q came back as %q, %q", s, rows[1][i], rows[2][i])
				}
			}
		}
	}
}

// The longest entry there can be fits a quarter of the smallest ring, and its record says that not all is there.
func TestLongestEntry(t *testing.T) {
	long := strings.Repeat("\x01", 10*minQueue)
	info := pipelinetest.Session(math.MaxUint32)
	info.User, info.ClientAddr = long, long
	for _, format := range []string{"json", "csv"} {
		l := open(t, info, everyField, func(c *Config) { c.Format = format })
		st := &pipeline.PreparedStatement{
			Text: long, Params: math.MaxUint16, Types: bytes.Repeat([]byte{1, 0}, math.MaxUint16),
		}
		for name, execution := range map[string][]byte{
			"values": append([]byte("\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00"), long...),
			"nulls":  append([]byte("\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00"), bytes.Repeat([]byte{0xff}, minQueue)...),
			"bulk":   append([]byte("\xfa\x01\x00\x00\x00\x00\x00"), bytes.Repeat([]byte{2}, minQueue)...),
		} {
			e := entry{
				id: math.MaxUint32, user: l.user, client: l.client, schema: clipName(long), com: execution[0],
				flags: known | aborted | traced | described | failed,
				err:   &protocol.SQLError{Code: math.MaxUint16, State: "HY000", Message: long},
				about: &pipeline.Statement{Digest: math.MaxUint64, Description: sqlscan.Description{Class: sqlscan.Deallocate, Summary: long}},
				watch: &pipeline.Watch{
					Start: at, First: math.MaxInt64, Last: math.MaxInt64, Rows: math.MaxUint64, AffectedRows: math.MaxUint64,
					LastInsertID: math.MaxUint64, Bytes: math.MaxUint64, Server: long,
				},
			}
			e.prepared, _ = clip(st.Text, l.limits.text, false)
			l.describeExecution(&e, pipeline.NewCommand(execution[0], execution[1:], 0), st)
			if size := e.size(); size != len(e.append(nil)) || size > minQueue/4 {
				t.Errorf("%s, %s: %d bytes, said to be %d, of at most %d", format, name, len(e.append(nil)), size, minQueue/4)
			}
			line := l.line(e)
			if format == "json" && !json.Valid(line) {
				t.Errorf("%s: not JSON: %.200s ... %s", name, line, line[len(line)-200:])
			}
			if most := 4 * minQueue; len(line) > most || !bytes.Contains(line, []byte("true")) {
				t.Errorf("%s, %s: %d bytes, truncated: %v", format, name, len(line), bytes.Contains(line, []byte("true")))
			}
		}
		// More types than there is room for: none of the values can be made out.
		e := entry{watch: &pipeline.Watch{}}
		l.limits.execution = 100
		l.describeExecution(&e, pipeline.NewCommand(protocol.ComStmtExecute, make([]byte, 50), 0), st)
		if e.flags != truncated || e.size() > 200 {
			t.Errorf("flags %b, %d bytes", e.flags, e.size())
		}
	}
}
