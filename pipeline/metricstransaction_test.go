package pipeline

import (
	"context"
	"testing"

	"github.com/weirproxy/weir/protocol"
)

// TestTransactionsAreCounted: by what replies say, and by whether they did more than read.
func TestTransactionsAreCounted(t *testing.T) {
	const (
		none = protocol.StatusAutocommit
		open = none | protocol.StatusInTrans
		only = open | protocol.StatusInTransReadonly
	)
	type step struct {
		text   string
		status uint16 // after it; 0: it is answered by an error, which does not say
	}
	all := func(status uint16, texts ...string) (steps []step) {
		for _, text := range texts {
			steps = append(steps, step{text, status})
		}
		return steps
	}
	for name, tt := range map[string]struct {
		steps []step
		want  [numAccessModes]uint64 // read_only, read_write
	}{
		"none":            {all(none, "SELECT 1", "INSERT INTO t VALUES (1)", "SET @a = 1"), [2]uint64{0, 0}},
		"reads":           {append(all(open, "BEGIN", "SELECT @a := 1", "SET @b = 2", "SHOW TABLES", "SAVEPOINT s"), step{"COMMIT", none}), [2]uint64{1, 0}},
		"writes":          {append(all(open, "BEGIN", "SELECT 1", "INSERT INTO t VALUES (1)", "SELECT 1"), step{"COMMIT", none}), [2]uint64{0, 1}},
		"locks":           {append(all(open, "BEGIN", "SELECT 1 FROM t FOR UPDATE"), step{"ROLLBACK", none}), [2]uint64{0, 1}},
		"calls":           {append(all(open, "BEGIN", "CALL p()"), step{"ROLLBACK", none}), [2]uint64{0, 1}},
		"no autocommit":   {[]step{{"UPDATE t SET n = 1", protocol.StatusInTrans}, {"COMMIT", 1 << 14}}, [2]uint64{0, 1}},
		"read-only":       {append(all(only, "START TRANSACTION READ ONLY", "INSERT INTO t VALUES (1)"), step{"COMMIT", none}), [2]uint64{1, 0}},
		"DDL":             {append(all(open, "BEGIN", "SELECT 1"), step{"CREATE TABLE u (n INT)", none}), [2]uint64{0, 1}},
		"chain":           {all(open, "BEGIN", "INSERT INTO t VALUES (1)", "COMMIT AND CHAIN", "SELECT 1", "BEGIN"), [2]uint64{1, 1}},
		"misspelt":        {append(all(open, "BEGIN", "SELECT 1"), step{"COMMIT AND", 0}, step{"SELECT 1", open}), [2]uint64{0, 0}},
		"deadlock":        {append(all(open, "BEGIN"), step{"DELETE FROM t", 0}, step{"SELECT 1", none}), [2]uint64{0, 1}},
		"one at a time":   {append(all(open, "BEGIN"), step{"COMMIT", none}, step{"INSERT INTO t VALUES (1)", none}, step{"COMMIT", none}), [2]uint64{1, 0}},
		"several at once": {append(all(open, "BEGIN"), step{"INSERT INTO t VALUES (1); COMMIT", none}), [2]uint64{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			failed := false
			s := on(t, targetFunc(func() (Handler, error) {
				return HandlerFunc(func(_ context.Context, w ReplyWriter, _ *Command) error {
					if failed {
						return Error(w, &protocol.SQLError{Code: 1213, State: "40001"})
					}
					return w.WriteReply(&protocol.Chunk{Count: 1, Kind: protocol.KindEOF, Final: true})
				}), nil
			}))
			for _, step := range tt.steps {
				c := NewCommand(protocol.ComQuery, []byte(step.text), 0)
				statement := s.Statement(c)
				failed = step.status == 0
				s.watch.Reset(discard{})
				s.countCommand(c)
				err := s.chain.Serve(s.ctx, &s.watch, c)
				if !failed {
					s.noteStatus(step.status)
				}
				s.countReply(c, statement, err)
			}
			if got := s.tally.transactions; got != tt.want {
				t.Errorf("read-only and others: %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("cut off", func(t *testing.T) {
		s := on(t, answering(0))
		s.trx = openTransaction{open: true, wrote: true}
		s.countEnded()
		s.countEnded()
		if got := s.tally.transactions; got != [2]uint64{0, 1} {
			t.Errorf("read-only and others: %v", got)
		}
	})
}
