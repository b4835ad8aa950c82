package top

import (
	"encoding/json"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// collectFor is how long records collect before they are added up together.
const collectFor = 100 * time.Millisecond

// A collector adds up what sessions have queued, on a goroutine of its own.
type collector struct {
	queue *queue
	added atomic.Uint64
	count int // length of a list

	mu      sync.Mutex // the goroutine's, or whoever's that wants to know
	table   *table
	add     func(*slot) // the table's, made once
	started time.Time

	wake chan struct{} // holds at most one wake-up; one too many only cuts a nap short
	quit chan struct{}
	done chan struct{}
}

func newCollector(c Config) *collector {
	k := &collector{count: c.Count, table: newTable(c.Digests), wake: make(chan struct{}, 1)}
	k.queue, k.add = newQueue(c.Queue, c.Example, k.rouse), k.table.add
	return k
}

func (k *collector) start() {
	k.started, k.quit, k.done = time.Now(), make(chan struct{}), make(chan struct{})
	go k.run()
}

// stop adds up what is queued. It returns false where the collector has not been started.
func (k *collector) stop() bool {
	if k.quit == nil {
		return false
	}
	close(k.quit)
	<-k.done
	k.collect()
	return true
}

func (k *collector) rouse() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *collector) run() {
	defer close(k.done)
	timer := time.NewTimer(collectFor)
	defer timer.Stop()
	for {
		k.queue.state.Store(asleep)
		// A record committed before the store has told nobody; one committed after it wakes.
		if !k.queue.ready() {
			select {
			case <-k.wake:
			case <-k.quit:
				return
			}
		}
		k.queue.state.Store(napping)
		if !k.queue.filling() {
			timer.Reset(collectFor)
			select {
			case <-timer.C:
			case <-k.wake:
			case <-k.quit:
				return
			}
		}
		k.queue.state.Store(awake)
		k.collect()
	}
}

// collect adds up what is queued.
func (k *collector) collect() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drain()
}

func (k *collector) drain() {
	k.queue.take(k.add)
	k.added.Store(k.table.statements)
}

// document returns the lists as they are now.
func (k *collector) document() Document {
	d := k.lists()
	d.addFacts()
	return d
}

func (k *collector) lists() Document {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drain()
	d := documentOf(k.table, k.count)
	d.Since, d.Until, d.Dropped = k.started.UTC(), time.Now().UTC(), k.queue.dropped.Load()
	return d
}

// encode writes the lists to w.
func (k *collector) encode(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(k.document())
}
