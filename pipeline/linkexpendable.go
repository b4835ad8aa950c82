package pipeline

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weirproxy/weir/protocol"
)

// A LinkConfig says what a router wants of a link. The zero value is a link without which the session ends, and whose
// bytes pass as they are.
type LinkConfig struct {
	// Lost makes the link expendable: where it fails, Try returns a *LostError, the client is told nothing, and the session
	// goes on. Lost is called, on the session's task, where that is noticed while no command is running; the link is
	// closed by then. err says why, and to which server.
	Lost func(l *Link, err error)
	// State has the server tell of changes of session state, whether or not the client has asked for it, and gets them:
	// the SessionState of each OK packet that has any, valid until it returns. See protocol.NextStateChange. A client that
	// has not asked for them does not get them.
	State func(l *Link, changes []byte)
}

// A LostError says that an expendable link failed while it served a command. The link is closed.
type LostError struct {
	Server *Server
	Err    error
	// Began is set where a part of the reply has been passed on. Where it is not, the server may still have carried the
	// command out.
	Began bool
	// Unsent is set where nothing of the command has been sent.
	Unsent bool
}

func (e *LostError) Error() string { return (&ServerError{e.Server, e.Err}).Error() }

func (e *LostError) Unwrap() error { return e.Err }

// Dial opens a connection to srv and logs in as the session's user, with the capabilities its client has, or takes the
// one that the session had before it was reset. It may be called in Open, and in Serve, where it waits without blocking
// the worker. The link is closed with the session, if not before. The error is a *ServerError.
func (s *Session) Dial(srv *Server, c LinkConfig) (*Link, error) {
	if l := s.takeCarried(srv); l != nil {
		l.config = c
		return l, nil
	}
	srv.links.Add(1)
	ctx, stop := s.Killable(s.ctx)
	defer stop()
	var l *Link
	err := s.Do(func() (err error) {
		l, err = s.connect(ctx, srv, c)
		return err
	})
	if err != nil {
		srv.links.Add(-1)
		return nil, err
	}
	s.links = append(s.links, l)
	return l, nil
}

// Status is the server status flags that the last reply on this connection carried. An ERR packet carries none.
func (l *Link) Status() uint16 { return l.status }

// IsOpen reports whether the connection is there, as far as is known.
func (l *Link) IsOpen() bool { return l.fd >= 0 || l.conn.IsOpen() }

// Close closes the connection before the session ends, politely where no statement is running on it. It may be called
// more than once.
func (l *Link) Close() {
	at := slices.Index(l.s.links, l)
	if at < 0 {
		return
	}
	l.s.links = slices.Delete(l.s.links, at, at+1)
	l.close()
}

// Sever closes the connection, rudely: Try, where it waits for a reply, finds the server lost. It may be called on the
// session's worker at any time.
func (l *Link) Sever() {
	if l.fd < 0 {
		l.conn.Close()
	}
}

// Try has the server of an expendable link serve a command. id, where it is not 0, is the server's own id of the prepared
// statement that the command is about. A *LostError says that the link has failed; then nothing is said to the client, but
// what had been passed on before. Any other error ends the session.
func (l *Link) Try(w ReplyWriter, c *Command, id uint32) error {
	err := l.try(w, c, id)
	if _, lost := errors.AsType[*LostError](err); lost {
		l.Close()
	}
	return err
}

func (l *Link) try(w ReplyWriter, c *Command, id uint32) error {
	err := l.begin()
	if err != nil {
		return err
	}
	l.renamed = id
	if l.s.trace != nil {
		err = l.serveTraced(w, c)
	} else {
		err = l.exchange(w, c)
	}
	l.renamed = 0
	return l.lostBy(err)
}

// begin sees to it that the link can be sent something. Its error is a *LostError.
func (l *Link) begin() error {
	l.began = false
	if !l.IsOpen() {
		return &LostError{Server: l.Server, Err: errors.New("the connection is closed"), Unsent: true}
	}
	if err := l.attach(); err != nil {
		return &LostError{Server: l.Server, Err: err, Unsent: true}
	}
	l.serving = true
	return nil
}

// lostBy ends what begin has begun, and has what came of the exchange say that the link has failed, where it has.
func (l *Link) lostBy(err error) error {
	l.serving, l.used = false, true
	if errors.Is(err, ErrServerLost) {
		if _, known := errors.AsType[*LostError](err); !known {
			return &LostError{Server: l.Server, Err: err, Began: l.began}
		}
	}
	return err
}

// pass passes on the chunk that has been read.
func (l *Link) pass(w ReplyWriter) error {
	p := &l.chunk
	l.began = true
	if p.Kind != protocol.KindOK && p.Kind != protocol.KindEOF {
		return w.WriteReply(p)
	}
	l.status = p.Status
	if l.config.State == nil || p.Part != protocol.Whole || !l.caps.Has(protocol.ClientSessionTrack) ||
		p.Kind == protocol.KindEOF && !l.caps.Has(protocol.ClientDeprecateEOF) {
		return w.WriteReply(p)
	}
	payload := p.Payload()
	ok, err := protocol.DecodeOK(payload, l.caps)
	if err != nil {
		return l.nonsense(w, fmt.Errorf("OK packet: %w", err))
	}
	if len(ok.SessionState) > 0 {
		l.config.State(l, ok.SessionState)
	}
	if l.s.caps.Has(protocol.ClientSessionTrack) || len(ok.Info)+len(ok.SessionState) == 0 && ok.Status&protocol.StatusSessionStateChange == 0 {
		return w.WriteReply(p)
	}
	// The client gets the packet as a server would have sent it that had not been asked to tell.
	ok.Status &^= protocol.StatusSessionStateChange
	told := *p
	l.scratch = ok.Append(append(l.scratch[:0], p.Data[:protocol.HeaderSize]...), l.s.caps)
	n := len(l.scratch) - protocol.HeaderSize // shorter than what came
	l.scratch[0], l.scratch[1], l.scratch[2] = byte(n), byte(n>>8), byte(n>>16)
	l.scratch[protocol.HeaderSize] = payload[0] // 0xfe at the end of rows
	told.Data, told.Status = l.scratch, ok.Status
	return w.WriteReply(&told)
}

// ServeKill serves c where it is a KILL of one of Weir's own sessions, which no server knows by that id.
func (s *Session) ServeKill(w ReplyWriter, c *Command) (served bool, err error) {
	k, ok := s.killingOf(c)
	if !ok {
		return false, nil
	}
	return true, s.kill(w, k)
}
