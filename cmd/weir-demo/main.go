// Command weir-demo is a first look at Weir that needs no database: it serves three small MySQL servers from
// memory, starts Weir in front of them, runs a few statements through it and shows what became of each.
// `make demo` builds and runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	program := flag.String("weir", "bin/weir", "the weir to start")
	config := flag.String("config", "examples/demo.hcl", "the configuration to start it with")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait

	if err := run(ctx, *program, *config); err != nil {
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		os.Exit(1)
	}
}

// run shows the demo, and returns when it is done or ctx is, with all that it started stopped.
func run(ctx context.Context, program, config string) (err error) {
	s, err := readSettings()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s.queryLog = filepath.Join(dir, "query.jsonl")

	say("Starting the servers: a primary and two replicas that refuse writes, in memory, on ports %d, %d and %d.",
		s.roles[0].port, s.roles[1].port, s.roles[2].port)
	servers, err := startServers(s.roles)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.close()) }()

	say("Starting %s run %s, which listens on %s.", program, config, s.address())
	w, err := startWeir(ctx, program, config, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.stop()) }()

	log, err := openQueryLog(s.queryLog)
	if err != nil {
		return err
	}
	defer log.close()
	if err := showStatements(ctx, s, log); err != nil {
		return w.explain(err)
	}
	if s.once {
		say("All of them did what they should.")
		return nil
	}
	return stay(ctx, s, log)
}

// stay waits for Ctrl-C, and shows what querylog writes of the statements that come in meanwhile.
func stay(ctx context.Context, s settings, log *queryLog) error {
	say("Now you. Weir listens until you press Ctrl-C; connect with either of\n")
	say("    mariadb -h 127.0.0.1 -P %d -u %s -p%s shop", s.port, user, password)
	say("    mysql -h 127.0.0.1 -P %d -u %s -p%s shop\n", s.port, user, password)
	say("A connection stays on the server it was given: SELECT @@hostname tells which. Writes need the primary.")
	say("What querylog writes of your statements appears here.\n")
	for {
		e, err := log.next(ctx)
		switch {
		case ctx.Err() != nil:
			say("\nStopping.")
			return nil
		case err != nil:
			return err
		}
		if e.Command != "COM_QUIT" { // the demo's own sessions say it too, about now
			say("%s", e.line)
		}
	}
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }
