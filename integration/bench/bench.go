package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/server"
)

const warm = time.Second

// bench runs everything and stops all it has started.
func bench(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	database, err := startDatabase(o.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Stop(), database.template.Remove()) }()
	progress("filling a table of %d rows", tableSize)
	if err := prepareTable(ctx, database.Addr); err != nil {
		return err
	}

	r := &report{Rounds: o.rounds, Seconds: o.time.Seconds()}
	collector := startCollector()
	defer collector.Close()
	peers := o.external
	for _, name := range o.peers {
		peers = append(peers, newPeer(name, database.Addr, collector.URL, dir, o.weir))
	}
	defer func() {
		for _, p := range peers {
			p.stop()
		}
	}()
	r.measure(ctx, o, peers)
	if err := r.write(o.json); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return errors.New("interrupted")
	}
	return r.failure()
}

// A database is a running server and what it was started from.
type database struct {
	*server.Server
	template *server.Template
}

// startDatabase starts the private MariaDB, at a free address where addr is empty.
func startDatabase(addr string) (*database, error) {
	template, err := server.MariaDB()
	if err != nil {
		return nil, err
	}
	if addr == "" {
		if addr, err = process.FreeAddress(); err != nil {
			return nil, errors.Join(err, template.Remove())
		}
	}
	s, err := template.StartAt(addr, "--skip-log-bin", "--performance-schema=OFF", "--max-connections=7000",
		"--back-log=1000", "--open-files-limit=16000", "--table-open-cache=2000", "--innodb-buffer-pool-size=512M",
		"--skip-name-resolve")
	if err != nil {
		return nil, errors.Join(err, template.Remove())
	}
	return &database{s, template}, nil
}

// measure runs the chosen workloads. What fails is noted, and the rest goes on.
func (r *report) measure(ctx context.Context, o options, peers []*peer) {
	canCountSyscalls() // says so at the start where it cannot
	for _, w := range workloads {
		if !slices.Contains(o.workloads, w.name) {
			continue
		}
		for _, clients := range w.clients(o.threads) {
			s := r.series(w, clients, peers)
			for round := range o.rounds {
				progress("%s, %d clients, round %d of %d", w.name, clients, round+1, o.rounds)
				for i := range s {
					// Another one goes first each round, so that no peer always follows the same one.
					s[(i+round)%len(s)].round(ctx, w, o.time)
				}
			}
			for _, one := range s {
				one.syscalls(ctx, w, o.time)
			}
			r.summarize(s)
		}
	}
	if !slices.Contains(o.workloads, idle) {
		return
	}
	for _, p := range peers {
		if p.name == direct || ctx.Err() != nil {
			continue
		}
		progress("%s, %d sessions, %s", idle, o.sessions, p.name)
		m, err := measureMemory(ctx, p, o.sessions)
		if err != nil {
			m.Error = p.explain(err).Error()
			progress("%s: %s", p.name, m.Error)
		}
		p.stop()
		r.Idle = append(r.Idle, m)
	}
}

// round measures one run. A peer that failed takes no further part in this workload.
func (s *series) round(ctx context.Context, w workload, length time.Duration) {
	if s.Error != "" || ctx.Err() != nil {
		return
	}
	run, err := measure(ctx, s.peer, w, s.Clients, length)
	if err != nil {
		if ctx.Err() == nil {
			s.fail(err)
		}
		return
	}
	s.Runs = append(s.Runs, run)
}

func measure(ctx context.Context, p *peer, w workload, clients int, length time.Duration) (run, error) {
	if err := p.ready(); err != nil {
		return run{}, err
	}
	var before, after process.CPU
	var errs [2]error
	read := func(cpu *process.CPU, err *error) func() {
		return func() {
			if p.pid != 0 {
				*cpu, *err = process.ReadCPU(p.pid)
			}
		}
	}
	c, err := w.run(ctx, p.addr, clients, window{warm, length, read(&before, &errs[0]), read(&after, &errs[1])})
	if err := errors.Join(err, errs[0], errs[1]); err != nil {
		return run{}, err
	}
	used, n := after.Sub(before), float64(c.Statements)
	return run{
		counts: c, PerSecond: n / c.Seconds, User: micros(used.User) / n, System: micros(used.System) / n,
	}, nil
}

func (s *series) syscalls(ctx context.Context, w workload, length time.Duration) {
	if s.Error != "" || s.peer.pid == 0 || ctx.Err() != nil || !canCountSyscalls() {
		return
	}
	n, err := syscallsPerStatement(ctx, s.peer, w, s.Clients, length)
	if err != nil && ctx.Err() == nil {
		s.fail(fmt.Errorf("system calls: %w", err))
	}
	s.Syscalls = n
}

func (s *series) fail(err error) {
	s.Error = s.peer.explain(err).Error()
	progress("%s: %s", s.Peer, s.Error)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
