package readwritesplit_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// TestReplayUpload: a file of the client's is not there when a transaction is run again, not even where its effect is not
// compared.
func TestReplayUpload(t *testing.T) {
	k := newCluster(t, func(c *readwritesplit.Config) {
		replaying(c)
		c.TransactionReplayChecksum = "results"
	})
	const load = "LOAD DATA LOCAL INFILE 'f' INTO TABLE t"
	request := []byte("\xfbf")
	for _, f := range k.fakes {
		f.on(load, pt.Reply(request), pt.Expect([]byte("1\n"), nil), inserted(1))
	}
	c := k.Session()
	c.Run(t, do("BEGIN"), pt.Query(load), pt.Expect(request), pt.Reply([]byte("1\n"), nil), pt.ExpectOK())
	failOver(k)
	k.forget()
	c.Run(t, pt.Query("INSERT 4"), restarted())
	k.db2.expect("BEGIN", "INSERT 8", "COMMIT")
}

// TestCommandInFlight: what cannot have ended a transaction is a part of it, whichever command it is, and is run again as well
// outside of one.
func TestCommandInFlight(t *testing.T) {
	statistics := pt.Reply([]byte("Uptime: 1"))
	for _, test := range []struct {
		noted string
		send  pt.Step
		told  pt.Step
	}{
		{"COM_INIT_DB test", pt.Send(protocol.ComInitDB, "test"), pt.ExpectOK()},
		{"COM_PING", pt.Send(protocol.ComPing, ""), pt.ExpectOK()},
		{"COM_SET_OPTION \x00\x00", pt.Send(protocol.ComSetOption, "\x00\x00"), pt.ExpectOK()},
		{"COM_STATISTICS", pt.Send(protocol.ComStatistics, ""), pt.Expect([]byte("Uptime: 1"))},
	} {
		for name, fault := range map[string]pt.Step{"closed": pt.Close(), "1053": goAway(protocol.ErServerShutdown)} {
			for where, before := range map[string]pt.Step{"in a transaction": do("BEGIN", "INSERT 1"), "outside": do("INSERT 1")} {
				t.Run(test.noted+" "+where+", "+name, func(t *testing.T) {
					k := newCluster(t, replaying)
					k.db2.on("COM_STATISTICS", statistics)
					c := k.Session()
					c.Run(t, before)
					k.db1.on(test.noted, func(c *pt.Conn) error {
						k.in(down, primary, replica)
						return fault(c)
					})
					c.Run(t, test.send, test.told, do("INSERT 2"))
				})
			}
		}
	}
	t.Run("and after it", func(t *testing.T) { // COM_STATISTICS leaves no trace
		k := newCluster(t, replaying)
		k.db1.on("COM_STATISTICS", statistics)
		c := k.Session()
		c.Run(t, do("BEGIN", "INSERT 1"), pt.Send(protocol.ComStatistics, ""), pt.Expect([]byte("Uptime: 1")))
		failOver(k)
		k.forget()
		c.Run(t, do("INSERT 2", "COMMIT"))
		k.db2.expect("BEGIN", "INSERT 1", "INSERT 2", "COMMIT")
	})
}
