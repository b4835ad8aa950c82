package pipelinetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// A trial is the testing.TB of a conformance test that is expected to fail.
type trial struct {
	testing.TB // for Context and TempDir
	failures   []string
	cleanups   []func()
}

func (t *trial) Helper()          {}
func (t *trial) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *trial) Errorf(format string, args ...any) {
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

func (t *trial) Fatal(args ...any) { t.Fatalf("%s", fmt.Sprint(args...)) }

// try runs one check and returns what it found wrong.
func try(t *testing.T, run func(testing.TB, subject), s subject) string {
	t.Helper()
	tr := &trial{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, v := range slices.Backward(tr.cleanups) {
				v()
			}
		}()
		run(tr, s)
	}()
	<-done
	return strings.Join(tr.failures, "\n")
}

// A filterFunc is a Filter that is its Open.
type filterFunc func(s *pipeline.Session, next pipeline.Handler) pipeline.Handler

func (f filterFunc) Open(s *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	return f(s, next), nil
}

// kindOf makes a kind of a filter that serves by a function made for each session.
func kindOf(open func(next pipeline.Handler) pipeline.HandlerFunc) pipeline.Kind[pipeline.Filter] {
	return pipeline.KindOf("broken", struct{}{}, func(struct{}, pipeline.Env) (pipeline.Filter, error) {
		return filterFunc(func(_ *pipeline.Session, next pipeline.Handler) pipeline.Handler { return open(next) }), nil
	})
}

// writerFunc is a ReplyWriter that is its WriteReply.
type writerFunc func(*protocol.Chunk) error

func (f writerFunc) WriteReply(p *protocol.Chunk) error { return f(p) }

// A good filter passes, with all promises.
func TestGoodFilter(t *testing.T) {
	TestFilter(t, kindOf(func(next pipeline.Handler) pipeline.HandlerFunc { return next.Serve }), struct{}{},
		Transparent, AllocatesNothing)
}

// Filters that each break a rule, and the checks that must say so.
func TestBrokenFilters(t *testing.T) {
	tests := []struct {
		name     string
		open     func(next pipeline.Handler) pipeline.HandlerFunc
		promises Promise
		want     map[string]string // check and what it says
	}{
		{
			name: "keeps a chunk",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					var kept []protocol.Chunk
					err := next.Serve(ctx, writerFunc(func(p *protocol.Chunk) error {
						kept = append(kept, *p)
						return nil
					}), c)
					for i := range kept {
						if err == nil {
							err = w.WriteReply(&kept[i])
						}
					}
					return err
				}
			},
			want: map[string]string{
				"passes unknown commands": "bytes that were kept",
				"replies once":            "bytes that were kept",
			},
		},
		{
			name: "keeps a command",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				var last []byte
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					if c.Com() == protocol.ComQuery && c.Part == protocol.Whole {
						if last != nil {
							c = pipeline.NewCommand(protocol.ComQuery, last, Caps)
						}
						last = c.Payload()
					}
					return next.Serve(ctx, w, c)
				}
			},
			want: map[string]string{"replies once": "arrived with bytes that were kept"},
		},
		{
			name: "keeps a part of a command's body",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					if c.Part == protocol.Whole {
						return next.Serve(ctx, w, c)
					}
					whole, parts := *c, [][]byte{}
					for {
						b, err := c.Body.Next()
						if err != nil {
							break
						}
						parts = append(parts, b)
					}
					whole.Body = &body{parts: parts}
					return next.Serve(ctx, w, &whole)
				}
			},
			want: map[string]string{"passes unknown commands in parts": "did not arrive once and as it was sent"},
		},
		{
			name: "swallows a reply",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				return func(ctx context.Context, _ pipeline.ReplyWriter, c *pipeline.Command) error {
					return next.Serve(ctx, discard{}, c)
				}
			},
			want: map[string]string{
				"passes unknown commands": "the reply is not what the server sent",
				"replies once":            "0 chunks of reply, reply expected: true",
			},
		},
		{
			name: "replies twice",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					if err := next.Serve(ctx, w, c); err != nil || !c.ExpectsReply() {
						return err
					}
					return w.WriteReply(&OK(0, 0)[0])
				}
			},
			want: map[string]string{"replies once": "comes after the reply's end"},
		},
		{
			name: "replies to what expects no reply",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					if c.Com() == protocol.ComStmtClose {
						return w.WriteReply(&OK(0, 0)[0])
					}
					return next.Serve(ctx, w, c)
				}
			},
			want: map[string]string{"replies once": "1 chunks of reply, reply expected: false"},
		},
		{
			name: "drops fragments",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					return next.Serve(ctx, writerFunc(func(p *protocol.Chunk) error {
						if p.Part == protocol.Middle {
							return nil
						}
						return w.WriteReply(p)
					}), c)
				}
			},
			want: map[string]string{"passes unknown commands": "1 packets are counted and -1 are there"},
		},
		{
			name: "answers what it does not know",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					if c.Com() == 0x42 {
						return w.WriteReply(&OK(0, 0)[0])
					}
					return next.Serve(ctx, w, c)
				}
			},
			want: map[string]string{"passes unknown commands": "did not arrive once"},
		},
		{
			name: "loses the next handler's error",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					_ = next.Serve(ctx, w, c)
					return nil
				}
			},
			want: map[string]string{
				"returns the next handler's error": "want server lost",
				"stops when cancelled":             "no error when cancelled",
			},
		},
		{
			name: "loses the writer's error",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					return next.Serve(ctx, writerFunc(func(p *protocol.Chunk) error {
						_ = w.WriteReply(p)
						return nil
					}), c)
				}
			},
			want: map[string]string{"returns the writer's error": "want pipelinetest: the client is gone"},
		},
		{
			name: "writes after the end",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				var before pipeline.ReplyWriter
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					if before != nil {
						_ = before.WriteReply(&OK(0, 0)[0])
					}
					before = w
					return next.Serve(ctx, w, c)
				}
			},
			want: map[string]string{"replies once": "after Serve had returned"},
		},
		{
			name: "leaves a goroutine",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				go func() { select {} }()
				return next.Serve
			},
			want: map[string]string{"leaves no goroutine": "2 goroutines are left"},
		},
		{
			name: "allocates",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					return next.Serve(ctx, writerFunc(w.WriteReply), c)
				}
			},
			want: map[string]string{"allocates nothing": "allocations per command, want none"},
		},
		{
			name: "is not as transparent as it says",
			open: func(next pipeline.Handler) pipeline.HandlerFunc {
				return func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
					if c.Com() == protocol.ComInitDB {
						return w.WriteReply(&OK(0, 0)[0])
					}
					return next.Serve(ctx, w, c)
				}
			},
			promises: Transparent,
			want:     map[string]string{"is transparent": "the command did not arrive"},
		},
	}
	hurry(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := subject{kind: kindOf(tt.open), config: struct{}{}, promises: tt.promises}
			for check, want := range tt.want {
				got := try(t, checkNamed(t, check), s)
				if !strings.Contains(got, want) {
					t.Errorf("%s: found %q, want %q", check, got, want)
				}
			}
		})
	}
}

// hurry makes checks give up soon, because they are to fail.
func hurry(t *testing.T) {
	t.Helper()
	old := patience
	patience = 100 * time.Millisecond
	t.Cleanup(func() { patience = old })
}

func checkNamed(t *testing.T, name string) func(testing.TB, subject) {
	t.Helper()
	for _, c := range checks {
		if c.name == name {
			return c.run
		}
	}
	t.Fatalf("there is no check that %s", name)
	return nil
}

// A filter that waits for something else than its context does not stop when it is cancelled.
func TestDeafFilter(t *testing.T) {
	kind := kindOf(func(next pipeline.Handler) pipeline.HandlerFunc {
		return func(_ context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
			return next.Serve(context.Background(), w, c)
		}
	})
	hurry(t)
	if got := try(t, checkCancel, subject{kind: kind, config: struct{}{}}); !strings.Contains(got, "goes on") {
		t.Errorf("found %q", got)
	}
}
