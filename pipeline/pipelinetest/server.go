package pipelinetest

import (
	"context"
	"errors"
	"io"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// poison is what lent bytes become when their time is over.
var poison = func() (b [1 << 10]byte) {
	for i := range b {
		b[i] = 0xdb
	}
	return b
}()

// spoil overwrites b.
func spoil(b []byte) {
	for len(b) > 0 {
		b = b[copy(b, poison[:]):]
	}
}

// A Server is the end of a chain: the handler that answers. It lends its chunks and overwrites them.
type Server struct {
	// Answer says how to answer a command. An error is what Serve returns after the reply.
	Answer func(ctx context.Context, c *pipeline.Command) (Reply, error)
	// Got are copies of the commands that arrived, with their bodies.
	Got []Received

	lent  []byte
	chunk protocol.Chunk
}

// Received is a command as it arrived at a Server.
type Received struct {
	*pipeline.Command
	// Bytes is the whole command as it came over the wire, body included.
	Bytes []byte
}

// Always answers everything with r.
func Always(r Reply) *Server {
	return &Server{Answer: func(context.Context, *pipeline.Command) (Reply, error) { return r, nil }}
}

// Serve notes c and answers.
func (s *Server) Serve(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
	got := Received{c.Clone(), append([]byte(nil), c.Data...)}
	for c.Part != protocol.Whole {
		b, err := c.Body.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		got.Bytes = append(got.Bytes, b...)
	}
	s.Got = append(s.Got, got)
	r, err := s.Answer(ctx, c)
	if werr := s.write(w, r); werr != nil {
		return werr
	}
	return err
}

// write sends r, lending each chunk. It allocates nothing once the longest chunk has been sent.
func (s *Server) write(w pipeline.ReplyWriter, r Reply) error {
	for i := range r {
		s.lent = append(s.lent[:0], r[i].Data...)
		s.chunk = r[i]
		s.chunk.Data = s.lent
		err := w.WriteReply(&s.chunk)
		spoil(s.lent)
		s.chunk = protocol.Chunk{}
		if err != nil {
			return err
		}
	}
	return nil
}

// body delivers a command's parts after the first, lending each.
type body struct {
	parts [][]byte
	lent  []byte
}

func (b *body) Next() ([]byte, error) {
	spoil(b.lent)
	if len(b.parts) == 0 {
		return nil, io.EOF
	}
	b.lent = append(b.lent[:0], b.parts[0]...)
	b.parts = b.parts[1:]
	return b.lent, nil
}
