package readwritesplit_test

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// result is the payloads of rows of one column within a transaction.
func result(caps protocol.Capability, rows ...string) [][]byte {
	all := pt.Rows(caps, []string{"n"}, lines(rows)...)
	for _, payload := range all {
		if payload[0] == 0xfe && len(payload) >= 5 {
			binary.LittleEndian.PutUint16(payload[3:], inTransaction)
		}
	}
	return all
}

func lines(rows []string) (all [][]string) {
	for _, row := range rows {
		all = append(all, []string{row})
	}
	return all
}

// whole answers by all rows.
func whole(rows ...string) pt.Step {
	return func(c *pt.Conn) error { return pt.Raw(packed(result(c.Caps, rows...)...))(c) }
}

// A tail reads a reply as it comes, and tells how much of it has.
type tail struct {
	bytes atomic.Int64
	rows  []string
	err   *protocol.SQLError // that ended it
}

// read reads the reply to its end. An error says that it had none.
func (r *tail) read(c *pt.Conn) error {
	r.rows, r.err = nil, nil
	if err := c.SetReadDeadline(time.Now().Add(pt.Timeout)); err != nil {
		return err
	}
	var all []byte
	buf := make([]byte, 32<<10)
	for packets := 0; ; {
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		all = append(all, buf[:n]...)
		r.bytes.Add(int64(n))
		for len(all) >= protocol.HeaderSize && len(all) >= protocol.HeaderSize+protocol.PayloadLen(all) {
			end := protocol.HeaderSize + protocol.PayloadLen(all)
			payload := all[protocol.HeaderSize:end]
			all = all[end:]
			packets++
			switch {
			case payload[0] == 0xff:
				r.err, err = protocol.DecodeErr(payload)
				return err
			case packets > head && payload[0] == 0xfe && len(payload) < 16:
				return nil
			case packets > head:
				row, _ := protocol.LenencString(payload)
				r.rows = append(r.rows, string(row))
			}
		}
	}
}

const head = 2 // packets before the rows

// A loss is the beginning of an answer: some packets, and some bytes more. When the client has got all of it that it is to
// get, the servers are in other states, and the connection is lost.
type loss struct {
	packets, more, got int
	states             []pipeline.ServerState
	rows               []string
}

func (l loss) at(k *cluster, client *tail) pt.Step {
	return func(c *pt.Conn) error {
		all := result(c.Caps, l.rows...)
		n := len(packed(all[:l.packets]...))
		if err := pt.Raw(packed(all...)[:n+l.more])(c); err != nil {
			return err
		}
		for deadline := time.Now().Add(pt.Timeout); client.bytes.Load() < int64(n+l.got); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				return errors.New("the client does not get what has been sent")
			}
		}
		k.in(l.states...)
		return pt.Close()(c)
	}
}

// TestResume: where a server is lost in the middle of rows, the client gets the rest of them from where the transaction is run
// again, and none twice.
func TestResume(t *testing.T) {
	rows := []string{"1", "2", "3", "4"}
	long := []string{strings.Repeat("a", 100<<10), strings.Repeat("b", 100<<10), strings.Repeat("c", 100<<10)}
	toDB2, toDB3 := []pipeline.ServerState{down, primary, replica}, []pipeline.ServerState{down, down, primary}
	after := func(packets int) loss { return loss{packets: packets, states: toDB2, rows: rows} }
	again := func(packets int) loss { return loss{packets: packets, states: toDB3, rows: rows} }
	const rolledBack = protocol.ErLockDeadlock
	for _, tt := range []struct {
		name string
		db1  loss
		db2  any // a pt.Step or a loss
		want []string
		code uint16
	}{
		{"behind the number of columns", after(1), whole(rows...), rows, 0},
		{"behind the columns", after(head), whole(rows...), rows, 0},
		{"behind a row", after(head + 1), whole(rows...), rows, 0},
		{"in a row", loss{packets: head + 1, more: 5, states: toDB2, rows: rows}, whole(rows...), rows, 0},
		{"before the end", after(head + 4), whole(rows...), rows, 0},
		{"other rows", after(head + 2), whole("1", "5", "3", "4"), rows[:2], rolledBack},
		{"fewer rows", after(head + 3), whole("1", "2"), rows[:3], rolledBack},
		{"other rows to come", after(head + 2), whole("1", "2", "7"), []string{"1", "2", "7"}, 0},
		{"an error", after(head + 2), pt.ReplyError(1105, "HY000", "Unknown error"), rows[:2], 1105},
		{"lost again before that", after(head + 2), again(head + 1), rows, 0},
		{"lost again behind it", after(head + 1), again(head + 3), rows, 0},
		{"lost again without an answer", after(head + 2), again(0), rows, 0},
		{"long rows", loss{packets: head + 2, states: toDB2, rows: long}, whole(long...), long, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var client tail
			k := newCluster(t, replaying)
			k.db1.on("SELECT n", tt.db1.at(k, &client))
			if l, ok := tt.db2.(loss); ok {
				k.db2.on("SELECT n", l.at(k, &client))
			} else {
				k.db2.on("SELECT n", tt.db2.(pt.Step))
			}
			k.db3.on("SELECT n", whole(rows...))
			c := k.Session()
			c.Run(t, do("BEGIN", "INSERT 1"), pt.Query("SELECT n"), client.read)
			if diff := cmp.Diff(tt.want, client.rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if (client.err == nil) != (tt.code == 0) || client.err != nil && client.err.Code != tt.code {
				t.Errorf("error %v, want %d", client.err, tt.code)
			}
			c.Run(t, do("INSERT 2"))
		})
	}
	t.Run("in a long row that was delivered in part", func(t *testing.T) {
		var client tail
		k := newCluster(t, replaying)
		k.db1.on("SELECT n", loss{packets: head + 1, more: 80 << 10, got: 60 << 10, states: toDB2, rows: long}.at(k, &client))
		k.db2.on("SELECT n", whole(long...))
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"), pt.Query("SELECT n"))
		if err := client.read(c); !errors.Is(err, io.EOF) || len(client.rows) != 1 {
			t.Errorf("%v behind %d rows", err, len(client.rows))
		}
	})
	t.Run("other rows for a moment", func(t *testing.T) {
		var client tail
		k := newCluster(t, func(c *readwritesplit.Config) {
			replaying(c)
			c.TransactionReplayOnMismatch = true
		})
		k.db1.on("SELECT n", after(head+2).at(k, &client))
		k.db2.on("SELECT n", func(c *pt.Conn) error {
			k.db2.on("SELECT n", whole(rows...))
			return whole("1", "5")(c)
		})
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"), pt.Query("SELECT n"), client.read, do("INSERT 2"))
		if n := k.db2.times("INSERT 1"); n != 2 || !slices.Equal(client.rows, rows) {
			t.Errorf("the transaction was run %d times: %q", n, client.rows)
		}
	})
}
