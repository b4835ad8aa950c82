// Bench measures Weir against its peers: sysbench on a private MariaDB, directly, through HAProxy in TCP mode and
// through Weir, in alternating rounds. It prints a table of medians and writes JSON.
//
//	go run ./integration/bench -weir bin/weir
//
// Processor time is the proxy's alone, so what else the machine does changes it little; rates and latencies are
// for one machine that runs clients, proxy and server together, and mean something as ratios only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type options struct {
	rounds    int
	time      time.Duration
	threads   []int
	workloads []string
	peers     []string
	external  []*peer
	sessions  int
	database  string
	weir      string
	json      string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = bench(ctx, o)
	}
	if err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	o := options{threads: []int{16, 256}, workloads: workloadNames(), peers: usual}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 8, "alternating rounds of each workload")
	f.DurationVar(&o.time, "time", 3*time.Second, "measured part of each run, in whole seconds")
	f.IntVar(&o.sessions, "sessions", 5000, "idle sessions of the workload idle")
	f.StringVar(&o.database, "database", "", "address of the private MariaDB, for a -peer to point at (default: a free one)")
	f.StringVar(&o.weir, "weir", "bin/weir", "program to measure")
	f.StringVar(&o.json, "json", "bench.json", "file to write the figures to; empty: none")
	f.Func("threads", "numbers of clients (default 16,256)", func(s string) error {
		o.threads = nil
		for n := range strings.SplitSeq(s, ",") {
			threads, err := strconv.Atoi(n)
			if err != nil || threads < 1 {
				return fmt.Errorf("%q is no number of clients", n)
			}
			o.threads = append(o.threads, threads)
		}
		return nil
	})
	f.Func("workloads", "some of "+strings.Join(o.workloads, ","), choice(&o.workloads, o.workloads))
	f.Func("peers", fmt.Sprintf("some of %s (default %s)", strings.Join(peerNames(), ","), strings.Join(usual, ",")),
		choice(&o.peers, peerNames()))
	f.Func("peer", "a further peer, already running in front of -database, as name=host:port,pid; may be repeated", func(s string) error {
		p, err := parseExternal(s)
		o.external = append(o.external, p)
		return err
	})
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	if o.time < 2*time.Second || o.time%time.Second != 0 {
		return o, fmt.Errorf("-time %v: whole seconds, and at least 2", o.time)
	}
	if o.rounds < 1 || o.sessions < 1 {
		return o, errors.New("-rounds and -sessions must be at least 1")
	}
	return o, nil
}

// choice parses a list whose members are all known.
func choice(list *[]string, known []string) func(string) error {
	return func(s string) error {
		*list = strings.Split(s, ",")
		for _, name := range *list {
			if !slices.Contains(known, name) {
				return fmt.Errorf("%q is none of %s", name, strings.Join(known, ", "))
			}
		}
		return nil
	}
}
