package integration

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/integration/proxy"
	"github.com/weirproxy/weir/integration/server"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// plain are the capabilities that change no packet.
const plain = protocol.ClientFoundRows | protocol.ClientLongFlag | protocol.ClientConnectWithDB | protocol.ClientProtocol41 |
	protocol.ClientTransactions | protocol.ClientSecureConnection | protocol.ClientMultiStatements |
	protocol.ClientMultiResults | protocol.ClientPSMultiResults | protocol.ClientPluginAuth |
	protocol.ClientPluginAuthLenencClientData

// What few clients ask for gets the same packets through Weir as it gets without: the same bytes are sent, and every
// payload that comes back is compared.
func TestPackets(t *testing.T) {
	mariadbCaps := plain | protocol.MariaDBClientStmtBulkOperations
	mysqlCaps := plain | protocol.ClientMySQL
	for _, c := range []struct {
		name, family string
		caps         protocol.Capability
	}{
		{"EOF", "mariadb", mariadbCaps},
		{"no EOF", "mariadb", mariadbCaps | protocol.ClientDeprecateEOF},
		{"tracking", "mariadb", mariadbCaps | protocol.ClientDeprecateEOF | protocol.ClientSessionTrack},
		{"extended metadata", "mariadb", mariadbCaps | protocol.MariaDBClientExtendedMetadata},
		{"cached metadata and EOF", "mariadb", mariadbCaps | protocol.MariaDBClientCacheMetadata},
		{"cached metadata", "mariadb", mariadbCaps | protocol.MariaDBClientCacheMetadata | protocol.ClientDeprecateEOF},
		{"EOF", "mysql", mysqlCaps},
		{"no EOF", "mysql", mysqlCaps | protocol.ClientDeprecateEOF},
		{"tracking", "mysql", mysqlCaps | protocol.ClientDeprecateEOF | protocol.ClientSessionTrack},
		{"optional metadata and EOF", "mysql", mysqlCaps | protocol.ClientOptionalResultsetMetadata},
		{"optional metadata", "mysql", mysqlCaps | protocol.ClientOptionalResultsetMetadata | protocol.ClientDeprecateEOF},
	} {
		t.Run(c.family+" "+c.name, func(t *testing.T) {
			s := familyServer(t, c.family)
			weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}})
			direct := packets(t, s.Addr, c.caps)
			if len(direct) < 60 {
				t.Fatalf("the script did not do its work: %q", direct)
			}
			if diff := cmp.Diff(direct, packets(t, weir.Addr, c.caps)); diff != "" {
				t.Errorf("packets (-direct +through weir):\n%s", diff)
			}
		})
	}
}

func familyServer(t *testing.T, name string) *server.Server {
	t.Helper()
	for _, family := range families {
		if family.name == name {
			return require(t, family.start)
		}
	}
	t.Fatalf("no family %s", name)
	return nil
}

// packets plays the script and returns what came back, a line for each payload.
func packets(t *testing.T, addr string, caps protocol.Capability) []string {
	t.Helper()
	r := dialRaw(t, addr, caps)
	r.query("CREATE TEMPORARY TABLE packets (n INT PRIMARY KEY, s VARCHAR(100))")
	r.cursor()
	r.longData()
	r.bulk()
	if caps.Has(protocol.ClientOptionalResultsetMetadata) {
		r.query("SET resultset_metadata = NONE")
		r.query("SELECT n, s FROM packets ORDER BY n")
		r.query("SELECT 1; SELECT 2, 3")
		r.cursor()
		r.query("SET resultset_metadata = FULL")
		r.query("SELECT n, s FROM packets ORDER BY n")
	}
	r.send(protocol.ComFieldList, "packets\x00")
	r.send(protocol.ComFieldList, "packets\x00n%")
	r.send(protocol.ComFieldList, "no_such_table\x00")
	for _, option := range []string{"\x01\x00", "\x00\x00", "\x07\x00", ""} { // off, on, no such one, too short
		r.send(protocol.ComSetOption, option)
		r.query("SELECT 1; SELECT 2")
	}
	if got := r.exchange(protocol.ComStatistics, ""); len(got) != 1 || !bytes.Contains(got[0], []byte("Uptime")) {
		t.Errorf("COM_STATISTICS is answered with %q", got)
	}
	r.send(0x99, "what")
	r.send(protocol.ComInitDB, "mysql")
	r.send(protocol.ComInitDB, "no_such_schema")
	r.query("SELECT DATABASE()")
	id := r.prepare("SELECT ?")
	r.send(protocol.ComResetConnection, "")
	r.execute(id, 0, 7)
	r.query("SELECT DATABASE()")
	r.query("SELECT n FROM packets")
	r.cursorOf("SELECT 7 AS n, ? AS m", 2)
	return r.got
}

// A rawClient knows how commands begin, and not what replies look like.
type rawClient struct {
	*pt.Conn
	t     *testing.T
	marks int
	ids   []string // of the statements prepared so far
	got   []string
}

func dialRaw(t *testing.T, addr string, caps protocol.Capability) *rawClient {
	t.Helper()
	c := pt.Dial(t, addr)
	c.Run(t, pt.LoginAs(protocol.Login{
		User: server.User, Schema: server.Schema, Capabilities: caps, MaxPacket: 1 << 24, Collation: 45,
	}, server.Password))
	if missing := caps &^ protocol.ClientMySQL &^ c.Caps; missing != 0 {
		t.Fatalf("%s lacks %v", addr, missing)
	}
	return &rawClient{Conn: c, t: t}
}

// exchange sends a command, and behind it a statement that fails with a message of its own: what comes before that is
// the answer, whatever it looks like.
func (r *rawClient) exchange(com byte, rest string) [][]byte {
	r.t.Helper()
	r.marks++
	mark := fmt.Sprintf("end_mark_%d", r.marks)
	r.Run(r.t, pt.Send(com, rest))
	r.Run(r.t, pt.Query(mark))
	r.Seq = 1
	var payloads [][]byte
	for {
		seq, payload, err := r.ReadPacket()
		if err != nil {
			r.t.Fatalf("%s %q: %v after %q", protocol.CommandName(com), rest, err, payloads)
		}
		if seq == 1 && bytes.HasPrefix(payload, []byte{0xff}) && bytes.Contains(payload, []byte(mark)) {
			return payloads
		}
		payloads = append(payloads, payload)
		if want := uint8(len(payloads)); seq != want {
			r.t.Errorf("%s %q: packet %d is numbered %d", protocol.CommandName(com), rest, want, seq)
		}
	}
}

// send plays a command and writes down what comes back.
func (r *rawClient) send(com byte, rest string) [][]byte {
	r.t.Helper()
	payloads := r.exchange(com, rest)
	if com == protocol.ComStmtPrepare && len(payloads) > 0 && len(payloads[0]) >= 5 && payloads[0][0] == 0 {
		r.ids = append(r.ids, string(payloads[0][1:5]))
	}
	r.got = append(r.got, fmt.Sprintf("> %s %q", protocol.CommandName(com), r.anonymous(rest, 0)))
	for i, payload := range payloads {
		text := string(payload)
		switch {
		case com == protocol.ComStmtPrepare && i == 0:
			text = r.anonymous(text, 1)
		case len(payload) > 0 && payload[0] == 0xff:
			for k, id := range r.ids {
				number := binary.LittleEndian.Uint32([]byte(id))
				text = strings.ReplaceAll(text, fmt.Sprintf("(%d)", number), fmt.Sprintf("(statement %d)", k))
			}
		}
		r.got = append(r.got, fmt.Sprintf("%q", text))
	}
	return payloads
}

// anonymous puts the statement's place among the session's in place of its id at the offset: MariaDB goes on
// counting where an earlier session on the same thread has stopped.
func (r *rawClient) anonymous(s string, offset int) string {
	if len(s) < offset+4 {
		return s
	}
	for k, id := range r.ids {
		if s[offset:offset+4] == id {
			return s[:offset] + fmt.Sprintf("statement %d", k) + s[offset+4:]
		}
	}
	return s
}

func (r *rawClient) query(text string) { r.t.Helper(); r.send(protocol.ComQuery, text) }

// prepare returns the statement's id.
func (r *rawClient) prepare(text string) string {
	r.t.Helper()
	payloads := r.send(protocol.ComStmtPrepare, text)
	if len(payloads) == 0 || len(payloads[0]) < 5 || payloads[0][0] != 0 {
		r.t.Fatalf("%s: prepared with %q", text, payloads)
	}
	return string(payloads[0][1:5])
}

// execute executes a statement of integer parameters.
func (r *rawClient) execute(id string, flags byte, params ...uint32) {
	r.t.Helper()
	b := append([]byte(id), flags, 1, 0, 0, 0)
	if len(params) > 0 {
		b = append(b, make([]byte, (len(params)+7)/8)...)
		b = append(b, 1)
		for range params {
			b = append(b, typeLong, 0)
		}
		for _, n := range params {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
	}
	r.send(protocol.ComStmtExecute, string(b))
}

// Types and flags of https://mariadb.com/kb/en/com_stmt_execute/ and com_stmt_bulk_execute.
const (
	typeLong, typeVarString = 0x03, 0xfd
	cursorReadOnly          = 0x01
	bulkSendTypes           = 0x80
)

// noStatement is an id that no server reaches by counting.
const noStatement = "\x99\xff\xff\x0f"

func (r *rawClient) cursor() {
	r.t.Helper()
	r.cursorOf("SELECT n, ? AS m FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) AS numbers", 3)
}

// cursorOf fetches a result by pieces, and again after a reset, and without a cursor.
func (r *rawClient) cursorOf(text string, fetches int) {
	r.t.Helper()
	id := r.prepare(text)
	fetch := func(n string) { r.t.Helper(); r.send(protocol.ComStmtFetch, id+n) }
	fetch("\x01\x00\x00\x00") // there is nothing yet
	for range 2 {
		r.execute(id, cursorReadOnly, 5)
		for range fetches {
			fetch("\x02\x00\x00\x00")
		}
		r.send(protocol.ComStmtReset, id)
		fetch("\x02\x00\x00\x00")
		r.execute(id, cursorReadOnly, 6)
		fetch("\x00\x01\x00\x00")
	}
	// Prepared anew: MySQL 9.7 answers a statement that has had a cursor, and is executed without one, with columns, an OK
	// packet and no rows, which no client can make sense of.
	whole := r.prepare(text)
	r.execute(whole, 0, 7)
	r.execute(whole, 0, 8)
	// What returns no rows opens no cursor.
	do := r.prepare("DO ?")
	r.execute(do, cursorReadOnly, 1)
	r.send(protocol.ComStmtClose, id)
	r.send(protocol.ComStmtClose, do)
	fetch("\x01\x00\x00\x00")
	r.execute(id, 0, 9)
	r.send(protocol.ComStmtReset, noStatement)
}

// longData sends a parameter ahead of its statement.
func (r *rawClient) longData() {
	r.t.Helper()
	id := r.prepare("INSERT INTO packets VALUES (100, ?)")
	for _, piece := range []string{"long ", "", "data"} {
		r.send(protocol.ComStmtSendLongData, id+"\x00\x00"+piece)
	}
	// A parameter sent ahead has a type here, and no value.
	r.send(protocol.ComStmtExecute, id+"\x00\x01\x00\x00\x00"+"\x00\x01"+string([]byte{typeVarString, 0}))
	r.send(protocol.ComStmtSendLongData, id+"\x09\x00no such parameter")
	r.send(protocol.ComStmtReset, id)
	r.send(protocol.ComStmtSendLongData, noStatement+"\x00\x00no such statement")
	r.query("SELECT n, s FROM packets")
}

// bulk inserts rows with one command, where the server can.
func (r *rawClient) bulk() {
	r.t.Helper()
	if !r.Caps.Has(protocol.MariaDBClientStmtBulkOperations) {
		return
	}
	id := r.prepare("INSERT INTO packets VALUES (?, ?)")
	rows := func(numbers ...uint32) string {
		b := append([]byte(id), bulkSendTypes, 0, typeLong, 0, typeVarString, 0)
		for _, n := range numbers {
			b = binary.LittleEndian.AppendUint32(append(b, 0), n)
			if n%2 == 0 {
				b = append(b, 1) // NULL
			} else {
				b = append(b, "\x00\x03odd"...)
			}
		}
		return string(b)
	}
	r.send(protocol.ComStmtBulkExecute, rows(1, 2, 3, 4, 5))
	r.send(protocol.ComStmtBulkExecute, rows(6, 1, 7)) // one is there already
	r.send(protocol.ComStmtBulkExecute, rows())
	r.query("SELECT n, s FROM packets ORDER BY n")
	// Statements prepared last can be executed before their id is known.
	r.prepare("SELECT 1, ?")
	r.execute("\xff\xff\xff\xff", 0, 5)
	id = r.prepare("INSERT INTO packets VALUES (?, ?) RETURNING n")
	r.send(protocol.ComStmtBulkExecute, rows(11, 12, 13))
}

// Progress reports reach the client while its statement runs.
func TestProgressReports(t *testing.T) {
	s := require(t, sharedMariaDB)
	weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}})
	direct := session(t, s.Addr, "")
	for _, at := range []struct{ name, addr string }{{"direct", s.Addr}, {"through weir", weir.Addr}} {
		execute(t, direct, "CREATE OR REPLACE TABLE progress ENGINE = MyISAM SELECT seq FROM seq_1_to_200")
		r := dialRaw(t, at.addr, plain|protocol.MariaDBClientProgress)
		r.query("SET progress_report_time = 1")
		// Each row that is copied takes its time.
		payloads := r.exchange(protocol.ComQuery,
			"ALTER TABLE progress ADD COLUMN slow VARCHAR(128) DEFAULT (SHA2(REPEAT('x', 5000000), 512)), ALGORITHM = COPY")
		reports := 0
		for _, payload := range payloads {
			if bytes.HasPrefix(payload, []byte{0xff, 0xff, 0xff}) {
				reports++
			}
		}
		last := payloads[len(payloads)-1]
		if reports == 0 || len(payloads) != reports+1 || last[0] != 0 {
			t.Errorf("%s: %d progress reports in %q", at.name, reports, payloads)
		}
	}
	execute(t, direct, "DROP TABLE progress")
}
