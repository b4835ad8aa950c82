package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// A report is what the JSON file holds.
type report struct {
	Processors int       `json:"processors"`
	Rounds     int       `json:"rounds"`
	Seconds    float64   `json:"seconds"`
	Series     []*series `json:"series"`
	Idle       []memory  `json:"idle"`
}

// A series is one peer's runs of one workload, and their medians.
type series struct {
	Workload string `json:"workload"`
	Clients  int    `json:"clients"`
	Peer     string `json:"peer"`
	run             // medians
	// CPURatio, SpeedRatio and P99Ratio compare with HAProxy in the same round: medians of the rounds' ratios.
	CPURatio   float64 `json:"cpu_ratio,omitempty"`
	SpeedRatio float64 `json:"speed_ratio,omitempty"`
	P99Ratio   float64 `json:"p99_ratio,omitempty"`
	// MoreCPU is how much more processor time than plain Weir's a statement took in the same round: the median, in
	// microseconds.
	MoreCPU  float64 `json:"more_cpu_us,omitempty"`
	Syscalls float64 `json:"syscalls,omitempty"`
	Runs     []run   `json:"runs"`
	Error    string  `json:"error,omitempty"`

	peer *peer
}

// A run is one measured window. Times are microseconds of the proxy's processor time per statement.
type run struct {
	counts
	PerSecond float64 `json:"per_second"`
	User      float64 `json:"user_us"`
	System    float64 `json:"system_us"`
}

func (r run) cpu() float64 { return r.User + r.System }

func (r *report) series(w workload, clients int, peers []*peer) []*series {
	var s []*series
	for _, p := range peers {
		s = append(s, &series{Workload: w.name, Clients: clients, Peer: p.name, peer: p})
	}
	r.Series = append(r.Series, s...)
	return s
}

// summarize fills in the medians of one workload's series.
func (r *report) summarize(all []*series) {
	var base, plain []run
	for _, s := range all {
		switch s.Peer {
		case haproxy:
			base = s.Runs
		case weir:
			plain = s.Runs
		}
	}
	for _, s := range all {
		s.Seconds = median(s.Runs, func(r run) float64 { return r.Seconds })
		s.Statements = int64(median(s.Runs, func(r run) float64 { return float64(r.Statements) }))
		s.PerSecond = median(s.Runs, func(r run) float64 { return r.PerSecond })
		s.P99 = median(s.Runs, func(r run) float64 { return r.P99 })
		s.User = median(s.Runs, func(r run) float64 { return r.User })
		s.System = median(s.Runs, func(r run) float64 { return r.System })
		var cpu, speed, p99, more []float64
		// A peer that failed has no more runs after it, so the n-th run is always the n-th round's.
		for i := range min(len(base), len(s.Runs)) {
			cpu = append(cpu, s.Runs[i].cpu()/base[i].cpu())
			speed = append(speed, s.Runs[i].PerSecond/base[i].PerSecond)
			p99 = append(p99, s.Runs[i].P99/base[i].P99)
		}
		for i := range min(len(plain), len(s.Runs)) {
			more = append(more, s.Runs[i].cpu()-plain[i].cpu())
		}
		same := func(f float64) float64 { return f }
		s.CPURatio, s.SpeedRatio, s.P99Ratio = median(cpu, same), median(speed, same), median(p99, same)
		if _, isVariant := variants[s.Peer]; isVariant && s.Peer != weir {
			s.MoreCPU = median(more, same)
		}
	}
}

// median returns the median of a figure, 0 where there is none.
func median[T any](of []T, figure func(T) float64) float64 {
	var figures []float64
	for _, one := range of {
		figures = append(figures, figure(one))
	}
	if len(figures) == 0 {
		return 0
	}
	slices.Sort(figures)
	half := len(figures) / 2
	if len(figures)%2 == 1 {
		return figures[half]
	}
	return (figures[half-1] + figures[half]) / 2
}

// write prints the table and writes the JSON file.
func (r *report) write(path string) error {
	r.Processors = runtime.NumCPU()
	if err := r.print(os.Stdout); err != nil || path == "" {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

func (r *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(r.Series) > 0 {
		fmt.Fprintln(t, "workload\tclients\tpeer\tper second\tp99 ms\tuser µs\tsystem µs\tCPU µs\tCPU/HAProxy\tspeed/HAProxy\tp99/HAProxy\tover weir µs\tsystem calls\t")
	}
	for _, s := range r.Series {
		fmt.Fprintf(t, "%s\t%d\t%s\t", s.Workload, s.Clients, s.Peer)
		if len(s.Runs) == 0 {
			why := "not run"
			if s.Error != "" {
				why = "failed"
			}
			fmt.Fprintln(t, why+strings.Repeat("\t", 10))
			continue
		}
		fmt.Fprintf(t, "%.0f\t%.2f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", s.PerSecond, s.P99, figure(s.User), figure(s.System),
			figure(s.cpu()), figure(s.CPURatio), figure(s.SpeedRatio), figure(s.P99Ratio),
			figure(s.MoreCPU), figure(s.Syscalls))
	}
	if err := t.Flush(); err != nil || len(r.Idle) == 0 {
		return err
	}
	fmt.Fprintln(w)
	fmt.Fprintln(t, "idle sessions\tpeer\tKiB before\tKiB with\tKiB later\tbytes per session\t")
	for _, m := range r.Idle {
		if m.Error != "" {
			fmt.Fprintf(t, "%d\t%s\tfailed\t\t\t\t\n", m.Sessions, m.Peer)
			continue
		}
		fmt.Fprintf(t, "%d\t%s\t%d\t%d\t%d\t%d\t\n", m.Sessions, m.Peer, m.Before>>10, m.With>>10, m.Settled>>10,
			m.PerSession)
	}
	return t.Flush()
}

// figure prints a figure, or that there is none.
func figure(f float64) string {
	if f == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", f)
}

// failure joins what failed.
func (r *report) failure() error {
	var errs []error
	for _, s := range r.Series {
		if s.Error != "" {
			errs = append(errs, fmt.Errorf("%s, %d clients, %s: %s", s.Workload, s.Clients, s.Peer, s.Error))
		}
	}
	for _, m := range r.Idle {
		if m.Error != "" {
			errs = append(errs, fmt.Errorf("%s, %s: %s", idle, m.Peer, m.Error))
		}
	}
	return errors.Join(errs...)
}
