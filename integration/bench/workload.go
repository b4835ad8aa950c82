package main

import (
	"context"
	"time"
)

// A workload is one kind of traffic.
type workload struct {
	name    string
	clients func(threads []int) []int
	run     func(ctx context.Context, addr string, clients int, w window) (counts, error)
}

// A window is the measured part of a run. begin and end are called at its edges, while the traffic goes on.
type window struct {
	warm, length time.Duration
	begin, end   func()
}

// counts is what the clients saw within the window.
type counts struct {
	Statements int64   `json:"statements"`
	Seconds    float64 `json:"seconds"`
	P99        float64 `json:"p99_ms"`
}

// idle is the workload that is no traffic: see memory.go.
const idle = "idle"

var workloads = []workload{
	{"point-prepared", all, sysbench("oltp_point_select", "--db-ps-mode=auto")},
	{"point-text", all, sysbench("oltp_point_select", "--db-ps-mode=disable")},
	{"read-write", all, sysbench("oltp_read_write")},
	{"read-write-text", all, sysbench("oltp_read_write", "--db-ps-mode=disable")},
	{"range-1000", fewest, sysbench("oltp_read_only", "--skip_trx=on", "--point_selects=0", "--simple_ranges=1",
		"--sum_ranges=0", "--order_ranges=0", "--distinct_ranges=0", "--range_size=1000")},
	{"connect", fewest, connect},
}

func all(threads []int) []int    { return threads }
func fewest(threads []int) []int { return threads[:1] }

func workloadNames() []string {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	return append(names, idle)
}
