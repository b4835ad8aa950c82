package tee

import (
	"hash/maphash"

	"github.com/weirproxy/weir/protocol"
)

// A result without ORDER BY has no order, and two servers may well return it in two: so rows are compared as a set in
// which each may be several times. The checksum of a result is the sum of its rows' hashes.

var seed = maphash.MakeSeed()

// A rowsum hashes rows, in whatever pieces they come.
type rowsum struct {
	long *longRow // a row that comes in fragments
}

// A longRow is the part of a row that has come.
type longRow struct {
	hash maphash.Hash
	left int // of the packet
	head [protocol.HeaderSize]byte
	have int // of head
}

// add returns the sum of the hashes of the rows that end in p.
func (r *rowsum) add(p *protocol.Chunk) (sum uint64) {
	switch p.Part {
	case protocol.Whole:
		return wholeRows(p.Data)
	case protocol.First:
		if r.long == nil {
			r.long = new(longRow)
			r.long.hash.SetSeed(seed)
		}
		r.long.hash.Reset()
		r.long.left, r.long.have = 0, 0
	}
	if r.long == nil { // it did not begin
		return 0
	}
	r.long.add(p.Data)
	if p.Part == protocol.Last {
		return r.long.hash.Sum64()
	}
	return 0
}

func wholeRows(b []byte) (sum uint64) {
	for len(b) >= protocol.HeaderSize {
		n := protocol.PayloadLen(b)
		row := b[protocol.HeaderSize:]
		if n == protocol.MaxPayload || n > len(row) {
			return sum + manyPackets(b)
		}
		sum += maphash.Bytes(seed, row[:n])
		b = row[n:]
	}
	return sum
}

// manyPackets is for a chunk that holds a row of several packets whole, as a filter may make it.
func manyPackets(b []byte) (sum uint64) {
	var row longRow
	row.hash.SetSeed(seed)
	for len(b) >= protocol.HeaderSize {
		n := protocol.PayloadLen(b)
		end := min(protocol.HeaderSize+n, len(b))
		row.add(b[:end])
		b = b[end:]
		if n < protocol.MaxPayload {
			sum += row.hash.Sum64()
			row.hash.Reset()
		}
	}
	return sum
}

// add hashes payload, and leaves headers out.
func (r *longRow) add(b []byte) {
	for len(b) > 0 {
		if r.left == 0 {
			n := copy(r.head[r.have:], b)
			r.have += n
			b = b[n:]
			if r.have == len(r.head) {
				r.left, r.have = protocol.PayloadLen(r.head[:]), 0
			}
			continue
		}
		n := min(r.left, len(b))
		_, _ = r.hash.Write(b[:n]) // never fails
		r.left -= n
		b = b[n:]
	}
}
