package poll

import (
	"log/slog"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// TestTellerTellsChanges: a state that is what it was is not told again: nobody who waits for a change is woken by it.
func TestTellerTellsChanges(t *testing.T) {
	db1 := newServer(t, "db1")
	teller := NewTeller(slog.New(slog.DiscardHandler), []*pipeline.Server{db1})
	st := pipeline.ServerState{Monitored: true, Up: true, Role: pipeline.Replica, Lag: time.Second}
	teller.Tell(0, st)
	told := db1.State()
	teller.Tell(0, st)
	if db1.State() != told {
		t.Error("it is told again")
	}
	st.GTID = "0-1-5"
	teller.Tell(0, st)
	if db1.State() == told || db1.State().GTID != "0-1-5" {
		t.Error("it is not told of a change")
	}
}
