package poll

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// A Teller tells servers their states, and the log what is new in these. One goroutine uses it.
type Teller struct {
	log     *slog.Logger
	servers []*pipeline.Server
	told    []pipeline.ServerState
}

// NewTeller returns a Teller that has told nothing yet.
func NewTeller(log *slog.Logger, servers []*pipeline.Server) *Teller {
	return &Teller{log, servers, make([]pipeline.ServerState, len(servers))}
}

// Tell tells the i-th server its state, where that has changed.
func (t *Teller) Tell(i int, st pipeline.ServerState) {
	old := t.told[i]
	if st == old {
		return
	}
	t.told[i] = st
	t.servers[i].SetState(st)
	if !worthALine(&old, &st) {
		return
	}
	level, message := slog.LevelInfo, "server has changed"
	if st.Problem != pipeline.NoProblem {
		level, message = slog.LevelWarn, "server is not used as it could be"
	}
	args := []any{"server", t.servers[i].Name(), "up", st.Up, "role", st.Role.String()}
	if st.Of != nil {
		args = append(args, "replicates_from", st.Of.Name())
	}
	if st.Role.Reads() && st.Lag != pipeline.UnknownLag {
		args = append(args, "lag", st.Lag.Round(time.Millisecond))
	}
	args = append(args, "read_only", st.ReadOnly)
	if old.Monitored {
		args = append(args, "was_up", old.Up, "was", old.Role.String())
	}
	if st.Reason != "" {
		args = append(args, "problem", st.Problem.String(), "reason", st.Reason)
	}
	t.log.Log(context.Background(), level, message, args...)
}

// worthALine says that something has changed that an operator wants to know. Lag and positions change all the time, and
// some errors count how often something was tried.
func worthALine(old, st *pipeline.ServerState) bool {
	return old.Monitored != st.Monitored || old.Up != st.Up || old.Role != st.Role || old.Of != st.Of || old.ReadOnly != st.ReadOnly ||
		old.Problem != st.Problem || withoutNumbers(old.Reason) != withoutNumbers(st.Reason)
}

// withoutNumbers leaves digits out.
func withoutNumbers(text string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, text)
}
