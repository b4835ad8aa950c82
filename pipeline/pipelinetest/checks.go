package pipelinetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// patience is how long a handler may take for what must happen at once.
var patience = 10 * time.Second

// unknown are command codes no server has.
var unknown = []byte{0x21, 0x42, 0x7f, 0xef, 0xfe}

// A form is one way for a reply to be cut into chunks.
type form struct {
	name string
	cut  func(Reply) Reply
}

var forms = []form{
	{"whole", func(r Reply) Reply { return r }},
	{"a chunk per packet", Reply.Packets},
	{"fragments of 5 bytes", func(r Reply) Reply { return r.Fragments(5) }},
	{"fragments of 16 bytes", func(r Reply) Reply { return r.Fragments(16) }},
}

// same compares replies as a client sees them: what is sent, not how it is cut, and numbered as it may be.
func same(want, got Reply) string {
	return cmp.Diff(want.join(), got.join(), cmpopts.IgnoreUnexported(protocol.Chunk{}))
}

// join returns one chunk per packet, unnumbered.
func (r Reply) join() Reply {
	var whole Reply
	for _, p := range r {
		if p.Part == protocol.Middle || p.Part == protocol.Last {
			last := &whole[len(whole)-1]
			last.Data, last.Final = append(last.Data, p.Data...), p.Final
			continue
		}
		p.Data, p.Part = bytes.Clone(p.Data), protocol.Whole
		whole = append(whole, p)
	}
	whole = whole.Packets()
	for i := range whole {
		whole[i].Data[3] = 0
	}
	return whole
}

func checkUnknown(t testing.TB, s subject) {
	var reply Reply
	server := &Server{Answer: func(context.Context, *pipeline.Command) (Reply, error) { return reply, nil }}
	chain := s.open(t, server)
	long := bytes.Repeat([]byte("0123456789"), 10)
	for _, com := range unknown {
		for _, answer := range []Reply{Other([]byte("hm")), Other(long), OK(1, 2), Err(1047, "08S01", "Unknown command")} {
			for _, f := range forms {
				for _, rest := range [][]byte{nil, []byte("select 1"), {0, 0xff, 0xdb}} {
					reply = f.cut(answer)
					server.Got = nil
					got, err := chain.Send(t.Context(), com, rest)
					what := fmt.Sprintf("command 0x%02x, %d bytes, reply %v, %s", com, len(rest), answer[0].Kind, f.name)
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					if len(server.Got) != 1 || !bytes.Equal(server.Got[0].Bytes, pipeline.NewCommand(com, rest, Caps).Data) {
						t.Fatalf("%s: did not arrive once and as it was sent: %v", what, server.Got)
					}
					if err := got.Check(); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					if diff := same(reply, got); diff != "" {
						t.Fatalf("%s: the reply is not what the server sent (-want +got):\n%s", what, diff)
					}
				}
			}
		}
	}
}

func checkUnknownParts(t testing.TB, s subject) {
	server := Always(OK(0, 0))
	chain := s.open(t, server)
	rest := bytes.Repeat([]byte("0123456789"), 20)
	for _, n := range []int{5, 16, 100} {
		server.Got = nil
		var w Recorder
		if err := chain.Serve(t.Context(), &w, Long(unknown[0], rest, n)); err != nil {
			t.Fatal(err)
		}
		want := pipeline.NewCommand(unknown[0], rest, Caps).Data
		if len(server.Got) != 1 || !bytes.Equal(server.Got[0].Bytes, want) {
			t.Fatalf("a command in parts of %d bytes did not arrive once and as it was sent", n)
		}
		if diff := same(OK(0, 0), w.Chunks); diff != "" {
			t.Fatalf("the reply is not what the server sent (-want +got):\n%s", diff)
		}
	}
}

// A talk is a command and how it is answered.
type talk struct {
	com   byte
	rest  string
	reply Reply
}

// talks are a session's ordinary ones, in an order that makes sense.
var talks = []talk{
	{protocol.ComPing, "", OK(0, 0)},
	{protocol.ComInitDB, "shop", OK(0, 0)},
	{protocol.ComQuery, "select n from t", Rows(3)},
	{protocol.ComQuery, "select n from t where 0", Rows(0)},
	{protocol.ComQuery, "insert into t values (1)", OK(1, 17)},
	{protocol.ComQuery, "nonsense", Err(1064, "42000", "You have an error in your SQL syntax")},
	{protocol.ComQuery, "select n from t; do 1; select n from t", Rows(300).Then(OK(0, 0)).Then(Rows(2))},
	{protocol.ComQuery, "select n from t; nonsense", Rows(2).Then(Err(1064, "42000", "no"))},
	{protocol.ComQuery, "", Err(1065, "42000", "Query was empty")},
	{protocol.ComStmtPrepare, "select n from t where n = ?", Prepared(1, 1)},
	{protocol.ComStmtSendLongData, "\x01\x00\x00\x00\x00\x00abc", nil},
	{protocol.ComStmtExecute, "\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\x0f\x00\x03abc", Rows(2)},
	{protocol.ComStmtReset, "\x01\x00\x00\x00", OK(0, 0)},
	{protocol.ComStmtExecute, "", Err(1835, "HY000", "Malformed communication packet")},
	{protocol.ComStmtExecute, "\x63\x00\x00\x00\x00\x01\x00\x00\x00", Err(1243, "HY000", "Unknown statement")},
	{protocol.ComStmtClose, "\x01\x00\x00\x00", nil},
	{protocol.ComStmtClose, "", nil},
	{protocol.ComStmtPrepare, "nonsense ?", Err(1064, "42000", "You have an error in your SQL syntax")},
	{protocol.ComStmtExecute, "\xff\xff\xff\xff\x00\x01\x00\x00\x00", Err(1243, "HY000", "Unknown statement")},
	{protocol.ComQuit, "", nil},
}

func checkReplies(t testing.TB, s subject) {
	everyTalk(t, s, func(what string, k talk, _ *Server, got Reply) {
		if err := got.Check(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if expects := protocol.ExpectsReply(k.com); expects != (len(got) > 0) {
			t.Errorf("%s: %d chunks of reply, reply expected: %v", what, len(got), expects)
		}
	})
}

func checkTransparent(t testing.TB, s subject) {
	everyTalk(t, s, func(what string, k talk, server *Server, got Reply) {
		if diff := same(k.reply, got); diff != "" {
			t.Errorf("%s: the reply is not what the server sent (-want +got):\n%s", what, diff)
		}
		want := pipeline.NewCommand(k.com, []byte(k.rest), Caps).Data
		if len(server.Got) != 1 || !bytes.Equal(server.Got[0].Bytes, want) {
			t.Errorf("%s: the command did not arrive once and as it was sent", what)
		}
	})
}

// everyTalk has all talks in one session after the other, each with its replies in another form, with commands in
// one part and in several.
func everyTalk(t testing.TB, s subject, check func(what string, k talk, server *Server, got Reply)) {
	for _, f := range forms {
		for _, parts := range []int{0, protocol.HeaderSize + 1, 16} {
			var reply Reply
			server := &Server{Answer: func(context.Context, *pipeline.Command) (Reply, error) { return reply, nil }}
			chain := s.open(t, server)
			for _, k := range talks {
				reply, server.Got = f.cut(k.reply), nil
				cmd := pipeline.NewCommand(k.com, []byte(k.rest), Caps)
				if parts > 0 && len(cmd.Data) > parts {
					cmd = Long(k.com, []byte(k.rest), parts)
				}
				var w Recorder
				what := fmt.Sprintf("%s %q in parts of %d, reply in %s", protocol.CommandName(k.com), k.rest, parts, f.name)
				if err := chain.Serve(t.Context(), &w, cmd); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				for _, got := range server.Got {
					if bytes.Contains(got.Bytes, poison[:4]) {
						t.Errorf("%s: arrived with bytes that were kept and are no longer valid", what)
					}
				}
				check(what, k, server, w.Chunks)
			}
			chain.Close()
		}
	}
}

func checkNextError(t testing.TB, s subject) {
	lost := errors.New("server lost")
	for _, reply := range []Reply{nil, Rows(2)[:2], OK(0, 0)} {
		server := &Server{Answer: func(context.Context, *pipeline.Command) (Reply, error) { return reply, lost }}
		chain := s.open(t, server)
		if got, err := chain.Send(t.Context(), unknown[0], nil); !errors.Is(err, lost) || len(got) != len(reply) {
			t.Errorf("after %d chunks of reply: got %d chunks and error %v, want %v", len(reply), len(got), err, lost)
		}
	}
}

func checkWriterError(t testing.TB, s subject) {
	for limit := 1; limit < 4; limit++ {
		chain := s.open(t, Always(Rows(1)))
		w := Recorder{Limit: limit}
		err := chain.Serve(t.Context(), &w, pipeline.NewCommand(unknown[0], nil, Caps))
		if !errors.Is(err, ErrClientGone) {
			t.Errorf("the client goes after %d chunks: got %v, want %v", limit, err, ErrClientGone)
		}
	}
}

func checkCancel(t testing.TB, s subject) {
	began := make(chan struct{}, 1)
	server := &Server{Answer: func(ctx context.Context, _ *pipeline.Command) (Reply, error) {
		began <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	chain := s.open(t, server)
	for _, com := range []byte{unknown[0], protocol.ComQuery} {
		ctx, cancel := context.WithCancel(t.Context())
		returned := make(chan error, 1)
		go func() {
			_, err := chain.Send(ctx, com, []byte("select 1"))
			returned <- err
		}()
		var err error
		select {
		case <-began:
			cancel()
			select {
			case err = <-returned:
			case <-time.After(patience):
				t.Fatalf("%s: Serve goes on %v after the session was cancelled", protocol.CommandName(com), patience)
			}
			if err == nil {
				t.Errorf("%s: no error when cancelled", protocol.CommandName(com))
			}
		case err = <-returned: // answered without asking the server
			if err != nil {
				t.Errorf("%s: %v", protocol.CommandName(com), err)
			}
		case <-time.After(patience):
			t.Fatalf("%s: neither answered nor passed on", protocol.CommandName(com))
		}
		cancel()
	}
}
