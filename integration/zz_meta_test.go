package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/protocoltest"
)

func TestZZMeta(t *testing.T) {
	s, err := sharedMySQL()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range []protocol.Capability{0, protocol.ClientDeprecateEOF} {
		c := protocoltest.Dial(t, s.Addr)
		caps := protocol.ClientMySQL | protocol.ClientProtocol41 | protocol.ClientSecureConnection | protocol.ClientPluginAuth | protocol.ClientOptionalResultsetMetadata | protocol.ClientMultiResults | dep
		_ = caps
		c.Run(t, protocoltest.LoginAs(protocol.Login{User: "app", Capabilities: caps, MaxPacket: 1 << 24, Collation: 45}, "Se cret'1"))
		for _, q := range []string{"select 1,2", "set resultset_metadata=NONE", "select 1,2"} {
			c.Run(t, protocoltest.Query(q))
			dump(c)
		}
		c.Run(t, protocoltest.Send(protocol.ComStmtPrepare, "select ?,2"))
		dump(c)
		c.Run(t, protocoltest.Send(protocol.ComStmtExecute, "\x01\x00\x00\x00\x01\x01\x00\x00\x00\x00\x01\x03\x00\x05\x00\x00\x00"))
		dump(c)
		c.Run(t, protocoltest.Send(protocol.ComStmtFetch, "\x01\x00\x00\x00\x01\x00\x00\x00"))
		dump(c)
	}
}

func dump(c *protocoltest.Conn) {
	c.SetReadDeadline(timeNow())
	for {
		seq, p, err := c.ReadPacket()
		if err != nil {
			break
		}
		fmt.Printf("  %d: % x\n", seq, p[:min(len(p), 40)])
	}
	fmt.Println("--")
}
func timeNow() time.Time { return time.Now().Add(300 * time.Millisecond) }
