package pipeline_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// packet makes a chunk of one packet.
func packet(kind protocol.Kind, payload []byte) protocol.Chunk {
	return protocol.Chunk{Data: protocol.AppendPacket(nil, 1, payload), Count: 1, Kind: kind}
}

// okPacket makes a chunk of an OK packet.
func okPacket(affected, insertID uint64) protocol.Chunk {
	ok := protocol.OK{AffectedRows: affected, LastInsertID: insertID, Status: protocol.StatusAutocommit}
	return packet(protocol.KindOK, ok.Append(nil, 0))
}

// with returns p from server db1, final or not.
func with(p protocol.Chunk, final bool) protocol.Chunk {
	p.Server, p.Final = "db1", final
	return p
}

// resultSet is a result set of 241 rows in two chunks.
func resultSet() []protocol.Chunk {
	rows := with(packet(protocol.KindRow, []byte("\x011")), false)
	rows.Count = 240
	return []protocol.Chunk{
		with(packet(protocol.KindColumns, []byte{1}), false),
		with(packet(protocol.KindColumn, []byte("\x03def")), false),
		rows,
		with(packet(protocol.KindRow, []byte("\x011")), false),
		with(packet(protocol.KindEOF, []byte{0xfe, 0, 0, 2, 0}), true),
	}
}

// lastWriter is where the watched replies end.
type lastWriter struct {
	chunks int
	err    error
}

func (w *lastWriter) WriteReply(*protocol.Chunk) error {
	w.chunks++
	return w.err
}

func TestWatch(t *testing.T) {
	sqlErr := &protocol.SQLError{Code: 1064, State: "42000", Message: "You have an error"}
	fragments := []protocol.Chunk{
		{Data: []byte{200, 0, 0, 3, 1, 'a'}, Count: 1, Kind: protocol.KindRow, Part: protocol.First},
		{Data: []byte("bcd"), Kind: protocol.KindRow, Part: protocol.Middle},
		{Data: []byte("e"), Kind: protocol.KindRow, Part: protocol.Last},
	}
	tests := []struct {
		name  string
		reply []protocol.Chunk
		want  pipeline.Watch
	}{
		{"nothing yet", nil, pipeline.Watch{}},
		{"rows", resultSet(), pipeline.Watch{Bytes: 34, Rows: 241, ResultSets: 1, Done: true, Server: "db1"}},
		{"unfinished", resultSet()[:3], pipeline.Watch{Bytes: 19, Rows: 240, ResultSets: 1, Server: "db1"}},
		{
			"several statements",
			[]protocol.Chunk{with(okPacket(2, 7), false), with(okPacket(3, 0), true)},
			pipeline.Watch{Bytes: 22, AffectedRows: 5, LastInsertID: 7, Done: true, Server: "db1"},
		},
		{
			"a row in fragments", append(fragments, with(okPacket(0, 0), true)),
			pipeline.Watch{Bytes: 21, Rows: 1, Done: true, Server: "db1"},
		},
		{
			"error",
			[]protocol.Chunk{with(packet(protocol.KindErr, sqlErr.Append(nil)), true)},
			pipeline.Watch{Bytes: 30, Done: true, Server: "db1", Err: sqlErr},
		},
		{
			"an error that is none",
			[]protocol.Chunk{with(packet(protocol.KindErr, []byte{0xff}), true)},
			pipeline.Watch{Bytes: 5, Done: true, Server: "db1", Err: &protocol.SQLError{
				Code: protocol.CrMalformedPacket, State: "HY000", Message: "malformed packet",
			}},
		},
		{
			"prepared",
			[]protocol.Chunk{with(packet(protocol.KindPrepareOK, []byte{0, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}), true)},
			pipeline.Watch{Bytes: 16, StatementID: 261, Prepared: true, Done: true, Server: "db1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w pipeline.Watch
			var last lastWriter
			w.Reset(&last)
			for i := range tt.reply {
				if err := w.WriteReply(&tt.reply[i]); err != nil {
					t.Fatal(err)
				}
			}
			ignore := cmpopts.IgnoreFields(pipeline.Watch{}, "Start", "First", "Last")
			if diff := cmp.Diff(tt.want, w, ignore, cmpopts.IgnoreUnexported(pipeline.Watch{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if last.chunks != len(tt.reply) {
				t.Errorf("passed on %d chunks of %d", last.chunks, len(tt.reply))
			}
			if (w.First > 0) != (len(tt.reply) > 0) || (w.Last > 0) != w.Done || w.Done && w.Last < w.First {
				t.Errorf("first byte after %v, last after %v", w.First, w.Last)
			}
			w.Reset(&last)
			if diff := cmp.Diff(pipeline.Watch{}, w, ignore, cmpopts.IgnoreUnexported(pipeline.Watch{})); diff != "" {
				t.Errorf("after Reset: -want +got:\n%s", diff)
			}
		})
	}
}

func TestWatchReturnsWritersError(t *testing.T) {
	gone := errors.New("gone")
	var w pipeline.Watch
	w.Reset(&lastWriter{err: gone})
	p := okPacket(0, 0)
	if err := w.WriteReply(&p); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}

func TestWatchAllocatesNothing(t *testing.T) {
	var w pipeline.Watch
	var last lastWriter
	reply := append(resultSet(), with(okPacket(1, 2), true))
	allocs := testing.AllocsPerRun(100, func() {
		w.Reset(&last)
		for i := range reply {
			if err := w.WriteReply(&reply[i]); err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per reply, want none", allocs)
	}
}

func BenchmarkWatch(b *testing.B) {
	var w pipeline.Watch
	var last lastWriter
	reply := resultSet()
	for b.Loop() {
		w.Reset(&last)
		for i := range reply {
			if err := w.WriteReply(&reply[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// A watch before another one has its times, as seen from its own start.
func TestWatchesShareTheClock(t *testing.T) {
	var outer, inner pipeline.Watch
	outer.Reset(&lastWriter{})
	time.Sleep(2 * time.Millisecond)
	inner.Reset(&outer)
	for _, p := range resultSet() {
		time.Sleep(time.Millisecond)
		if err := inner.WriteReply(&p); err != nil {
			t.Fatal(err)
		}
	}
	ahead := inner.Start.Sub(outer.Start)
	if outer.First-inner.First != ahead || outer.Last-inner.Last != ahead {
		t.Errorf("first %v and %v, last %v and %v, begun %v apart", outer.First, inner.First, outer.Last, inner.Last, ahead)
	}
	if inner.Last-inner.First < 4*time.Millisecond || inner.First < time.Millisecond {
		t.Errorf("first after %v, last after %v", inner.First, inner.Last)
	}
	// One that is written to by itself reads the clock.
	inner.Reset(&outer)
	outer.Reset(&lastWriter{})
	time.Sleep(time.Millisecond)
	p := with(okPacket(0, 0), true)
	if err := outer.WriteReply(&p); err != nil || outer.Last < time.Millisecond {
		t.Errorf("last after %v, %v", outer.Last, err)
	}
}
