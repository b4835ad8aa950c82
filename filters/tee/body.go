package tee

import (
	"errors"
	"io"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// A body copies what the client sends behind a command's first part, on its way to the main servers: the rest of a long
// command, and the file of a LOAD DATA LOCAL INFILE.
type body struct {
	l      *link
	inner  pipeline.Body // nil where the command has none
	served pipeline.Command
	rest   chain
	file   chain
	whole  bool // the command's last byte has come by
	ended  bool // the file's
	lost   bool // there was no room
}

// around returns c, or a copy of it whose Body is b where more than its first part may come.
func (b *body) around(c *pipeline.Command) *pipeline.Command {
	b.inner = nil
	if c.Body == nil || c.Part == protocol.Whole &&
		(c.Com() != protocol.ComQuery || !b.l.s.Capabilities().Has(protocol.ClientLocalFiles)) {
		return c
	}
	b.inner, b.served = c.Body, *c
	b.served.Body = b
	b.whole, b.ended, b.lost = c.Part == protocol.Whole, false, false
	return &b.served
}

// Next is pipeline.Body's.
func (b *body) Next() ([]byte, error) {
	p, err := b.inner.Next()
	asked := b.l.watch.asked
	switch {
	case errors.Is(err, io.EOF) && asked == 0:
		b.whole = true
	case errors.Is(err, io.EOF):
		b.ended = true
	case err != nil || b.lost:
	case asked > 1: // a second file, of several statements in one text
		b.lose()
	default:
		to := &b.rest
		if asked > 0 {
			to = &b.file
		}
		if !to.add(&b.l.queue, p) {
			b.lose()
		}
	}
	return p, err
}

func (b *body) lose() {
	b.lost = true
	b.rest.drop(&b.l.queue)
	b.file.drop(&b.l.queue)
}

// complete reports whether all of c has been copied that came behind its first part.
func (b *body) complete(c *pipeline.Command) bool {
	if b.inner == nil {
		return c.Part == protocol.Whole
	}
	return !b.lost && b.whole && (b.l.watch.asked == 0 || b.ended)
}

// give hands what has been copied to the item of the command. rest comes before it.
func (b *body) give(it *item, rest chain) {
	it.part = b.inner != nil && b.served.Part != protocol.Whole || rest.first != nil
	it.more = b.rest.first
	if rest.first != nil {
		rest.last.next = b.rest.first
		it.more = rest.first
	}
	it.file, it.fileSeq, it.hasFile = b.file.first, b.l.watch.fileSeq, b.inner != nil && b.l.watch.asked > 0
	b.rest, b.file = chain{}, chain{}
}

// drop forgets the command, and gives back what nobody has taken.
func (b *body) drop() {
	if b.inner == nil {
		return
	}
	b.inner, b.served = nil, pipeline.Command{}
	b.rest.drop(&b.l.queue)
	b.file.drop(&b.l.queue)
}
