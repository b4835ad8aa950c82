package pipelinetest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestRouter runs the conformance test on routers that build makes of their servers. What every router must do, with one
// server and a client that only reads and pings:
//
//   - pass commands that nobody knows to the server byte for byte, and the replies back
//   - give exactly one reply to a command that expects one, of any length, and none to others
//   - tell the client when the server is lost, and go on for everybody else
//   - leave nothing running at the server when its client hangs up
//   - leave no goroutine and no descriptor
func TestRouter(t *testing.T, build func(servers []*pipeline.Server) pipeline.Target) {
	t.Helper()
	front := func(t *testing.T, steps ...pt.Step) (*Front, *pt.Server) {
		t.Helper()
		srv := Backend(t, pt.MariaDB(), steps...)
		return NewFront(t, Options{Servers: []string{srv.Addr}, Target: build}), srv
	}
	t.Run("passes unknown commands", func(t *testing.T) {
		f, _ := front(t, pt.ExpectCommand(0x99, "\x00\xff any"), pt.ReplyError(1047, "08S01", "Unknown command"))
		f.Session().Run(t, pt.Send(0x99, "\x00\xff any"), pt.ExpectError(1047, "Unknown command"))
	})
	t.Run("replies once", func(t *testing.T) {
		long := strings.Repeat("v", 200_000)
		f, _ := front(t, pt.ExpectCommand(protocol.ComPing), pt.ReplyOK(protocol.OK{}),
			pt.ExpectQuery("SELECT 1"), pt.ReplyRows([]string{"v"}, []string{long}, []string{"w"}),
			pt.ExpectCommand(protocol.ComPing), pt.ReplyOK(protocol.OK{}), pt.ExpectCommand(protocol.ComQuit))
		f.Session().Run(t, pt.Send(protocol.ComPing, ""), pt.ExpectOK(),
			pt.Query("SELECT 1"), pt.ExpectRows([]string{long}, []string{"w"}),
			pt.Send(protocol.ComPing, ""), pt.ExpectOK(), pt.Send(protocol.ComQuit, ""), pt.ExpectClosed())
	})
	t.Run("survives the loss of its server", func(t *testing.T) {
		f, _ := front(t, pt.ExpectQuery("SELECT 1"), pt.Close())
		for range 3 {
			f.Session().Run(t, pt.Query("SELECT 1"), pt.ExpectError(protocol.ErConnectionKilled))
		}
	})
	t.Run("stops what a client has left", func(t *testing.T) {
		asked := make(chan struct{})
		f, srv := front(t, pt.ExpectQuery("SELECT SLEEP(1000)"), func(*pt.Conn) error { close(asked); return nil }, pt.Silence())
		c := f.Session()
		c.Run(t, pt.Query("SELECT SLEEP(1000)"))
		<-asked
		_ = c.Close()
		srv.Wait(2)
	})
	t.Run("says what no server can do", func(t *testing.T) {
		srv := Backend(t, pt.MariaDB(), AnswerOK())
		f := NewFront(t, Options{Servers: []string{srv.Addr}, Target: build})
		f.Session().Run(t, pt.Send(protocol.ComPing, ""), pt.ExpectOK())
		srv.Close()
		err := pt.Login(User, Password)(f.Dial())
		if err == nil || !strings.Contains(err.Error(), "ERROR 1429 (08001)") || !strings.Contains(err.Error(), "db1") {
			t.Errorf("a client without a server is told %v", err)
		}
	})
	t.Run("leaves nothing", func(t *testing.T) {
		before, descriptors := Goroutines(), Descriptors(t)
		srv := Backend(t, pt.MariaDB(), AnswerOK())
		f := NewFront(t, Options{Servers: []string{srv.Addr}, Target: build})
		for i := range 30 {
			c := f.Session()
			c.Run(t, pt.Query("SELECT 1"), pt.ExpectOK())
			if i%2 == 0 {
				c.Run(t, pt.Send(protocol.ComQuit, ""))
			}
			_ = c.Close()
		}
		f.Stop()
		srv.Close()
		NothingLeft(t, before, descriptors)
	})
}

// NothingLeft waits until no goroutines are left but those in before, and no more descriptors.
func NothingLeft(t testing.TB, before map[string]string, descriptors int) {
	t.Helper()
	var left []string
	Eventually(t, func() bool {
		left = started(before)
		return len(left) == 0 && Descriptors(t) <= descriptors
	}, func() string {
		return fmt.Sprintf("%d descriptors, %d before; %d goroutines are left:\n%s", Descriptors(t), descriptors,
			len(left), strings.Join(left, "\n\n"))
	})
}

// Descriptors counts the open descriptors of this process.
func Descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
