package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// A gate is a log that takes nothing until it is opened.
type gate struct {
	open    chan struct{}
	reached chan struct{} // told of each write
	once    sync.Once
	bytes.Buffer
}

func newGate() *gate { return &gate{open: make(chan struct{}), reached: make(chan struct{})} }

func (g *gate) Write(p []byte) (int, error) {
	g.once.Do(func() { close(g.reached) })
	<-g.open
	return g.Buffer.Write(p)
}

func TestLogQueueWritesAll(t *testing.T) {
	var out bytes.Buffer
	c := pipeline.LogConfig{Format: "text", Level: "warn"}
	q := newLogQueue(&out, c)
	log := slog.New(newLogHandler(q, c))
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for j := range 100 {
				log.Warn("line", "writer", i, "number", j)
				log.Info("not asked for")
			}
		})
	}
	writers.Wait()
	q.close()
	if got := strings.Count(out.String(), "level=WARN msg=line"); got != 800 || strings.Count(out.String(), "\n") != 800 {
		t.Errorf("%d of 800 lines:\n%s", got, &out)
	}
	log.Warn("too late") // is not to hurt
	q.close()
	if strings.Contains(out.String(), "too late") {
		t.Error("written after the end")
	}
}

// TestLogQueueDrops checks that a log nobody reads costs neither time nor memory, and that what is missing is told.
func TestLogQueueDrops(t *testing.T) {
	out := newGate()
	q := newLogQueue(out, pipeline.LogConfig{Format: "json", Level: "info"})
	line := bytes.Repeat([]byte("x"), 1<<10)
	line[len(line)-1] = '\n'
	_, _ = q.Write(line)
	<-out.reached // the goroutine is stuck with this one
	const fits = maxQueued / (1 << 10)
	for range fits + 42 {
		if n, err := q.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(q.lines) > maxQueued || cap(q.lines) > 2*maxQueued {
		t.Errorf("%d bytes are queued in %d", len(q.lines), cap(q.lines))
	}
	close(out.open)
	q.close()
	if got := strings.Count(out.String(), "xxx\n"); got != 1+fits {
		t.Errorf("%d lines, not %d", got, 1+fits)
	}
	if want := fmt.Sprintf(`"dropped":%d`, 42); !strings.Contains(out.String(), want) {
		t.Errorf("the log does not say %s: %q", want, out.String()[out.Len()-200:])
	}
}

// TestLogQueueStuck checks that the end does not wait for ever for a log that is not read.
func TestLogQueueStuck(t *testing.T) {
	out := newGate()
	q := newLogQueue(out, pipeline.LogConfig{})
	_, _ = q.Write([]byte("line\n"))
	started := time.Now()
	q.close()
	if took := time.Since(started); took < flushTimeout {
		t.Errorf("gave up after %v", took)
	}
	close(out.open)
	<-q.done
}
