package pipeline

import (
	"errors"

	"github.com/weirproxy/weir/protocol"
)

// maxAhead is how many bytes of commands are sent ahead of replies. They fit into the sockets' buffers, so that sending
// does not wait for a server which waits for its replies to be read.
const maxAhead = 16 << 10

// TryAll is Try for several commands of the router's own: whole ones, that expect a reply and are about no prepared
// statement. They are sent without waiting for replies in between, as many at a time as is safe, so that the server runs
// the later ones whatever becomes of the earlier. Their replies come to w in order.
func (l *Link) TryAll(w ReplyWriter, all []*Command) error {
	for len(all) > 0 {
		n, size := 0, 0
		for n < len(all) && (n == 0 || size+len(all[n].Data) <= maxAhead) {
			size += len(all[n].Data)
			n++
		}
		err := l.begin()
		if err == nil {
			err = l.lostBy(l.exchangeAll(w, all[:n]))
		}
		if err != nil {
			if _, lost := errors.AsType[*LostError](err); lost {
				l.Close()
			}
			return err
		}
		all = all[n:]
	}
	return nil
}

// sentAhead is a command that has been sent while the replies to others have not come.
type sentAhead struct {
	frames protocol.Framer
	leg    int
	err    error // of sending it
}

// exchangeAll sends the commands and then relays their replies.
func (l *Link) exchangeAll(w ReplyWriter, all []*Command) (err error) {
	sent := make([]sentAhead, 0, len(all))
	for _, c := range all {
		sent = append(sent, l.sendAhead(c))
		if sent[len(sent)-1].err != nil {
			break
		}
	}
	in := replyBuffer{l: l, more: true}
	defer in.release()
	for i := range sent {
		s := &sent[i]
		if l.leg = s.leg; err == nil { // otherwise there will be no reply
			in.more = i < len(sent)-1
			err = l.receive(w, all[i], &s.frames, &in, s.err)
		}
		l.endLeg(s.leg, err)
	}
	return err
}

// sendAhead sends a command whose reply others will come before.
func (l *Link) sendAhead(c *Command) (s sentAhead) {
	var buf []byte
	if t := l.s.trace; t != nil {
		s.leg = t.beginLeg(l, c)
		l.leg = 0 // what arrives is another's
		c, buf = l.withContext(c, s.leg)
	}
	l.reader.Reset(c.Com(), l.caps, 1)
	s.err = l.send(c, &s.frames)
	if buf != nil {
		l.s.worker.PutSmall(buf)
	}
	return s
}
