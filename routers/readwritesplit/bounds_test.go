package readwritesplit

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// sessionOf is one of a router before a primary and a replica, which are not there.
func sessionOf(t *testing.T) *session {
	t.Helper()
	info := pipeline.SessionInfo{ID: 1, User: "app", Schema: "shop", Capabilities: protocol.ClientProtocol41}
	return newSession(&Router{config: Defaults, candidates: cluster(t, aPrimary, aReplica)}, pipeline.Detached(info))
}

// discard is where replies go that nobody reads.
type discard struct{}

func (discard) WriteReply(*protocol.Chunk) error { return nil }

// learns has the session know a statement with this id.
func (x *session) learns(t *testing.T, id uint32) {
	t.Helper()
	payload := append(binary.LittleEndian.AppendUint32([]byte{0}, id), make([]byte, 7)...)
	x.watch.Reset(discard{})
	err := x.watch.WriteReply(&protocol.Chunk{
		Data: protocol.AppendPacket(nil, 0, payload), Count: 1, Kind: protocol.KindPrepareOK, Final: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	x.prepared.Learn(x.s, pipeline.NewCommand(protocol.ComStmtPrepare, []byte("INSERT 1"), x.s.Capabilities()), &x.watch)
	x.made = map[uint32]reading{id: x.reading()}
}

func (x *session) closes(t *testing.T, id uint32) {
	t.Helper()
	c := pipeline.NewCommand(protocol.ComStmtClose, binary.LittleEndian.AppendUint32(nil, id), x.s.Capabilities())
	if x.prepared.Of(c) == nil {
		t.Fatalf("statement %d is not known", id)
	}
	if err := x.closeStatement(c); err != nil {
		t.Fatal(err)
	}
}

// TestMaxClosed: what a session remembers of statements that are closed within a transaction is bounded. The transaction is
// not run again then, rather than without them.
func TestMaxClosed(t *testing.T) {
	x := sessionOf(t)
	x.replay.on, x.trx = true, &x.members[0]
	x.closed = make([]uint32, maxClosed-2)
	for id := uint32(1); id < 4; id++ {
		x.learns(t, id)
		x.closes(t, id)
		if spoilt := x.replay.spoilt != ""; spoilt != (id > 1) {
			t.Errorf("after %d statements the transaction is not to be run again: %v", len(x.closed), spoilt)
		}
		if _, known := x.made[id]; known != (len(x.closed) == maxClosed-2+int(id)) {
			t.Errorf("statement %d is known: %v", id, known)
		}
	}
	if n := len(x.closed); n != maxClosed {
		t.Errorf("%d statements are remembered", n)
	}
}

// TestMaxHints: hints of which there are more than are kept say nothing. Those that are kept hold, and change.
func TestMaxHints(t *testing.T) {
	replica, primary := hint{set: true, target: toReplica}, hint{set: true, target: toPrimary}
	t.Run("begun", func(t *testing.T) {
		var s hintStack
		s.take(directive{verb: "begin", hint: primary})
		for range 3 * maxHints {
			s.take(directive{verb: "begin", hint: replica})
		}
		if n := len(s.begun); n != maxHints {
			t.Errorf("%d hints are in force", n)
		}
		for range 3 * maxHints {
			s.take(directive{verb: "end"})
		}
		if len(s.begun) != 1 || s.begun[0] != primary {
			t.Errorf("the first that was begun is not the last to end: %v", s.begun)
		}
	})
	t.Run("names", func(t *testing.T) {
		var s hintStack
		for i := range 3 * maxHints {
			s.take(directive{verb: "prepare", name: fmt.Sprint("h", i), hint: replica})
		}
		if n := len(s.names); n != maxHints {
			t.Errorf("%d names are known", n)
		}
		s.take(directive{verb: "begin", name: "h100"})
		if len(s.begun) != 0 {
			t.Error("a name that was not kept means something")
		}
		s.take(directive{verb: "prepare", name: "h1", hint: primary})
		s.take(directive{verb: "begin", name: "h1"})
		if len(s.begun) != 1 || s.begun[0] != primary {
			t.Errorf("the name that was given anew means %v", s.begun)
		}
	})
}

// TestMaxPreparedHints: a prepared statement whose hint is not kept has none, also where another one had its id.
func TestMaxPreparedHints(t *testing.T) {
	var sit situation
	sit.noted.own = hint{set: true, target: toReplica}
	execute := func(id uint32) hint {
		return sit.prepared.of(pipeline.NewCommand(protocol.ComStmtExecute, binary.LittleEndian.AppendUint32(nil, id), 0))
	}
	for id := range uint32(maxPreparedHints) {
		sit.keepHint(id + 1)
	}
	sit.keepHint(maxPreparedHints + 1)
	if execute(maxPreparedHints).target != toReplica || execute(maxPreparedHints+1).set || len(sit.prepared.all) != maxPreparedHints {
		t.Errorf("%d hints are kept", len(sit.prepared.all))
	}
	sit.keepHint(1)
	if execute(1).set {
		t.Error("a statement has the hint of another one")
	}
	sit.keepHint(maxPreparedHints + 2) // there is room
	if !execute(maxPreparedHints + 2).set {
		t.Error("a hint is not kept that there is room for")
	}
}

// TestMaxTemporary: where there are more temporary tables than names are kept, the session has some to its end, whichever of
// them are dropped.
func TestMaxTemporary(t *testing.T) {
	for _, n := range []int{maxTemporary, maxTemporary + 1} {
		x := sessionOf(t)
		learn := func(text string) {
			st := x.s.Statement(pipeline.NewQuery(text, x.s.Capabilities()))
			x.sit.temporary.learn(st)
		}
		for i := range n {
			learn(fmt.Sprintf("CREATE TEMPORARY TABLE t%d (a INT)", i))
		}
		if names := len(x.sit.temporary.names); names != maxTemporary {
			t.Errorf("of %d tables, %d names are kept", n, names)
		}
		for i := range n {
			learn(fmt.Sprintf("DROP TABLE t%d", i))
		}
		if some := x.sit.temporary.any(); some != (n > maxTemporary) {
			t.Errorf("after %d tables were dropped, there are some: %v", n, some)
		}
	}
}

// TestSchemaPause: a replica that does not have the session's default schema is left out for a while, and is asked again
// then. With another schema, or a connection, it is not left out.
func TestSchemaPause(t *testing.T) {
	x := sessionOf(t)
	unknown := &protocol.SQLError{Code: protocol.ErBadDB, State: "42000", Message: "Unknown database 'shop'"}
	m, start := &x.members[1], time.Now()
	if m.lacksSchema(unknown) || m.until.Before(start.Add(schemaPause)) || m.until.After(time.Now().Add(schemaPause)) {
		t.Errorf("it is left out until %v, as of %v", m.until, start)
	}
	m.until = time.Now()
	if m.leftOut() {
		t.Error("it is left out when the pause is over")
	}
	if !m.lacksSchema(unknown) || !m.until.After(start.Add(schemaPause)) {
		t.Error("it is not left out anew when it lacks the schema still, or that is new")
	}
	m.until = time.Now().Add(time.Hour)
	if !m.leftOut() {
		t.Error("it is not left out")
	}
	m.lacks = "other"
	if m.leftOut() {
		t.Error("it is left out for a schema that is not the session's")
	}
	if primary := &x.members[0]; primary.lacksSchema(unknown) || primary.leftOut() {
		t.Error("the primary is left out")
	}
}
