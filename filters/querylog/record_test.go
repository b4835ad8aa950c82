package querylog

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
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

// examples are records, as JSON and as CSV with every field.
var examples = []struct {
	name      string
	r         record
	json, csv string
}{
	{
		"text",
		record{
			com: protocol.ComQuery, schema: "shop", text: []byte(`select "a"`), known: true,
			watch: &pipeline.Watch{
				Start: at, First: 412 * time.Microsecond, Last: 433900, Rows: 3, Bytes: 120, Server: "db1",
			},
		},
		`{"time":"2026-11-20T18:46:07.001234Z","session":7,"user":"app","client":"192.0.2.7:40123",` +
			`"schema":"shop","command":"COM_QUERY","statement":"select \"a\"","first_us":412,"last_us":433,` +
			`"rows":3,"affected_rows":0,"bytes":120,"server":"db1","last_insert_id":0}`,
		`"2026-11-20T18:46:07.001234Z",7,"app","192.0.2.7:40123","shop","COM_QUERY","select ""a""",,,,412,433,3,0,120,` +
			`,,,,"db1",,0,,,,`,
	},
	{
		"error, cut, aborted, traced",
		record{
			com: protocol.ComStmtExecute, prepared: "insert ?", known: true, truncated: true, aborted: true, traced: true,
			trace: [16]byte{0x4b, 0xf9, 15: 0x36}, about: &pipeline.Statement{
				Digest: 0xabc, Description: sqlscan.Description{Class: sqlscan.Write, Summary: `INSERT "x"`},
			},
			err:   &protocol.SQLError{Code: 1062, State: "23000", Message: "Duplicate entry 'x'"},
			watch: &pipeline.Watch{Start: at, AffectedRows: 2, LastInsertID: 17},
		},
		`{"time":"2026-11-20T18:46:07.001234Z","session":7,"user":"app","client":"192.0.2.7:40123",` +
			`"schema":"","command":"COM_STMT_EXECUTE","statement":"insert ?","truncated":true,"first_us":0,"last_us":0,` +
			`"rows":0,"affected_rows":2,"bytes":0,"error":1062,"sqlstate":"23000","error_message":"Duplicate entry 'x'",` +
			`"aborted":true,"server":"","trace_id":"4bf90000000000000000000000000036","last_insert_id":17,` +
			`"digest":"0000000000000abc","class":"write","summary":"INSERT \"x\""}`,
		`"2026-11-20T18:46:07.001234Z",7,"app","192.0.2.7:40123","","COM_STMT_EXECUTE","insert ?",,,true,0,0,0,2,0,` +
			`1062,"23000","Duplicate entry 'x'",true,"","4bf90000000000000000000000000036",17,"0000000000000abc","write",` +
			`"INSERT ""x""",`,
	},
}

func TestRecord(t *testing.T) {
	for _, tt := range examples {
		for format, want := range map[string]string{"json": tt.json, "csv": tt.csv} {
			l := open(t, pipelinetest.Session(7), everyField, func(c *Config) { c.Format = format })
			r := tt.r
			r.session = l
			if got := string(l.encoder.append(nil, &r)); got != want+"\n" {
				t.Errorf("%s:\ngot  %swant %s", tt.name, got, want)
			}
		}
	}
}

// The two ways to write the default fields say the same.
func TestDefaultFieldsAreTheSame(t *testing.T) {
	l := open(t, pipelinetest.Session(7))
	if !l.encoder.usual {
		t.Fatal("the default is not what is usual")
	}
	var one, bulk protocol.Params
	if err := one.Decode([]byte("\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\x01\x00\x07"), 1, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := bulk.Decode([]byte("\xfa\x01\x00\x00\x00\x80\x00\x01\x00\x00\x07\x01\x00"), 1, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	records := []record{{com: protocol.ComPing, watch: &pipeline.Watch{Start: at}}}
	for _, example := range examples {
		records = append(records, example.r)
		for _, p := range []*protocol.Params{&one, &bulk} {
			r := example.r
			r.params, r.executes, r.count = p, true, 1
			records = append(records, r)
		}
		r := example.r
		r.params, r.executes = &one, true // of a statement that has none
		records = append(records, r)
	}
	for _, r := range records {
		r.session = l
		again := r
		got := l.encoder.appendDefault(nil, &r)
		l.encoder.usual = false
		want := l.encoder.append(nil, &again)
		l.encoder.usual = true
		if !bytes.Equal(got, want) || !json.Valid(got) {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

func TestFieldsAsChosen(t *testing.T) {
	l := open(t, pipelinetest.Session(7), func(c *Config) { c.Fields = []string{"error", "rows", "user"} })
	r := examples[0].r
	r.session = l
	if got := string(l.encoder.append(nil, &r)); got != `{"rows":3,"user":"app"}`+"\n" {
		t.Error(got)
	}
	l = open(t, pipelinetest.Session(7), func(c *Config) { c.Fields = []string{"error"} })
	r.session = l
	if got := string(l.encoder.append(nil, &r)); got != "{}\n" {
		t.Error(got)
	}
	l = open(t, pipelinetest.Session(7), asCSV, func(c *Config) { c.Fields = []string{"error", "rows", "user"} })
	r.session = l
	if got := string(l.encoder.append(nil, &r)); got != `,3,"app",`+"\n" {
		t.Error(got)
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
		r := record{
			com: protocol.ComQuery, schema: s, text: []byte(s), known: true, err: &protocol.SQLError{Code: 1, Message: s},
			watch: &pipeline.Watch{Start: at, Server: s}, about: &pipeline.Statement{Description: sqlscan.Description{Summary: s}},
		}
		want := strings.ToValidUTF8(s, "\ufffd")
		if s == "\xff\xfe" || s == "\xed\xa0\x80" { // one for each byte, where ToValidUTF8 makes one of a run
			want = strings.Repeat("\ufffd", len(s))
		}
		l := open(t, info, everyField)
		r.session = l
		_ = r.size(l.encoder)
		line := l.encoder.append(nil, &r)
		var got struct{ User, Client, Schema, Statement, Summary, Server string }
		if err := json.Unmarshal(line, &got); err != nil || bytes.Count(line, []byte{'\n'}) != 1 {
			t.Errorf("%q: %v in %s", s, err, line)
		}
		if got.User != want || got.Client != want || got.Schema != want || got.Statement != want || got.Summary != want || got.Server != want {
			t.Errorf("%q came back as %+v", s, got)
		}

		l = open(t, info, everyField, asCSV)
		r.session = l
		file := append(header(l.fields, false), l.encoder.append(nil, &r)...)
		file = l.encoder.append(file, &r)
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

// The longest record there can be must fit what is reserved for it, and a quarter of the smallest ring.
func TestLongestRecord(t *testing.T) {
	long := strings.Repeat("\x01", 2*maxName)
	invalid := strings.Repeat("\xff", 10*minQueue)
	info := pipelinetest.Session(math.MaxUint32)
	info.User, info.ClientAddr = long, invalid[:2*maxName]
	quotes := bytes.Repeat([]byte{'"'}, 60<<10)
	execute := append([]byte("\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfe\x00\xfd"), byte(len(quotes)), byte(len(quotes)>>8), 0)
	var values, many, defaults protocol.Params
	if err := values.Decode(append(execute, quotes...), 1, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	nulls := append([]byte("\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00"), bytes.Repeat([]byte{0xff}, 1<<13)...)
	if err := many.Decode(append(nulls, 0), 1<<16-1, bytes.Repeat([]byte{1, 0}, 1<<16), nil, 0); err != nil {
		t.Fatal(err)
	}
	bulk := append([]byte("\xfa\x01\x00\x00\x00\x80\x00\x01\x00"), bytes.Repeat([]byte{2}, 1<<15)...)
	if err := defaults.Decode(bulk, 1, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"json", "csv"} {
		l := open(t, info, everyField, func(c *Config) { c.Format = format })
		for name, params := range map[string]*protocol.Params{"quotes": &values, "nulls": &many, "defaults": &defaults} {
			r := record{
				session: l, com: protocol.ComStmtSendLongData, schema: clipName(long), known: true, aborted: true, traced: true,
				params: params, executes: true, count: params.Count,
				err:   &protocol.SQLError{Code: math.MaxUint16, State: "HY000", Message: strings.Repeat("\x02", 1000)},
				about: &pipeline.Statement{Digest: math.MaxUint64, Description: sqlscan.Description{Class: sqlscan.Deallocate, Summary: long}},
				watch: &pipeline.Watch{
					Start: at, First: math.MaxInt64, Last: math.MaxInt64, Rows: math.MaxUint64, AffectedRows: math.MaxUint64,
					LastInsertID: math.MaxUint64, Bytes: math.MaxUint64, Server: clipName(long),
				},
			}
			for _, text := range []string{long + invalid, strings.Repeat("\x01", 10*minQueue), strings.Repeat("\"", minQueue)} {
				r.truncated = false
				r.prepared, r.truncated = clip(text, l.encoder.limits.text, false)
				size := r.size(l.encoder)
				line := l.encoder.append(nil, &r)
				if len(line) > size {
					t.Errorf("%s, %s: the record has %d bytes, %d were reserved", format, name, len(line), size)
				}
				if size > minQueue/4 {
					t.Errorf("%s, %s: %d bytes is more than a quarter of %d", format, name, size, minQueue)
				}
				if format == "json" && !json.Valid(line) {
					t.Errorf("%s: not JSON: %.200s ... %s", name, line, line[len(line)-200:])
				}
			}
		}
	}
}
