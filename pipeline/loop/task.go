package loop

import (
	"errors"
	"iter"
	"runtime/debug"
)

// keepTasks is how many idle coroutines a worker keeps for the next ones.
const keepTasks = 1024

// ErrClosed is what waits return whose connection has been closed on this side, or whose worker has stopped.
var ErrClosed = errors.New("connection closed")

// A Runner is what a Task runs.
type Runner interface{ Run() }

// A Task is a coroutine that runs one Runner on its worker. It is reused for another when that returns.
type Task struct {
	w      *Worker
	next   func() (struct{}, bool)
	end    func()
	yield  func(struct{}) bool
	runner Runner
	err    error // why every further wait ends at once
	parked bool
	queued bool // in Worker.ready
}

// Go runs r in a Task: at once where the worker is not inside one, otherwise when the current one waits.
func (w *Worker) Go(r Runner) {
	var t *Task
	if n := len(w.idle); n > 0 {
		t = w.idle[n-1]
		w.idle = w.idle[:n-1]
	} else {
		t = w.newTask()
	}
	t.runner, t.err = r, nil
	w.resume(t)
}

func (w *Worker) newTask() *Task {
	w.tasks++
	t := &Task{w: w}
	t.next, t.end = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		for {
			t.run()
			t.runner = nil
			if len(w.idle) >= keepTasks || w.stop {
				w.tasks--
				return
			}
			w.idle = append(w.idle, t)
			if !yield(struct{}{}) {
				return
			}
		}
	})
	return t
}

// run keeps a panic from ending more than the one task.
func (t *Task) run() {
	defer func() {
		if r := recover(); r != nil {
			t.w.log.Error("panic in a task", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	t.runner.Run()
}

// Current returns the Task that is running.
func (w *Worker) Current() *Task { return w.cur }

// resume switches to t until it waits or ends.
func (w *Worker) resume(t *Task) {
	if w.cur != nil {
		if !t.queued {
			t.queued = true
			w.ready = append(w.ready, t)
		}
		return
	}
	t.queued = false
	w.cur = t
	t.next()
	w.cur = nil
}

// runReady resumes the tasks that are ready now. Those that yield again meanwhile come after the next look at the
// sockets.
func (w *Worker) runReady() {
	batch := w.ready
	w.ready = w.readySpare[:0]
	for i, t := range batch {
		batch[i] = nil
		if t.queued { // not resumed by an event meanwhile
			w.resume(t)
		}
	}
	w.readySpare = batch
}

// wait gives the worker back until the task is resumed. It returns the error of an Interrupt.
func (t *Task) wait() error {
	if t.err != nil {
		return t.err
	}
	t.parked = true
	alive := t.yield(struct{}{})
	t.parked = false
	if !alive && t.err == nil {
		t.err = ErrClosed
	}
	return t.err
}

// Interrupt makes the task's current wait, and all later ones, return err.
func (t *Task) Interrupt(err error) {
	if t.err != nil {
		return
	}
	t.err = err
	if t.parked {
		t.w.resume(t)
	}
}

// Yield lets the worker see to what else has come, and goes on after that.
func (t *Task) Yield() error {
	if !t.queued {
		t.queued = true
		t.w.ready = append(t.w.ready, t)
	}
	return t.wait()
}

// ErrPanic stands for a panic that has been logged.
var ErrPanic = errors.New("internal error")

// guarded runs f and makes an error of a panic.
func (w *Worker) guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			w.log.Error("panic on behalf of a task", "panic", r, "stack", string(debug.Stack()))
			err = ErrPanic
		}
	}()
	return f()
}

// Await runs f on an ordinary goroutine, where it may block, and waits for it. It returns f's error. An interrupted
// task still waits for f to return.
func (w *Worker) Await(f func() error) error {
	t := w.cur
	var err error
	done := false
	go func() {
		var e error
		Elsewhere(func() { e = w.guarded(f) })
		w.Post(func() {
			err, done = e, true
			if t.parked {
				w.resume(t)
			}
		})
	}()
	for !done {
		t.parked = true
		alive := t.yield(struct{}{})
		t.parked = false
		if !alive {
			return ErrClosed
		}
	}
	return err
}
