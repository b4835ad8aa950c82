package readwritesplit_test

import (
	"testing"

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
