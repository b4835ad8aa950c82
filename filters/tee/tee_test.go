package tee

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
)

// A target is the end of the pipeline that copies go to.
type target struct {
	open func(s *pipeline.Session) (pipeline.Handler, error)
	caps protocol.Capability
}

func (t target) Open(s *pipeline.Session) (pipeline.Handler, error) { return t.open(s) }

func (t target) Greeting(context.Context) (*protocol.Greeting, error) {
	return &protocol.Greeting{Capabilities: t.caps}, nil
}

// shadow is a pipeline that ends in h.
func shadow(h pipeline.Handler, caps protocol.Capability) *pipeline.Pipeline {
	return pipeline.NewPipeline("shadow", nil, target{func(*pipeline.Session) (pipeline.Handler, error) { return h, nil }, caps})
}

func settings(p *pipeline.Pipeline, change ...func(*Config)) Config {
	c := Kind.Defaults.(Config)
	c.Target = p
	for _, f := range change {
		f(&c)
	}
	return c
}

func comparing(c *Config) { c.Compare = true }

// answer answers what expects an answer, and allocates nothing.
func answer(r pipelinetest.Reply) pipeline.Handler {
	var chunk protocol.Chunk
	return pipeline.HandlerFunc(func(_ context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
		for i := range r {
			if chunk = r[i]; !c.ExpectsReply() {
				return nil
			}
			if err := w.WriteReply(&chunk); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*Config){"copies": func(*Config) {}, "compares": comparing} {
		t.Run(name, func(t *testing.T) {
			// A handler of its own for each session, since sessions run at the same time.
			p := pipeline.NewPipeline("shadow", nil, target{func(*pipeline.Session) (pipeline.Handler, error) {
				return answer(pipelinetest.Rows(1)), nil
			}, pipelinetest.Caps})
			pipelinetest.TestFilter(t, Kind, settings(p, change), pipelinetest.Transparent, pipelinetest.AllocatesNothing)
		})
	}
}

func TestSettings(t *testing.T) {
	p := shadow(answer(nil), 0)
	for name, c := range map[string]Config{
		"target":           settings(nil),
		"sample":           settings(p, func(c *Config) { c.Sample = 1.5 }),
		"target_password":  settings(p, func(c *Config) { c.TargetPassword = "x" }),
		"queue_bytes":      settings(p, func(c *Config) { c.QueueBytes = 1 }),
		"queue_statements": settings(p, func(c *Config) { c.QueueStatements = 0 }),
		"total_bytes":      settings(p, func(c *Config) { c.TotalBytes = 1 << 19 }),
		"match":            settings(p, func(c *Config) { c.Match = "(" }),
	} {
		_, err := New(c, pipeline.Env{})
		if invalid := (*pipeline.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Setting != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A pair is a session with both of its ends.
type pair struct {
	*pipelinetest.Process
	t            *testing.T
	chain        *pipelinetest.Chain
	main, branch *pipelinetest.Server
	// What they answer next.
	mainReply, branchReply pipelinetest.Reply
}

// session opens a session of a client with caps, whose branch's server has branchCaps.
func session(t *testing.T, caps, branchCaps protocol.Capability, change ...func(*Config)) *pair {
	t.Helper()
	p := &pair{t: t, mainReply: pipelinetest.OK(0, 0), branchReply: pipelinetest.OK(0, 0)}
	reply := func(r *pipelinetest.Reply) *pipelinetest.Server {
		return &pipelinetest.Server{Answer: func(_ context.Context, c *pipeline.Command) (pipelinetest.Reply, error) {
			if !c.ExpectsReply() {
				return nil, nil
			}
			return *r, nil
		}}
	}
	p.main, p.branch = reply(&p.mainReply), reply(&p.branchReply)
	p.Process = pipelinetest.Start(t, Kind, settings(shadow(p.branch, branchCaps), change...))
	info := pipelinetest.Session(1<<31 + 7)
	info.Capabilities = caps
	p.chain = p.Open(t, info, p.main)
	return p
}

// send has a command served that main and branch answer as they are told.
func (p *pair) send(com byte, rest string, main, branch pipelinetest.Reply) {
	p.t.Helper()
	p.mainReply, p.branchReply = main, branch
	if _, err := p.chain.Send(p.t.Context(), com, []byte(rest)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) ok(com byte, rest string) {
	p.t.Helper()
	p.send(com, rest, pipelinetest.OK(0, 0), pipelinetest.OK(0, 0))
}

// arrived returns what has come to the branch since it was last asked: code and rest of each command.
func (p *pair) arrived() (all []string) {
	for _, c := range p.branch.Got {
		all = append(all, protocol.CommandName(c.Com())+" "+string(c.Bytes[protocol.HeaderSize+1:]))
	}
	p.branch.Got = nil
	return all
}

func (p *pair) want(want ...string) {
	p.t.Helper()
	if diff := cmp.Diff(want, p.arrived()); diff != "" {
		p.t.Errorf("what came to the branch (-want +got):\n%s", diff)
	}
}

func (p *pair) figure(name string) int { return int(p.Metrics["weir_tee_"+name].Read()) }

func (p *pair) figures(want map[string]int) {
	p.t.Helper()
	got := make(map[string]int)
	for name := range want {
		got[name] = p.figure(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Errorf("figures (-want +got):\n%s", diff)
	}
}

func id(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }

const caps = pipelinetest.Caps

func TestCopies(t *testing.T) {
	p := session(t, caps, caps)
	p.ok(protocol.ComInitDB, "shop")
	p.ok(protocol.ComQuery, "SELECT 1")
	p.ok(protocol.ComPing, "")
	p.ok(protocol.ComQuit, "")
	p.want("COM_INIT_DB shop", "COM_QUERY SELECT 1", "COM_PING ")
	p.figures(map[string]int{"sent_statements_total": 3, "queue_bytes": 0, "queue_statements": 0, "branch_sessions": 1})
	p.chain.Close()
	p.figures(map[string]int{"branch_sessions": 0, "unfaithful_sessions_total": 0})
}

// TestStatementIDs: both sides have their own, and what the branch does not have is left out.
func TestStatementIDs(t *testing.T) {
	p := session(t, caps, caps)
	execute := func(n uint32) string { return id(n) + "\x00\x01\x00\x00\x00" }
	p.send(protocol.ComStmtPrepare, "SELECT 1", pipelinetest.Prepared(1, 0), pipelinetest.Prepared(9, 0))
	p.send(protocol.ComStmtPrepare, "SELECT 2", pipelinetest.Prepared(2, 0), pipelinetest.Prepared(8, 0))
	p.ok(protocol.ComStmtExecute, execute(1))
	p.ok(protocol.ComStmtExecute, execute(lastPrepared))
	p.ok(protocol.ComStmtFetch, id(2)+id(10))
	p.ok(protocol.ComStmtReset, id(2))
	p.ok(protocol.ComStmtSendLongData, id(1)+"\x00\x00long")
	p.ok(protocol.ComStmtClose, id(1))
	p.ok(protocol.ComStmtExecute, execute(1))
	p.ok(protocol.ComStmtClose, id(2))
	p.ok(protocol.ComStmtExecute, execute(lastPrepared))
	p.want("COM_STMT_PREPARE SELECT 1", "COM_STMT_PREPARE SELECT 2", "COM_STMT_EXECUTE "+execute(9),
		"COM_STMT_EXECUTE "+execute(8), "COM_STMT_FETCH "+id(8)+id(10), "COM_STMT_RESET "+id(8),
		"COM_STMT_SEND_LONG_DATA "+id(9)+"\x00\x00long", "COM_STMT_CLOSE "+id(9), "COM_STMT_CLOSE "+id(8))
	p.figures(map[string]int{"skipped_statements_total": 0, "unfaithful_sessions_total": 0})

	failed := pipelinetest.Err(1064, "42000", "no")
	p.send(protocol.ComStmtPrepare, "ONLY main", pipelinetest.Prepared(3, 0), failed)
	p.ok(protocol.ComStmtExecute, execute(3))
	p.ok(protocol.ComStmtClose, id(3))
	p.want("COM_STMT_PREPARE ONLY main")
	p.figures(map[string]int{"skipped_statements_total": 2, "unfaithful_sessions_total": 1})

	p.send(protocol.ComStmtPrepare, "ONLY branch", failed, pipelinetest.Prepared(4, 0))
	p.ok(protocol.ComStmtExecute, execute(lastPrepared))
	p.want("COM_STMT_PREPARE ONLY branch", "COM_STMT_CLOSE "+id(4))
}

// TestUnpreparable: MySQL prepares less than MariaDB does.
func TestUnpreparable(t *testing.T) {
	for _, branchCaps := range []protocol.Capability{caps, caps | protocol.ClientQueryAttributes} {
		p := session(t, caps|protocol.ClientQueryAttributes, branchCaps)
		no := pipelinetest.Err(1295, "HY000", "This command is not supported in the prepared statement protocol yet")
		p.send(protocol.ComStmtPrepare, "BEGIN", pipelinetest.Prepared(1, 0), no)
		p.ok(protocol.ComStmtExecute, id(1)+"\x08\x01\x00\x00\x00\x00")
		p.ok(protocol.ComStmtReset, id(1))
		p.ok(protocol.ComStmtExecute, id(1)+"\x00\x01\x00\x00\x00")
		p.ok(protocol.ComStmtClose, id(1))
		attrs := ""
		if branchCaps != caps {
			attrs = "\x00\x01"
		}
		p.want("COM_STMT_PREPARE BEGIN", "COM_QUERY "+attrs+"BEGIN", "COM_QUERY "+attrs+"BEGIN")
		p.figures(map[string]int{"skipped_statements_total": 0, "unfaithful_sessions_total": 0})
	}
}

// TestCapabilities: the branch's servers get what they can take.
func TestCapabilities(t *testing.T) {
	const attrs = protocol.ClientQueryAttributes
	const bulk = protocol.MariaDBClientStmtBulkOperations
	p := session(t, caps|attrs|bulk, caps)
	p.ok(protocol.ComQuery, "\x00\x01SELECT 1")
	p.ok(protocol.ComQuery, "\x01\x01\x00\x01\x01\x00\x01a\x07SELECT 2")
	p.send(protocol.ComStmtPrepare, "DO ?", pipelinetest.Prepared(1, 1), pipelinetest.Prepared(2, 1))
	p.ok(protocol.ComStmtExecute, id(1)+"\x08\x01\x00\x00\x00"+"\x02\x00\x01"+"\x01\x00\x00"+"\x01\x00\x01a"+"\x05\x07")
	p.want("COM_QUERY SELECT 1", "COM_QUERY SELECT 2", "COM_STMT_PREPARE DO ?",
		"COM_STMT_EXECUTE "+id(2)+"\x00\x01\x00\x00\x00"+"\x00\x01"+"\x01\x00"+"\x05")
	p.figures(map[string]int{"unfaithful_sessions_total": 0})
	p.ok(protocol.ComStmtBulkExecute, id(1)+"\x80\x00"+"\x01\x00"+"\x00\x05")
	p.want()
	p.figures(map[string]int{"skipped_statements_total": 1, "unfaithful_sessions_total": 1})
	if got := p.chain.Session.Capabilities(); got != caps|attrs|bulk {
		t.Errorf("the main session has %v", got)
	}

	p = session(t, caps, caps|attrs|bulk)
	p.ok(protocol.ComQuery, "SELECT 1")
	p.want("COM_QUERY SELECT 1")
	p = session(t, caps|attrs|bulk, caps|attrs|bulk)
	p.ok(protocol.ComQuery, "\x00\x01SELECT 1")
	p.want("COM_QUERY \x00\x01SELECT 1")
}

// TestNotForTheBranch: a server is not to be killed, or told to kill, because of what is copied.
func TestNotForTheBranch(t *testing.T) {
	p := session(t, caps, caps)
	for _, text := range []string{
		"KILL 5", " kill query 5", "/* x */ KILL CONNECTION 2147483655", "SHUTDOWN", "DO 1; KILL 5",
		"PREPARE s FROM 'KILL 5'", "EXECUTE IMMEDIATE 'kill 5'", "DO 1; RESTART", "DO 1;RESTART",
		// What only the branch's server may understand.
		"SET STATEMENT max_statement_time = 1 FOR KILL 5", "BEGIN NOT ATOMIC SHUTDOWN; END",
	} {
		p.ok(protocol.ComQuery, text)
	}
	p.ok(protocol.ComProcessKill, id(5))
	p.ok(protocol.ComShutdown, "")
	p.ok(protocol.ComBinlogDump, "")
	p.send(protocol.ComStmtPrepare, "KILL ?", pipelinetest.Prepared(1, 1), pipelinetest.Prepared(1, 1))
	p.ok(protocol.ComStmtExecute, id(1)+"\x00\x01\x00\x00\x00\x00\x01\x03\x00\x05\x00\x00\x00")
	p.want()
	p.figures(map[string]int{"skipped_statements_total": 15, "unfaithful_sessions_total": 0})
	p.ok(protocol.ComQuery, "SELECT 'kill', skill FROM t")
	p.ok(protocol.ComQuery, "PREPARE s FROM 'SELECT skill, restarted FROM t'")
	p.ok(protocol.ComQuery, "SET @kill = 1")
	p.want("COM_QUERY SELECT 'kill', skill FROM t", "COM_QUERY PREPARE s FROM 'SELECT skill, restarted FROM t'",
		"COM_QUERY SET @kill = 1")
}

// TestMomentaryErrors: what failed in the main session alone by chance is not tried in the branch.
func TestMomentaryErrors(t *testing.T) {
	p := session(t, caps, caps)
	p.send(protocol.ComQuery, "UPDATE t SET n = 1", pipelinetest.Err(1205, "HY000", "Lock wait timeout"), nil)
	p.want()
	p.send(protocol.ComQuery, "UPDATE t SET n = 1", pipelinetest.Err(1213, "40001", "Deadlock"), pipelinetest.OK(0, 0))
	p.want("COM_QUERY ROLLBACK")
	p.send(protocol.ComQuery, "INSERT INTO t VALUES (1)", pipelinetest.Err(1062, "23000", "Duplicate"), pipelinetest.OK(1, 0))
	p.want("COM_QUERY INSERT INTO t VALUES (1)")
	p.figures(map[string]int{"skipped_statements_total": 2, "unfaithful_sessions_total": 0})
	p.send(protocol.ComQuery, "SELECT n FROM t FOR UPDATE", pipelinetest.Rows(1), pipelinetest.Err(1213, "40001", "Deadlock"))
	p.figures(map[string]int{"unfaithful_sessions_total": 1})

	p = session(t, caps|protocol.ClientQueryAttributes, caps)
	p.send(protocol.ComQuery, "\x00\x01UPDATE t SET n = 1", pipelinetest.Err(1213, "40001", "Deadlock"), pipelinetest.OK(0, 0))
	p.want("COM_QUERY ROLLBACK")
}

func TestLongCommands(t *testing.T) {
	for _, n := range []int{100, 16<<10 - 5, 16 << 10, 200_000} {
		p := session(t, caps, caps)
		text := strings.Repeat("0123456789", n/10)
		for _, part := range []int{5, 1000, 16 << 10} {
			if part >= n {
				continue
			}
			var w pipelinetest.Recorder
			if err := p.chain.Serve(t.Context(), &w, pipelinetest.Long(protocol.ComQuery, []byte(text), part)); err != nil {
				t.Fatal(err)
			}
			p.want("COM_QUERY " + text)
		}
		p.ok(protocol.ComQuery, text) // in one piece, as a filter may make it
		p.want("COM_QUERY " + text)
		p.figures(map[string]int{"queue_bytes": 0, "dropped_statements_total": 0})
	}
}

// TestTooLong: what has no room is lost, and all memory comes back.
func TestTooLong(t *testing.T) {
	p := session(t, caps, caps, func(c *Config) { c.QueueBytes, c.TotalBytes = minQueue, minQueue })
	text := []byte(strings.Repeat("x", minQueue+1))
	var w pipelinetest.Recorder
	if err := p.chain.Serve(t.Context(), &w, pipelinetest.Long(protocol.ComQuery, text, 16<<10)); err != nil {
		t.Fatal(err)
	}
	if len(p.main.Got) != 1 || len(p.main.Got[0].Bytes) != len(text)+5 {
		t.Error("it did not reach the main server whole")
	}
	p.want()
	p.figures(map[string]int{"queue_bytes": 0, "dropped_statements_total": 1, "unfaithful_sessions_total": 1})
	p.ok(protocol.ComQuery, string(text))
	p.want()
	p.figures(map[string]int{"queue_bytes": 0, "dropped_statements_total": 2})
	p.ok(protocol.ComQuery, "SELECT 1")
	p.want("COM_QUERY SELECT 1")
	p.chain.Close()
	p.Stop()
	if log := p.Log.String(); !strings.Contains(log, "faithful=false") || !strings.Contains(log, "its queue was full") {
		t.Errorf("the report is:\n%s", log)
	}
}

// TestWhich: of sessions and statements, those are copied that are asked for, and what keeps a session's state.
func TestWhich(t *testing.T) {
	p := session(t, caps, caps, func(c *Config) { c.Match, c.Exclude = "orders", "secret" })
	for _, text := range []string{"SELECT * FROM orders", "SELECT * FROM secret_orders", "SELECT * FROM other"} {
		p.ok(protocol.ComQuery, text)
	}
	p.ok(protocol.ComInitDB, "shop")
	p.send(protocol.ComStmtPrepare, "SELECT * FROM other", pipelinetest.Prepared(1, 0), pipelinetest.Prepared(9, 0))
	p.ok(protocol.ComStmtExecute, id(1)+"\x00\x01\x00\x00\x00")
	p.want("COM_QUERY SELECT * FROM orders", "COM_INIT_DB shop")
	p.figures(map[string]int{"skipped_statements_total": 0, "dropped_statements_total": 0, "unfaithful_sessions_total": 0})

	p = session(t, caps, caps, func(c *Config) { c.Users = []string{"somebody"} })
	p.ok(protocol.ComQuery, "SELECT 1")
	p.want()
	p.figures(map[string]int{"branch_sessions": 0})

	sampled := 0
	p = session(t, caps, caps, func(c *Config) { c.Sample = 0.25 })
	for i := range uint32(1000) {
		if p.Filter.(*Filter).sampled(1<<31 + i) {
			sampled++
		}
	}
	if sampled < 248 || sampled > 252 {
		t.Errorf("of 1000 sessions, %d are sampled, want 250", sampled)
	}
	for _, share := range []float64{0, 1} {
		f := &Filter{config: Config{Sample: share}}
		for i := range uint32(1000) {
			if f.sampled(i<<22) != (share == 1) {
				t.Fatalf("with sample %v, session %d is %v", share, i<<22, !(share == 1))
			}
		}
	}
}

// TestBranchFails: the main session does not notice.
func TestBranchFails(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("on purpose") },
		"panic": func() error { panic("on purpose") },
	} {
		t.Run(name, func(t *testing.T) {
			h := pipeline.HandlerFunc(func(context.Context, pipeline.ReplyWriter, *pipeline.Command) error { return fail() })
			f := pipelinetest.Start(t, Kind, settings(shadow(h, caps)))
			chain := f.Open(t, pipelinetest.Session(1<<31+1), pipelinetest.Always(pipelinetest.OK(1, 0)))
			for range 3 {
				if _, err := chain.Send(t.Context(), protocol.ComQuery, []byte("DO 1")); err != nil {
					t.Fatal(err)
				}
			}
			p := &pair{Process: f, t: t}
			p.figures(map[string]int{
				"dropped_statements_total": 3, "branch_losses_total": 1, "branch_sessions": 0, "unfaithful_sessions_total": 1,
			})
			chain.Close()
			f.Stop()
			log := f.Log.String()
			for _, want := range []string{"branch lost: the session goes on without it", "faithful=false", "dropped=3"} {
				if !strings.Contains(log, want) {
					t.Errorf("%q is not in the log:\n%s", want, log)
				}
			}
		})
	}
	for name, fail := range map[string]func() error{
		"no branch": func() error { return errors.New("on purpose") }, "panic in Open": func() error { panic("on purpose") },
	} {
		t.Run(name, func(t *testing.T) {
			open := func(*pipeline.Session) (pipeline.Handler, error) { return nil, fail() }
			f := pipelinetest.Start(t, Kind, settings(pipeline.NewPipeline("shadow", nil, target{open, caps})))
			chain := f.Open(t, pipelinetest.Session(1<<31+1), pipelinetest.Always(pipelinetest.OK(1, 0)))
			if _, err := chain.Send(t.Context(), protocol.ComQuery, []byte("DO 1")); err != nil {
				t.Fatal(err)
			}
			p := &pair{Process: f, t: t}
			p.figures(map[string]int{"dropped_statements_total": 1, "branch_failures_total": 1, "branch_sessions": 0})
		})
	}
}
