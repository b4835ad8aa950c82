package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/control"
	"github.com/weirproxy/weir/hcl"
	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

const explainUsage = `usage: weir explain [FLAGS] FILE STATEMENT

	--pipeline NAME     only this pipeline, of those that listeners lead to
	--user NAME         the session's user; the first one of the listener's accounts
	--client ADDRESS    where the client comes from; this machine
	--schema NAME       the session's schema; none
	--in-transaction    a transaction is open
	--read-only         the transaction that is open is READ ONLY
	--no-autocommit     autocommit is off
	--dialect NAME      what the servers are: mariadb or mysql; mariadb
	--json              print JSON
`

// A question is what weir explain is asked.
type question struct {
	file, statement                string
	pipeline, user, client, schema string
	inTransaction, readOnly, off   bool
	dialect                        string
	json                           bool
}

// explain prints what each step of a file's pipelines would do with a statement. Nothing is opened, started or sent.
func explain(args []string, stdout, stderr io.Writer) int {
	q, err := questionOf(args)
	if err != nil {
		return misused("explain", explainUsage, err, stdout, stderr)
	}
	process, diags := hcl.Load(q.file, kinds, silent)
	if process == nil {
		_ = diags.Print(stderr) // there is nowhere else to say it
		return 1
	}
	e, err := q.answer(process)
	if err == nil && q.json {
		out := json.NewEncoder(stdout)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		err = out.Encode(e)
	} else if err == nil {
		_, err = io.WriteString(stdout, e.text())
	}
	if err != nil {
		fmt.Fprintf(stderr, "weir: %v\n", err)
		return 1
	}
	return 0
}

func questionOf(args []string) (q question, err error) {
	flags := newFlags("explain")
	flags.StringVar(&q.pipeline, "pipeline", "", "")
	flags.StringVar(&q.user, "user", "", "")
	flags.StringVar(&q.client, "client", "", "")
	flags.StringVar(&q.schema, "schema", "", "")
	flags.BoolVar(&q.inTransaction, "in-transaction", false, "")
	flags.BoolVar(&q.readOnly, "read-only", false, "")
	flags.BoolVar(&q.off, "no-autocommit", false, "")
	flags.StringVar(&q.dialect, "dialect", "mariadb", "")
	flags.BoolVar(&q.json, "json", false, "")
	words, err := parse(flags, args)
	switch {
	case err != nil:
		return q, err
	case len(words) != 2:
		return q, errors.New("it takes a file and a statement, in quotes")
	case q.dialect != "mariadb" && q.dialect != "mysql":
		return q, fmt.Errorf("unknown dialect %q%s", q.dialect, control.Suggestion(q.dialect, []string{"mariadb", "mysql"}))
	}
	q.file, q.statement = words[0], words[1]
	return q, nil
}

// An explanation is the answer.
type explanation struct {
	Statement string      `json:"statement"`
	Pipelines []explained `json:"pipelines"`
}

// explained is what one pipeline would do.
type explained struct {
	Pipeline  string          `json:"pipeline"`
	Listeners []string        `json:"listeners"`
	User      string          `json:"user"`
	Client    string          `json:"client"`
	Steps     []pipeline.Step `json:"steps"`
}

// answer asks each pipeline that a listener leads to, or the one wanted.
func (q *question) answer(process *pipeline.Process) (e explanation, err error) {
	e.Statement = q.statement
	var names []string
	at := make(map[*pipeline.Pipeline]int)
	for _, l := range process.Listeners {
		p := l.Config.Pipeline
		names = append(names, p.Name)
		if q.pipeline != "" && q.pipeline != p.Name {
			continue
		}
		if i, ok := at[p]; ok {
			e.Pipelines[i].Listeners = append(e.Pipelines[i].Listeners, l.Config.Name)
			continue
		}
		at[p] = len(e.Pipelines)
		e.Pipelines = append(e.Pipelines, q.ask(l))
	}
	if len(e.Pipelines) == 0 {
		slices.Sort(names)
		return e, fmt.Errorf("no listener leads to a pipeline %q%s", q.pipeline, control.Suggestion(q.pipeline, slices.Compact(names)))
	}
	return e, nil
}

// ask asks the pipeline of a listener.
func (q *question) ask(l *pipeline.Listener) explained {
	x := explained{Pipeline: l.Config.Pipeline.Name, Listeners: []string{l.Config.Name}, User: q.user, Client: q.client}
	if users := l.Config.Accounts.Users(); x.User == "" && len(users) > 0 {
		x.User = users[0]
	}
	addr := "localhost"
	if x.Client == "" && l.Config.Address != "" {
		x.Client = "127.0.0.1"
	}
	if x.Client == "" {
		x.Client = addr
	} else if net.ParseIP(x.Client) != nil {
		addr = net.JoinHostPort(x.Client, "0")
	}
	const caps = protocol.ClientProtocol41 | protocol.ClientMultiStatements
	s := pipeline.Detached(pipeline.SessionInfo{
		User: x.User, ClientAddr: addr, Schema: q.schema, Capabilities: caps, Dialect: q.mode(), Status: q.status(),
	})
	defer s.Close()
	x.Steps = l.Config.Pipeline.Explain(s, pipeline.NewCommand(protocol.ComQuery, []byte(q.statement), caps))
	return x
}

func (q *question) mode() sqlscan.Mode {
	if q.dialect == "mariadb" {
		return sqlscan.MariaDB
	}
	return 0
}

// status are the flags that a server's last answer would have had. One of them says nothing of transactions, and is there
// because no flags at all are what a session has whose servers have not answered yet.
func (q *question) status() uint16 {
	flags := protocol.StatusNoIndexUsed
	if !q.off {
		flags |= protocol.StatusAutocommit
	}
	if q.inTransaction || q.readOnly {
		flags |= protocol.StatusInTrans
	}
	if q.readOnly {
		flags |= protocol.StatusInTransReadonly
	}
	return flags
}

// text is the explanation for people.
func (e *explanation) text() string {
	var b strings.Builder
	for _, x := range e.Pipelines {
		fmt.Fprintf(&b, "pipeline %s (listener %s), for user %s from %s\n", x.Pipeline, strings.Join(x.Listeners, ", "), x.User, x.Client)
		writeSteps(&b, x.Steps, "  ")
	}
	return b.String()
}

// writeSteps writes steps, and what becomes of copies below the step that makes them.
func writeSteps(b *strings.Builder, steps []pipeline.Step, indent string) {
	more := indent + "    "
	line := func(indent, text string) {
		b.WriteString(indent + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+more) + "\n")
	}
	for _, step := range steps {
		line(indent, step.Step+": "+step.Does)
		if step.Why != "" {
			line(more, step.Why)
		}
		if step.Statement != "" {
			line(more, "it is now: "+step.Statement)
		}
		writeSteps(b, step.Copy, more)
	}
}
