package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

var errMoved = &protocol.SQLError{Code: protocol.ErServerShutdown, State: "08S01", Message: "moved"}

// cutting is a filter that hands out the Cutter of each chain it is opened for.
func cutting(cutters chan<- *pipeline.Cutter) []pipeline.Filter {
	return []pipeline.Filter{filter(func(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
		cutters <- s.Cutter()
		return next, nil
	})}
}

// transactions answers everything by OK and the rows of a SELECT, and has a transaction from BEGIN to COMMIT.
func transactions(c *pt.Conn) error {
	status := protocol.StatusAutocommit
	return pt.Repeat(func(c *pt.Conn) error {
		command, err := c.ReadCommand()
		if err != nil {
			return err
		}
		switch string(command[1:]) {
		case "BEGIN":
			status |= protocol.StatusInTrans
		case "COMMIT":
			status &^= protocol.StatusInTrans
		case "SELECT SLEEP(1000)":
			return pt.Silence()(c)
		case "SELECT half":
			rows := pt.Rows(c.Caps, []string{"v"}, []string{"whole"}, []string{"lost"})
			return pt.Script(pt.Reply(rows[:len(rows)-2]...), pt.Silence())(c)
		}
		if !protocol.ExpectsReply(command[0]) {
			return nil
		}
		return pt.ReplyOK(protocol.OK{Status: status})(c)
	})(c)
}

func done(text string) pt.Step { return pt.Script(pt.Query(text), pt.ExpectOK()) }

// told is what a client is told that has asked nothing.
var told = pt.Script(func(c *pt.Conn) error { c.Seq = 1; return nil }, pt.ExpectError(errMoved.Code, "moved"), pt.ExpectClosed())

func TestCut(t *testing.T) {
	start := func(t *testing.T) (f *pipelinetest.Front, c *pt.Conn, cutter *pipeline.Cutter) {
		t.Helper()
		cutters := make(chan *pipeline.Cutter, 1)
		f = run(t, serving(t, transactions).Addr, pipelinetest.Options{Filters: cutting(cutters)})
		c = f.Session()
		return f, c, <-cutters
	}
	t.Run("idle", func(t *testing.T) {
		f, c, cutter := start(t)
		cutter.Cut(errMoved)
		c.Run(t, told)
		f.AwaitLog("level=INFO msg=\"session ended\"")
		cutter.Cut(errMoved) // nobody is there
	})
	t.Run("idle in a transaction", func(t *testing.T) {
		_, c, cutter := start(t)
		c.Run(t, done("BEGIN"))
		cutter.Cut(errMoved)
		c.Run(t, told)
	})
	t.Run("in a statement", func(t *testing.T) {
		_, c, cutter := start(t)
		c.Run(t, pt.Query("SELECT SLEEP(1000)"))
		cutter.Cut(errMoved)
		c.Run(t, pt.ExpectError(errMoved.Code, "moved"), pt.ExpectClosed())
	})
	t.Run("between rows", func(t *testing.T) {
		_, c, cutter := start(t)
		c.Run(t, pt.Query("SELECT half"), func(c *pt.Conn) error {
			for range 3 { // up to the first row
				if _, err := c.ReadPayload(); err != nil {
					return err
				}
			}
			cutter.Cut(errMoved)
			return pt.Script(pt.ExpectError(errMoved.Code, "moved"), pt.ExpectClosed())(c)
		})
	})
	t.Run("at rest, idle", func(t *testing.T) {
		_, c, cutter := start(t)
		c.Run(t, done("BEGIN"), done("COMMIT"))
		cutter.CutAtRest(errMoved)
		c.Run(t, told)
	})
	t.Run("at rest, in a transaction", func(t *testing.T) {
		f, c, cutter := start(t)
		c.Run(t, done("BEGIN"))
		cutter.CutAtRest(errMoved)
		f.Process.Shuffle() // it goes with the session
		c.Run(t, done("x"), done("x"), done("COMMIT"), told)
	})
	t.Run("at rest, then at once", func(t *testing.T) {
		_, c, cutter := start(t)
		c.Run(t, done("BEGIN"))
		cutter.CutAtRest(errMoved)
		c.Run(t, done("x"))
		cutter.Cut(errMoved)
		cutter.CutAtRest(errors.New("too late"))
		c.Run(t, told)
	})
	t.Run("at rest, a statement that has come in part", func(t *testing.T) {
		_, c, cutter := start(t)
		c.Run(t, done("x"), pt.Raw([]byte{9, 0, 0}))
		cutter.CutAtRest(errMoved)
		c.Run(t, told)
	})
	t.Run("in another life", func(t *testing.T) {
		cutters := make(chan *pipeline.Cutter, 3)
		c := run(t, serving(t, transactions).Addr, pipelinetest.Options{Filters: cutting(cutters)}).Session()
		old := <-cutters
		c.Run(t, done("BEGIN"))
		old.CutAtRest(errMoved)
		c.Run(t, pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK(), done("COMMIT"), done("x"))
		old.Cut(errMoved)
		c.Run(t, done("x"))
		(<-cutters).Cut(errMoved)
		c.Run(t, told)
	})
}

// TestCutWhileOpened: a chain may be cut before a worker has its session, and while it is opened anew.
func TestCutWhileOpened(t *testing.T) {
	for name, cut := range map[string]func(c *pipeline.Cutter){
		"at once": func(c *pipeline.Cutter) { c.Cut(errMoved) }, "at rest": func(c *pipeline.Cutter) { c.CutAtRest(errMoved) },
	} {
		t.Run(name, func(t *testing.T) {
			filters := []pipeline.Filter{filter(func(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
				if s.Schema() == "other" {
					cut(s.Cutter())
				}
				return next, nil
			})}
			f := run(t, serving(t, transactions).Addr, pipelinetest.Options{Filters: filters})
			login := func(schema string) *pt.Conn {
				c := f.Dial()
				c.Run(t, pt.LoginAs(protocol.Login{
					User: pipelinetest.User, Schema: schema, Capabilities: protocol.ClientConnectWithDB | protocol.ClientProtocol41 |
						protocol.ClientSecureConnection | protocol.ClientPluginAuth,
				}, pipelinetest.Password))
				return c
			}
			login("other").Run(t, told)
			c := login("shop")
			c.Run(t, pt.Send(protocol.ComInitDB, "other"), pt.ExpectOK(), pt.Send(protocol.ComResetConnection, ""), pt.ExpectOK())
			c.Run(t, told)
		})
	}
}

// TestCutDetached: nobody serves a session of a test.
func TestCutDetached(t *testing.T) {
	s := pipeline.Detached(pipelinetest.Session(1))
	s.Cutter().Cut(errMoved)
	s.Cutter().CutAtRest(errMoved)
	s.Close()
}

// TestCutBranch: a branch is cut as any session, and its session goes on.
func TestCutBranch(t *testing.T) {
	for _, atRest := range []bool{false, true} {
		cutters := make(chan *pipeline.Cutter, 2)
		ended := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), pt.Timeout)
		defer cancel()
		f := run(t, serving(t, transactions).Addr, pipelinetest.Options{Filters: []pipeline.Filter{
			filter(func(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
				target := targetFunc(func(s *pipeline.Session) (pipeline.Handler, error) {
					cutters <- s.Cutter()
					return next, nil
				})
				b := s.Fork(target, pipeline.BranchConfig{Name: "b", Grace: time.Minute}, silent(ended))
				s.OnClose(b.Close)
				return next, nil
			}),
		}})
		c := f.Session()
		c.Run(t, done("x"))
		if cutter := <-cutters; atRest {
			cutter.CutAtRest(errMoved)
		} else {
			cutter.Cut(errMoved)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, errMoved) {
				t.Errorf("the branch ended with %v", err)
			}
		case <-ctx.Done():
			t.Error("the branch has not ended")
		}
		c.Run(t, done("x"))
	}
}

type targetFunc func(s *pipeline.Session) (pipeline.Handler, error)

func (f targetFunc) Open(s *pipeline.Session) (pipeline.Handler, error) { return f(s) }

// silent is a Feed that has nothing and tells how its branch ended.
type silent chan<- error

func (silent) Next() (*pipeline.Command, pipeline.ReplyWriter) { return nil, nil }
func (f silent) End(err error)                                 { f <- err }
