package sqlfacts

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A Cache remembers the facts of statements by their digests, and finds those it does not know on a goroutine of its
// own. Any number of goroutines may use it.
type Cache struct {
	sets    []set
	pending [64]atomic.Uint64 // keys that are in the queue, most of them
	queue   chan task
	stop    chan struct{}
	stopped sync.WaitGroup
	close   sync.Once

	parsed, misunderstood, dropped atomic.Uint64
}

// ways is how many entries there are to a set: with so many, the keys of a set are one line of a processor's cache.
const ways = 8

// A set is the entries whose keys have some bits in common. Only the goroutine of the cache writes to it.
type set struct {
	keys    [ways]atomic.Uint64
	entries [ways]atomic.Pointer[entry]
	hand    int // the entry to be replaced next, unless it is in use
}

// An entry is the facts of one digest.
type entry struct {
	key   uint64
	uses  atomic.Int32 // since the hand last came by, some of them; up to manyUses
	facts Facts
}

const manyUses = 3

// A task is a statement to be parsed.
type task struct {
	key  uint64
	text []byte
	mode sqlscan.Mode
}

// queued is how many texts may wait to be parsed. With MaxText it bounds what they take.
const queued = 64

// NewCache makes a cache for about as many digests. It is to be closed.
func NewCache(entries int) *Cache {
	sets := 1
	for sets*ways < entries {
		sets *= 2
	}
	c := &Cache{sets: make([]set, sets), queue: make(chan task, queued), stop: make(chan struct{})}
	c.stopped.Go(c.run)
	return c
}

// Close ends the cache's goroutine. What is known stays known.
func (c *Cache) Close() {
	c.close.Do(func() { close(c.stop) })
	c.stopped.Wait()
}

// Facts returns the facts of a statement by what sqlscan made of it, ok false where they are not known yet: it does not
// wait. They will be once the text is parsed, or the text of a later statement with the same digest, where so many
// wait to be parsed that this one could not. canonical and text are not kept. The facts are for reading only.
func (c *Cache) Facts(digest uint64, canonical, text []byte, mode sqlscan.Mode) (facts *Facts, ok bool) {
	key := keyOf(digest, mode)
	if e := c.find(key); e != nil {
		if n := e.uses.Load(); n < manyUses {
			e.uses.Store(n + 1) // only then, lest processors fight for it
		}
		return &e.facts, true
	}
	if len(text) > MaxText {
		text = canonical
	}
	if len(text) > MaxText {
		return &unknown, true
	}
	c.ask(key, text, mode)
	return nil, false
}

// unknown are the facts of what is too long.
var unknown Facts

// keyOf is the key of a digest. Two kinds of servers may take one canonical text differently. No key is 0.
func keyOf(digest uint64, mode sqlscan.Mode) uint64 {
	if mode&sqlscan.MariaDB != 0 {
		digest = ^digest
	}
	return max(digest, 1)
}

func (c *Cache) set(key uint64) *set { return &c.sets[key&uint64(len(c.sets)-1)] }

// find returns the entry of a key, nil if there is none.
func (c *Cache) find(key uint64) *entry {
	s := c.set(key)
	for i := range s.keys {
		if s.keys[i].Load() != key {
			continue
		}
		// It may have been replaced since.
		if e := s.entries[i].Load(); e != nil && e.key == key {
			return e
		}
	}
	return nil
}

// ask queues a text to be parsed, unless it is queued already.
func (c *Cache) ask(key uint64, text []byte, mode sqlscan.Mode) {
	p := &c.pending[key>>58]
	if was := p.Load(); was == key || !p.CompareAndSwap(was, key) {
		return
	}
	if len(c.queue) < cap(c.queue) { // do not clone for nothing
		select {
		case c.queue <- task{key, bytes.Clone(text), mode}:
			return
		default:
		}
	}
	c.dropped.Add(1)
	p.CompareAndSwap(key, 0)
}

// run parses what is queued.
func (c *Cache) run() {
	for {
		select {
		case <-c.stop:
			return
		case t := <-c.queue:
			if c.find(t.key) == nil {
				c.add(t.key, c.parse(t))
			}
			c.pending[t.key>>58].CompareAndSwap(t.key, 0)
		}
	}
}

func (c *Cache) parse(t task) Facts {
	facts := parse(t.text, t.mode)
	c.parsed.Add(1)
	if !facts.Understood {
		c.misunderstood.Add(1)
	}
	return facts
}

// add adds an entry, in place of one that has hardly been used since the hand came by some times.
func (c *Cache) add(key uint64, facts Facts) {
	s := c.set(key)
	for {
		i := s.hand
		s.hand = (s.hand + 1) % ways
		if old := s.entries[i].Load(); old == nil || old.uses.Add(-1) < 0 {
			s.entries[i].Store(&entry{key: key, facts: facts})
			s.keys[i].Store(key)
			return
		}
	}
}

// Stats are counts since the cache was made.
type Stats struct {
	Parsed        uint64 // texts
	Misunderstood uint64 // of these, texts the parser did not understand
	Dropped       uint64 // statements whose texts were not parsed since too many waited to be
}

// Stats returns the counts. They are not of the same moment.
func (c *Cache) Stats() Stats {
	return Stats{c.parsed.Load(), c.misunderstood.Load(), c.dropped.Load()}
}
