package querylog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
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
	closed bool
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

func (d *disk) Close() error { d.closed = true; return nil }

func (d *disk) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.got.String()
}

func testQueue(d *disk) (*queue, *bytes.Buffer) {
	var log bytes.Buffer
	return newQueue(4096, d, slog.New(slog.NewTextHandler(&log, nil))), &log
}

// put queues a line as a link does, without a session.
func (q *queue) put(ctx context.Context, s string) error {
	for {
		taken := q.ring.tail.Load()
		if q.ring.put(len(s), s) {
			q.committed()
			return nil
		}
		if err := q.waitRoom(ctx, taken); err != nil {
			return err
		}
	}
}

func TestQueueWritesTogetherWhatComesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		q, _ := testQueue(d)
		for range 3 {
			for range 10 {
				if err := q.put(t.Context(), "line\n"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(flushEvery)
			synctest.Wait()
		}
		if got := d.String(); got != strings.Repeat("line\n", 30) || d.writes != 3 {
			t.Errorf("%d writes of %q", d.writes, got)
		}
		q.close()
		if !d.closed {
			t.Error("the file is open")
		}
	})
}

func TestQueueWritesEarlyWhenItFillsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		q, _ := testQueue(d)
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
		q, _ := testQueue(d)
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
		if queued == 0 || queued > 8 {
			t.Errorf("%d lines of 1000 bytes taken in by a queue of 4096 and a disk that hangs", queued)
		}
		close(d.gate)
		synctest.Wait()
		if queued != 100 {
			t.Errorf("%d lines taken in, want 100", queued)
		}
		q.close()
		if got := d.String(); got != strings.Repeat(line, 100) {
			t.Errorf("%d bytes written, want %d", len(got), 100*len(line))
		}
	})
}

func TestQueueWaitEndsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{gate: make(chan struct{})}
		q, log := testQueue(d)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			var err error
			for err == nil {
				err = q.put(ctx, strings.Repeat("x", 999)+"\n")
			}
			ended <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(d.gate)
		q.close()
		if !strings.Contains(log.String(), "statements are missing from it\" lines=1\n") {
			t.Errorf("the lost line is not in the log: %q", log)
		}
	})
}

func TestQueueRetriesAndSaysSoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left on device")
		d := &disk{errs: []error{full, full, full}}
		q, log := testQueue(d)
		if err := q.put(t.Context(), "12345678\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * retryEvery)
		synctest.Wait()
		if got := d.String(); got != "12345678\n" {
			t.Errorf("written: %q", got)
		}
		q.close()
		for _, want := range []string{"make room on the disk", "writing again"} {
			if n := strings.Count(log.String(), want); n != 1 {
				t.Errorf("%q is %d times in the log:\n%s", want, n, log)
			}
		}
	})
}

func TestQueueStopsOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left on device")
		d := &disk{errs: []error{full, full, full, full}}
		q, log := testQueue(d)
		for range 2 {
			if err := q.put(t.Context(), "12345678\n"); err != nil {
				t.Fatal(err)
			}
		}
		q.close()
		if !strings.Contains(log.String(), "lines=") || strings.Count(log.String(), "cannot write") != 1 {
			t.Errorf("log:\n%s", log)
		}
	})
}
