package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A report as sysbench 1.0.20 prints it, of two seconds.
const sysbenchReport = `[ 3s ] Checkpoint report:
SQL statistics:
    queries performed:
        read:                            115071
        write:                           0
        other:                           0
        total:                           115071
    transactions:                        115071 (57543.86 per sec.)
    queries:                             120000 (60000.00 per sec.)
    ignored errors:                      3      (0.00 per sec.)
    reconnects:                          0      (0.00 per sec.)

Latency (ms):
         min:                                    0.01
         99th percentile:                        0.21
         sum:                                 8001.48
`

func TestParseReport(t *testing.T) {
	var c counts
	for line := range strings.Lines(sysbenchReport) {
		if err := c.parse(line); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(counts{Statements: 120000, Seconds: 2, P99: 0.21}, c); diff != "" {
		t.Error(diff)
	}
	if c.parse("    reconnects:                          1      (0.50 per sec.)") == nil {
		t.Error("a reconnect, which is a connection the proxy has lost, is no error")
	}
}

func TestSummarize(t *testing.T) {
	runs := func(cpu ...float64) (runs []run) {
		for _, us := range cpu {
			runs = append(runs, run{counts: counts{P99: us / 10}, PerSecond: 100, User: us / 4, System: us - us/4})
		}
		return runs
	}
	base := &series{Peer: haproxy, Runs: runs(10, 20, 40)}
	// The ratio is that of the same round, not of the medians.
	other := &series{Peer: weir, Runs: runs(9, 10, 36)}
	failed := &series{Peer: "weir-querylog", Error: "failed"}
	new(report).summarize([]*series{other, base, failed})
	if other.CPURatio != 0.9 || other.P99Ratio != 0.9 || base.CPURatio != 1 || other.cpu() != 10 || failed.CPURatio != 0 {
		t.Errorf("ratios %v %v %v, median %v, of a failed one %v", other.CPURatio, other.P99Ratio, base.CPURatio,
			other.cpu(), failed.CPURatio)
	}
}

func TestParseArguments(t *testing.T) {
	o, err := parse([]string{"-threads=1,2", "-peers=direct,weir", "-peer=other=127.0.0.1:1,42", "-workloads=idle"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.threads, []int{1, 2}) || len(o.external) != 1 || o.external[0].pid != 42 {
		t.Errorf("got %+v", o)
	}
	for _, args := range []string{"-threads=0", "-peers=no", "-peer=x", "-workloads=no", "-time=1s", "-rounds=0", "more"} {
		if _, err := parse([]string{args}); err == nil {
			t.Errorf("%s is accepted", args)
		}
	}
}
