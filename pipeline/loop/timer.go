package loop

import (
	"container/heap"
	"time"
)

// A Timer calls a function on its worker, once, at its time.
type Timer struct {
	w     *Worker
	when  time.Time
	f     func()
	index int // in the heap; -1 when not
}

type timerHeap []*Timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].when.Before(h[j].when) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is heap.Interface's.
func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	t.index = len(*h)
	*h = append(*h, t)
}

// Pop is heap.Interface's.
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = -1
	return t
}

// After calls f on the worker, outside tasks, when d has passed.
func (w *Worker) After(d time.Duration, f func()) *Timer {
	t := &Timer{w: w, when: time.Now().Add(d), f: f}
	heap.Push(&w.timers, t)
	w.setAlarm()
	return t
}

// Stop keeps a timer from going off. It may be called more than once, and afterwards.
func (t *Timer) Stop() {
	if t.index >= 0 {
		heap.Remove(&t.w.timers, t.index)
	}
}

// setAlarm sees to it that the worker wakes for the earliest timer. An alarm left over from a stopped timer wakes it
// for nothing, which is cheaper than moving the alarm at every Stop.
func (w *Worker) setAlarm() {
	if len(w.timers) == 0 {
		return
	}
	first := w.timers[0].when
	if !w.alarmAt.IsZero() && !first.Before(w.alarmAt) {
		return
	}
	w.alarmAt = first
	if w.alarm == nil {
		w.alarm = time.AfterFunc(time.Until(first), w.wake)
		return
	}
	w.alarm.Reset(time.Until(first))
}

func (w *Worker) runTimers() {
	if w.alarmAt.IsZero() {
		return
	}
	now := time.Now()
	if now.Before(w.alarmAt) {
		return
	}
	w.alarmAt = time.Time{}
	for len(w.timers) > 0 && !w.timers[0].when.After(now) {
		heap.Pop(&w.timers).(*Timer).f()
	}
	w.setAlarm()
}

// Sleep waits until d has passed. It returns early with an error where the task is interrupted.
func (w *Worker) Sleep(d time.Duration) error {
	t := w.cur
	fired := false
	timer := w.After(d, func() {
		fired = true
		if t.parked {
			w.resume(t)
		}
	})
	defer timer.Stop()
	for !fired {
		if err := t.wait(); err != nil {
			return err
		}
	}
	return nil
}
