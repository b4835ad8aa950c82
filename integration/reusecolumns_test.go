package integration

import (
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/weirproxy/weir/integration/server"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestReuseColumns: a client that knows a statement's columns from its preparation, and has MariaDB leave them out of
// results, is told where they have changed. No client on the list of clients does so.
func TestReuseColumns(t *testing.T) {
	c := startCluster(t, mariadb)
	must(t, c.Primary().Exec("CREATE TABLE test.columns (id INT PRIMARY KEY)", "INSERT INTO test.columns VALUES (1)"))
	must(t, c.WaitCaughtUp())
	client := &columnsClient{Conn: pt.Dial(t, startSplit(t, c, "reuse_prepared_statements = 20").Addr)}
	client.Run(t, pt.LoginAs(protocol.Login{
		User: server.User, Schema: server.Schema, Capabilities: pt.MariaDB().Capabilities, Collation: 45, MaxPacket: 1 << 24,
	}, server.Password))
	before := prepared(t, c)
	for range 3 {
		client.expect(t, mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONG)
	}
	if n := prepared(t, c) - before; n != 1 {
		t.Errorf("%d statements were prepared", n)
	}
	must(t, c.Primary().Exec("ALTER TABLE test.columns MODIFY id BIGINT"))
	client.expect(t, mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONGLONG) // from memory
	client.expect(t, mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_LONGLONG)
	client.expect(t, mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_LONGLONG)
	// The server, which has found the table changed, has prepared it once more of its own accord.
	if n := prepared(t, c) - before; n != 3 {
		t.Errorf("%d statements were prepared", n)
	}
}

// A columnsClient takes the columns of a result from the answer to COM_STMT_PREPARE where the server leaves them out.
type columnsClient struct{ *pt.Conn }

// expect prepares, executes and closes a statement, whose column is told to have a type, and has another when it is executed.
func (c *columnsClient) expect(t *testing.T, told, has byte) {
	t.Helper()
	c.Run(t, pt.Send(protocol.ComStmtPrepare, "SELECT id FROM columns FOR UPDATE"))
	id := c.read(t)[1:5]
	kind := c.column(t)
	if kind != told {
		t.Errorf("it was prepared with a column of type %d, not %d", kind, told)
	}
	c.Run(t, pt.Send(protocol.ComStmtExecute, string(id)+"\x00\x01\x00\x00\x00"))
	if follows := c.read(t)[1]; follows != 0 {
		kind = c.column(t)
	}
	if row := c.read(t); kind != has || len(row) != 2+size[has] { // 0, which columns are NULL, and the value
		t.Errorf("it was executed with a column of type %d, not %d, and a row % x", kind, has, row)
	}
	c.read(t)
	c.Run(t, pt.Send(protocol.ComStmtClose, string(id)))
}

// size is that of the types' values.
var size = map[byte]int{mysql.MYSQL_TYPE_LONG: 4, mysql.MYSQL_TYPE_LONGLONG: 8}

// column reads the description of one and returns its type, which flags, decimals and two bytes of nothing follow.
func (c *columnsClient) column(t *testing.T) byte {
	t.Helper()
	payload := c.read(t)
	return payload[len(payload)-6]
}

func (c *columnsClient) read(t *testing.T) []byte {
	t.Helper()
	payload, err := c.ReadPayload()
	must(t, err)
	return payload
}
