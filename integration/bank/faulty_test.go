package bank_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/protocol"
)

// A fault is what a proxy does wrong.
type fault struct {
	from, to string    // statements that begin with from begin with to instead
	also     [2]string // the same once more
	twice    string    // statements that begin with it are sent twice, the first answer is kept
	cut      string    // after statements that begin with it the connection is closed, every tenth time
}

// startFaulty starts a proxy before a server, and returns its address.
func startFaulty(t *testing.T, server string, f fault) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	var all sync.WaitGroup
	t.Cleanup(func() {
		ok(t, l.Close())
		all.Wait()
	})
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer client.Close()
				conn, err := net.Dial("tcp", server)
				if err != nil {
					return
				}
				defer conn.Close()
				p := &faulty{fault: f, client: client, server: conn}
				answers := make(chan struct{})
				go func() {
					defer close(answers)
					p.answers()
				}()
				p.commands()
				conn.Close()
				<-answers
			})
		}
	})
	return l.Addr().String()
}

// faulty is a proxy's connection.
type faulty struct {
	fault
	client, server net.Conn
	keep           atomic.Int32 // answers to keep from the client
	cuts           int
}

// commands passes commands on until the connection ends.
func (p *faulty) commands() {
	for {
		packet, err := readPacket(p.client)
		if err != nil {
			return
		}
		// Every other client prepares its statements: half of the faults are enough.
		if text, isQuery := bytes.CutPrefix(packet[4:], []byte{protocol.ComQuery}); isQuery && packet[3] == 0 {
			switch {
			case begins(text, p.from):
				text = append([]byte(p.to), text[len(p.from):]...)
			case begins(text, p.also[0]):
				text = append([]byte(p.also[1]), text[len(p.also[0]):]...)
			case begins(text, p.twice):
				p.keep.Add(1)
				if _, err := p.server.Write(packet); err != nil {
					return
				}
			case begins(text, p.cut):
				p.cuts++
			}
			n := len(text) + 1
			packet = append([]byte{byte(n), byte(n >> 8), byte(n >> 16), 0, protocol.ComQuery}, text...)
			if begins(text, p.cut) && p.cuts%10 == 0 {
				_, _ = p.server.Write(packet)
				return
			}
		}
		if _, err := p.server.Write(packet); err != nil {
			return
		}
	}
}

func begins(text []byte, with string) bool { return with != "" && bytes.HasPrefix(text, []byte(with)) }

// answers passes the server's packets on.
func (p *faulty) answers() {
	for {
		packet, err := readPacket(p.server)
		if err != nil {
			p.client.Close()
			return
		}
		if p.keep.Load() > 0 {
			p.keep.Add(-1)
			continue
		}
		if _, err := p.client.Write(packet); err != nil && !errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// readPacket reads a packet with its header.
func readPacket(r io.Reader) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	packet := append(header, make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)...)
	_, err := io.ReadFull(r, packet[4:])
	return packet, err
}
