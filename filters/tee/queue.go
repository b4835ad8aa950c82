package tee

import (
	"sync"
	"sync/atomic"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// sizes are the lengths of the memory that commands are copied into. The last is that of a read buffer, so that what came
// in one piece is passed on in one.
var sizes = [...]int{256, 2 << 10, 16 << 10}

// piece is the index of the size that what comes behind a command's first part is copied into.
const piece = len(sizes) - 1

// A store lends memory to the queues of all sessions of a filter, up to a limit.
type store struct {
	pools [len(sizes)]sync.Pool
	held  atomic.Int64
	limit int64
}

// An item is a command in a queue, or a further piece of one.
type item struct {
	next *item  // in the queue, or of the command
	data []byte // of one of sizes
	size uint8  // its index

	// What follows says what a command is. It is the first item of one that counts.
	command
}

// A command is one in a queue, without its bytes.
type command struct {
	com       byte
	part      bool  // it goes on in more
	more      *item // what comes behind data
	file      *item // what a LOAD DATA LOCAL INFILE has sent
	fileSeq   uint8 // the number of its first packet
	hasFile   bool
	own       bool  // it is the filter's, not the client's
	afresh    bool  // what was sent ahead before is not meant for it
	slot      *slot // the prepared statement it makes or names
	statement *pipeline.Statement
	span      protocol.TraceContext // of the client's statement, which the branch's is told of with
	main      outcome
}

// get returns an item with room for n bytes, or for as much as items have; nil where the limit is reached.
func (st *store) get(n int) *item {
	i := 0
	for i < piece && sizes[i] < n {
		i++
	}
	if st.held.Add(int64(sizes[i])) > st.limit {
		st.held.Add(-int64(sizes[i]))
		return nil
	}
	if v, ok := st.pools[i].Get().(*item); ok {
		return v
	}
	return &item{data: make([]byte, 0, sizes[i]), size: uint8(i)}
}

func (st *store) put(it *item) {
	*it = item{data: it.data[:0], size: it.size}
	st.held.Add(-int64(sizes[it.size]))
	st.pools[it.size].Put(it)
}

// A queue holds the commands of one session that wait for its branch.
type queue struct {
	store       *store
	limit       int // for held
	held        int // bytes of memory, of what is being copied and of what is being served too
	statements  int // waiting
	first, last *item
}

// get returns an item for n bytes of a command, nil where there is no room.
func (q *queue) get(n int) *item {
	if q.held >= q.limit {
		return nil
	}
	it := q.store.get(n)
	if it != nil {
		q.held += sizes[it.size]
	}
	return it
}

// put gives back an item, with all that belongs to it.
func (q *queue) put(it *item) {
	q.putAll(it.more)
	q.putAll(it.file)
	q.held -= sizes[it.size]
	q.store.put(it)
}

// putAll gives back a chain.
func (q *queue) putAll(it *item) {
	for it != nil {
		next := it.next
		q.put(it)
		it = next
	}
}

// push appends a command.
func (q *queue) push(it *item) {
	if q.first == nil {
		q.first = it
	} else {
		q.last.next = it
	}
	q.last = it
	q.statements++
}

// pop takes the first command, nil where there is none.
func (q *queue) pop() *item {
	it := q.first
	if it != nil {
		q.first, it.next = it.next, nil
		q.statements--
	}
	return it
}

// A chain collects bytes in the memory of a queue.
type chain struct {
	first, last *item
}

// add appends a copy of b. It reports false where there is no room, and then holds nothing.
func (c *chain) add(q *queue, b []byte) bool {
	for len(b) > 0 {
		if c.last == nil || len(c.last.data) == cap(c.last.data) {
			it := q.get(sizes[piece])
			if it == nil {
				c.drop(q)
				return false
			}
			if c.first == nil {
				c.first = it
			} else {
				c.last.next = it
			}
			c.last = it
		}
		data := c.last.data
		n := min(len(b), cap(data)-len(data))
		c.last.data = append(data, b[:n]...)
		b = b[n:]
	}
	return true
}

// drop gives all back.
func (c *chain) drop(q *queue) {
	q.putAll(c.first)
	*c = chain{}
}
