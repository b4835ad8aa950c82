package pipeline_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestBetween: what is to be done between two commands is done once, at once where the session is idle, may wait, though not
// beyond the session's end, and its error ends the session.
func TestBetween(t *testing.T) {
	type opened struct {
		s      *pipeline.Session
		cutter *pipeline.Cutter
	}
	start := func(t *testing.T) (*pt.Conn, opened) {
		t.Helper()
		all := make(chan opened, 1)
		f := run(t, serving(t, transactions).Addr, pipelinetest.Options{Filters: []pipeline.Filter{
			filter(func(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
				all <- opened{s, s.Cutter()}
				return next, nil
			}),
		}})
		c := f.Session()
		c.Run(t, done("SELECT 0")) // once it is served, a worker has the session
		return c, <-all
	}
	t.Run("idle", func(t *testing.T) {
		c, o := start(t)
		ran := make(chan struct{}, 2)
		o.cutter.Tell(func(bool) {
			o.s.Between(func() error { return o.s.Do(func() error { ran <- struct{}{}; return nil }) })
		})
		<-ran
		c.Run(t, done("SELECT 1"), done("SELECT 2"))
		if len(ran) > 0 {
			t.Error("it has run twice")
		}
	})
	t.Run("while a command comes", func(t *testing.T) {
		c, o := start(t)
		began, waits := make(chan struct{}), make(chan struct{})
		o.cutter.Tell(func(bool) {
			o.s.Between(func() error { return o.s.Do(func() error { close(began); <-waits; return nil }) })
		})
		<-began
		c.Run(t, pt.Query("SELECT 1"))
		time.AfterFunc(time.Millisecond, func() { close(waits) })
		c.Run(t, pt.ExpectOK())
	})
	t.Run("after a command", func(t *testing.T) {
		c, o := start(t)
		waits, ran := make(chan struct{}), make(chan struct{})
		o.cutter.Tell(func(bool) {
			o.s.Between(func() error {
				return o.s.Do(func() error {
					<-waits // until a client's command has come
					o.cutter.Tell(func(busy bool) {
						if !busy {
							t.Error("the session is idle")
						}
						o.s.Between(func() error { close(ran); return nil })
					})
					return nil
				})
			})
		})
		c.Run(t, pt.Query("SELECT 1"))
		close(waits)
		<-ran
		c.Run(t, pt.ExpectOK())
	})
	t.Run("ends with the session", func(t *testing.T) {
		c, o := start(t)
		began := make(chan struct{})
		o.cutter.Tell(func(bool) {
			o.s.Between(func() error { close(began); return o.s.Sleep(time.Hour) })
		})
		<-began
		o.cutter.CutAtRest(errMoved)
		c.Run(t, told)
	})
	t.Run("fails", func(t *testing.T) {
		c, o := start(t)
		o.cutter.Tell(func(bool) {
			o.s.Between(func() error { return errors.Join(errors.New("moved away"), errMoved) })
		})
		c.Run(t, told)
	})
}
