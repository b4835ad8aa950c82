package querylog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A disk is a file that can be slow, fail, or take only a part.
type disk struct {
	mu     sync.Mutex
	got    bytes.Buffer
	writes int
	errs   []error // of the next writes; a nil one succeeds
	gate   chan struct{}
}

func (d *disk) Write(b []byte) (int, error) {
	if d.gate != nil {
		<-d.gate
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	if len(d.errs) > 0 {
		err := d.errs[0]
		d.errs = d.errs[1:]
		if err != nil {
			n, _ := d.got.Write(b[:len(b)/2])
			return n, err
		}
	}
	return d.got.Write(b)
}

func (d *disk) Close() error               { return nil }
func (d *disk) Stat() (os.FileInfo, error) { return nil, errors.New("not a file") }
func (d *disk) Truncate(int64) error       { return errors.New("not a file") }

func (d *disk) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.got.String()
}

// testQueue is a queue of 4096 bytes that writes to d.
func testQueue(d *disk, drop bool) (*queue, *bytes.Buffer) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	out := &output{path: "-", log: logger}
	out.only = &sink{output: out, file: d, pipe: true}
	q := newQueue(4096, out, drop, logger)
	go q.run()
	return q, &log
}

// put queues a line as a link does, without a session.
func (q *queue) put(ctx context.Context, line string) error {
	s := "\x00\x01\x00\x00\x00\x00\x00\x00" + line // as an event
	for !q.ring.put(len(s), s) {
		if q.drop {
			q.gap.add(time.Now(), q.ring.head.Load())
			return nil
		}
		if err := q.wait(ctx); err != nil {
			q.putLate([]byte(s), time.Now())
			return err
		}
	}
	q.committed()
	return nil
}

func TestQueueWritesTogetherWhatComesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		q, _ := testQueue(d, false)
		for pause := range 3 { // also after the writer has gone to sleep
			for range 10 {
				if err := q.put(t.Context(), "line\n"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Duration(1+pause*100) * flushEvery)
			synctest.Wait()
			if want := 50 * (pause + 1); len(d.String()) != want {
				t.Errorf("%d bytes are written, want %d", len(d.String()), want)
			}
		}
		// The writer may wake in the middle of what comes together, but not for each line.
		if d.writes < 3 || d.writes > 6 {
			t.Errorf("%d writes of 30 lines", d.writes)
		}
		q.close()
	})
}

func TestQueueWritesEarlyWhenItFillsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		q, _ := testQueue(d, false)
		begin := time.Now()
		line := strings.Repeat("x", 200) + "\n"
		for range 1000 {
			if err := q.put(t.Context(), line); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("sessions waited %v while the disk was fast", took)
		}
		q.close()
		if d.got.Len() != 1000*len(line) {
			t.Errorf("%d bytes written of %d", d.got.Len(), 1000*len(line))
		}
	})
}

func TestQueueFullMakesSessionsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{gate: make(chan struct{})}
		q, _ := testQueue(d, false)
		line := strings.Repeat("x", 999) + "\n"
		queued := 0
		go func() {
			for range 100 {
				if err := q.put(t.Context(), line); err != nil {
					t.Error(err)
				}
				queued++
			}
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if queued == 0 || queued > 8 || !q.blocked.Load() {
			t.Errorf("%d lines of 1000 bytes taken in by a queue of 4096 and a disk that hangs", queued)
		}
		close(d.gate)
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		if queued != 100 || q.blocked.Load() {
			t.Errorf("%d lines taken in, want 100", queued)
		}
		q.close()
		if got := d.String(); got != strings.Repeat(line, 100) {
			t.Errorf("%d bytes written, want %d", len(got), 100*len(line))
		}
	})
}

// A session may end while it waits; its record is not lost.
func TestQueueWaitEndsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{gate: make(chan struct{})}
		q, log := testQueue(d, false)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan int, 1)
		go func() {
			n := 1
			for q.put(ctx, strings.Repeat("x", 999)+"\n") == nil {
				n++
			}
			ended <- n
		}()
		synctest.Wait()
		cancel()
		n := <-ended
		close(d.gate)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := strings.Count(d.String(), "\n"); got != n {
			t.Errorf("%d records are written of %d", got, n)
		}
		q.close()
		if log.Len() > 0 {
			t.Errorf("log: %s", log)
		}
	})
}

func TestQueueRetriesAndSaysSoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left on device")
		d := &disk{errs: []error{full, full, full}}
		q, log := testQueue(d, false)
		if err := q.put(t.Context(), "12345678\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * retryEvery)
		synctest.Wait()
		if got := d.String(); got != "12345678\n" {
			t.Errorf("written: %q", got)
		}
		q.close()
		for _, want := range []string{"statements wait once the queue is full", "writing again"} {
			if n := strings.Count(log.String(), want); n != 1 {
				t.Errorf("%q is %d times in the log:\n%s", want, n, log)
			}
		}
		if n := q.out.figures.errors.Load(); n != 3 {
			t.Errorf("%d errors counted", n)
		}
	})
}

func TestQueueStopsOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left on device")
		d := &disk{errs: make([]error, 50)}
		for i := range d.errs {
			d.errs[i] = full
		}
		q, log := testQueue(d, false)
		const records = 8
		for range records { // of which some are staged, some in the ring, and some are late
			_ = q.put(canceled(), strings.Repeat("x", 999)+"\n")
		}
		q.close()
		want := fmt.Sprintf("records are missing from it\" dropped=0 unwritten=%d\n", records-strings.Count(d.String(), "\n"))
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in the log:\n%s", want, log)
		}
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// A disk that hangs does not keep the process from ending.
func TestQueueEndsWithoutTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{gate: make(chan struct{})}
		q, log := testQueue(d, false)
		_ = q.put(t.Context(), "12345678\n")
		time.Sleep(time.Second)
		begin := time.Now()
		q.close()
		if took := time.Since(begin); took != closeTimeout || !strings.Contains(log.String(), "takes no writes") {
			t.Errorf("after %v: %s", took, log)
		}
		close(d.gate)
	})
}

// Every record is in the log, or in a gap that is.
func TestQueueFullDropsAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{gate: make(chan struct{})}
		q, log := testQueue(d, true)
		const records = 100
		begin := time.Now()
		for i := range records {
			_ = q.put(t.Context(), fmt.Sprintf("%04d%s\n", i, strings.Repeat("x", 500)))
			time.Sleep(time.Millisecond)
		}
		if q.gap.dropped.Load() == 0 {
			t.Fatal("nothing dropped")
		}
		close(d.gate)
		time.Sleep(time.Second)
		_ = q.put(t.Context(), "last\n")
		q.close()
		written, lost, last := 0, 0, -1
		for line := range strings.Lines(d.String()) {
			var n, i int
			var from, to string
			if _, err := fmt.Sscanf(strings.NewReplacer(`"`, " ", `,`, " ").Replace(line), "{ event : gap   time : %s   lost :%d  from : %s   to : %s }", new(string), &n, &from, &to); err == nil {
				lost += n
				first, _ := time.Parse(time.RFC3339, from)
				end, _ := time.Parse(time.RFC3339, to)
				if first.Before(begin) || end.Before(first) || end.Sub(begin) > records*time.Millisecond {
					t.Errorf("the gap is from %v to %v", from, to)
				}
				continue
			}
			if _, err := fmt.Sscanf(line, "%04d", &i); err == nil {
				if i <= last {
					t.Errorf("%d after %d", i, last)
				}
				last = i
				written++
			} else if line != "last\n" {
				t.Errorf("%q", line)
			}
		}
		if written+lost != records || lost != int(q.gap.dropped.Load()) || !strings.HasSuffix(d.String(), "last\n") {
			t.Errorf("%d records written, %d lost, %d dropped, of %d", written, lost, q.gap.dropped.Load(), records)
		}
		if want := fmt.Sprintf("dropped=%d unwritten=0", lost); !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, log)
		}
	})
}

// A session's end is seen once its last record has been taken, and not while it has not been committed.
func TestQueueEndsSessionsInOrder(t *testing.T) {
	q := newQueue(4096, &output{}, false, slog.New(slog.DiscardHandler))
	line, at, _ := q.ring.reserve(10)
	q.end(7, span{})
	if q.pending() || len(q.takeEnded()) > 0 {
		t.Error("ended before its record")
	}
	q.ring.commit(line, append(line, "x\n"...), at)
	q.ring.take()
	if !q.pending() || len(q.takeEnded()) != 1 || q.pending() {
		t.Error("not ended")
	}
}
