package pipelinetest

import (
	"testing"

	"github.com/weirproxy/weir/pipeline"
)

// A Promise is what a filter says of itself beyond what every filter must keep.
type Promise uint8

const (
	// Transparent filters change neither commands nor replies.
	Transparent Promise = 1 << iota
	// AllocatesNothing says that a session that has run for a while allocates nothing for a statement.
	AllocatesNothing
	// Allocates takes the filter out of the rule that a command it does not know costs no allocation. Its
	// README says so under Cost.
	Allocates
)

// TestFilter runs the conformance test on a filter of the kind with the given Config. What every filter must do:
//
//   - pass commands that nobody knows to the next handler byte for byte, and their replies back
//   - give exactly one complete reply to a command that expects one, and none to others
//   - cope with packets in fragments and in chunks of their own, commands in several parts, and empty ones
//   - return errors of the next handler and of the client's writer
//   - stop waiting when the session is cancelled
//   - keep no bytes of a command or chunk, and not write to a client after Serve has returned
//   - serve several sessions at the same time (a race detector must be there to see that it does not)
//   - leave no goroutine when the process has stopped
//   - allocate nothing for commands it does not know
func TestFilter(t *testing.T, kind pipeline.Kind[pipeline.Filter], config any, promises ...Promise) {
	t.Helper()
	s := subject{kind: kind, config: config}
	for _, p := range promises {
		s.promises |= p
	}
	for _, c := range checks {
		if !s.promised(c.of) {
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

// A subject is what is being tested.
type subject struct {
	kind     pipeline.Kind[pipeline.Filter]
	config   any
	promises Promise
}

func (s subject) promised(p Promise) bool { return s.promises&p == p }

// open starts a process and opens a session in it.
func (s subject) open(t testing.TB, next pipeline.Handler) *Chain {
	t.Helper()
	return Start(t, s.kind, s.config).Open(t, Session(1), next)
}

// checks are the parts of the conformance test.
var checks = []struct {
	name string
	run  func(testing.TB, subject)
	of   Promise // that the filter must have given; 0: every filter
}{
	{"passes unknown commands", checkUnknown, 0},
	{"passes unknown commands in parts", checkUnknownParts, 0},
	{"replies once", checkReplies, 0},
	{"is transparent", checkTransparent, Transparent},
	{"returns the next handler's error", checkNextError, 0},
	{"returns the writer's error", checkWriterError, 0},
	{"stops when cancelled", checkCancel, 0},
	{"serves sessions at the same time", checkConcurrent, 0},
	{"leaves no goroutine", checkGoroutines, 0},
	{"allocates nothing", checkAllocs, 0},
}
