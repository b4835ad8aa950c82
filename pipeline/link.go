package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
)

// A Link is a session's connection to one server. It is a Handler: what it is served, the server answers.
type Link struct {
	Server *Server
	// ThreadID is the server's own id of the connection.
	ThreadID uint32
	// LocalPort is Weir's end of the connection, 0 where it has no port.
	LocalPort int

	s      *Session
	conn   loop.Conn
	fd     int // until the worker has it
	caps   protocol.Capability
	reader protocol.ReplyReader
	chunk  protocol.Chunk
	ok     []byte // payload of the OK packet that ended the login
	quit   bool   // COM_QUIT has been sent, or could not be understood

	peer   netip.AddrPort
	leg    int      // the number of the leg being recorded; 0 is none
	edited *Command // what the server gets in place of what came down the chain

	config  LinkConfig
	status  uint16 // server status flags, as the last reply on this connection carried them
	began   bool   // a part of the reply being relayed has been passed on
	serving bool   // an expendable link: a command
	used    bool   // see Used
	renamed uint32 // the server's id of the statement that the command being sent is about; 0: it has the right one
	scratch []byte // of an OK packet that is not passed on as it came
}

// ErrServerLost is the session's end by the loss of a server. The client has been told where it could be.
var ErrServerLost = errors.New("server lost")

// Connect is Dial of a link without which the session ends.
func (s *Session) Connect(srv *Server) (*Link, error) { return s.Dial(srv, LinkConfig{}) }

func (s *Session) connect(ctx context.Context, srv *Server, c LinkConfig) (*Link, error) {
	ctx, stop := srv.whileUp(ctx)
	defer stop()
	conn, g, err := srv.dial(ctx)
	if err != nil {
		return nil, err
	}
	l := &Link{Server: srv, ThreadID: g.ConnectionID, s: s, fd: -1, config: c}
	defer abandon(ctx, conn.Conn)()
	if err := l.logIn(conn, g); err != nil {
		err = givenUp(ctx, err)
		srv.counts.fail(err, connectLogin)
		_ = conn.Close()
		return nil, &ServerError{srv, err}
	}
	_ = conn.SetDeadline(time.Time{})
	if tcp, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		l.LocalPort = tcp.Port
	}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		l.peer = netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap(), tcp.AddrPort().Port())
	}
	if l.fd, err = loop.Take(conn.Conn); err != nil {
		_ = conn.Close()
		return nil, &ServerError{srv, err}
	}
	srv.counts.connects.Add(1)
	return l, nil
}

func (l *Link) logIn(conn *packets, g *protocol.Greeting) error {
	s := l.s
	shape := s.caps &^ linkCaps
	if missing := shape &^ g.Capabilities; missing != 0 {
		return fmt.Errorf("it no longer has the capabilities %v that the client was greeted with", missing)
	}
	l.caps = shape | g.Capabilities&(linkCaps&^protocol.ClientConnectWithDB&^protocol.ClientConnectAttrs)
	l.caps |= s.caps & g.Capabilities & protocol.ClientConnectAttrs
	if l.config.State != nil {
		l.caps |= g.Capabilities & protocol.ClientSessionTrack
	}
	if !l.caps.Has(protocol.ClientProtocol41 | protocol.ClientSecureConnection) {
		return errors.New("it speaks a protocol older than 4.1")
	}
	if s.schema != "" {
		l.caps |= protocol.ClientConnectWithDB
	}
	login := protocol.Login{Capabilities: l.caps, Schema: s.schema, ConnectAttrs: s.connectAttrs}
	var err error
	if l.ok, err = s.logInAt(conn, g, &login, l.Server.network == "unix"); err != nil {
		return err
	}
	if s.reset {
		if err := l.reset(conn); err != nil {
			return err
		}
	}
	if len(conn.rest()) > 0 {
		return fmt.Errorf("bytes after its OK packet: %w", protocol.ErrMalformed)
	}
	l.reader.Server = l.Server.Config.Name
	if ok, err := protocol.DecodeOK(l.ok, l.caps); err == nil {
		l.status = ok.Status
	}
	return nil
}

// logInAt logs in to a server that has sent the greeting g, as the session's user with the session's settings. It
// returns the payload of the OK packet. A *protocol.SQLError is the server's refusal.
func (s *Session) logInAt(conn *packets, g *protocol.Greeting, login *protocol.Login, secure bool) ([]byte, error) {
	response, known := protocol.AuthResponse(g.AuthPlugin, s.account.password, g.AuthData)
	plugin := g.AuthPlugin
	if !known { // the server will ask to switch
		plugin = protocol.NativePassword
	}
	login.MaxPacket, login.Collation, login.User = s.maxPacket, s.collation, s.account.user
	login.AuthResponse, login.AuthPlugin = response, plugin
	if err := conn.writePacket(login.Append(nil)); err != nil {
		return nil, err
	}
	ok, err := logIn(conn, plugin, s.account.password, g.AuthData, secure)
	if err != nil {
		if _, refused := errors.AsType[*protocol.SQLError](err); !refused {
			err = fmt.Errorf("logging in: %w", err)
		}
		return nil, err
	}
	return ok, nil
}

// reset makes a new connection what those of its session are since a COM_RESET_CONNECTION: MySQL's have the server's own
// character sets then, and not those of the login.
// https://dev.mysql.com/doc/c-api/9.0/en/mysql-reset-connection.html
func (l *Link) reset(conn *packets) (err error) {
	l.ok, err = conn.ask([]byte{protocol.ComResetConnection})
	return err
}

// attach hands the link to the session's worker.
func (l *Link) attach() error {
	fd := l.fd
	if fd < 0 {
		return nil
	}
	l.fd = -1
	return l.conn.Open(l.s.worker, fd, l)
}

// Serve sends the command to the server and relays its reply, as it arrives, to w. Where the server is lost, the
// client gets error 1927 if it waits for a packet to begin, and the error wraps ErrServerLost.
func (l *Link) Serve(_ context.Context, w ReplyWriter, c *Command) error {
	if err := l.attach(); err != nil {
		return err
	}
	if k, ok := l.s.killingOf(c); ok {
		return l.s.kill(w, k)
	}
	if l.s.trace != nil {
		return l.serveTraced(w, c)
	}
	return l.exchange(w, c)
}

// exchange sends a command and relays its reply.
func (l *Link) exchange(w ReplyWriter, c *Command) error {
	frames := protocol.Framer{}
	l.reader.Reset(c.Com(), l.caps, 1)
	err := l.send(c, &frames)
	if !c.ExpectsReply() {
		l.quit = l.quit || c.Com() == protocol.ComQuit
		if side := (serverSide{}); errors.As(err, &side) {
			return fmt.Errorf("%w: %w", ErrServerLost, &ServerError{l.Server, side.error})
		}
		return err
	}
	in := replyBuffer{l: l}
	defer in.release()
	return l.receive(w, c, &frames, &in, err)
}

// receive relays the reply to a command, where sending it has ended in frames and sendErr.
func (l *Link) receive(w ReplyWriter, c *Command, frames *protocol.Framer, in *replyBuffer, sendErr error) error {
	if sendErr != nil && !isServerSide(sendErr) {
		return sendErr
	}
	if l.s.gone() { // the event that tells of it may have come with the command
		return fmt.Errorf("%w: it hung up during the command", errClientGone)
	}
	// Where sending failed, the server may have said why before it closed: that is read like any reply.
	l.reader.Reset(c.Com(), l.caps, frames.Seq)
	if isDump(c.Com()) {
		defer l.passAcks()()
	}
	err := l.relay(w, c, frames, in)
	if err == nil && sendErr != nil {
		return fmt.Errorf("%w: %w", ErrServerLost, sendErr)
	}
	return err
}

// serverSide marks an error of the connection to the server, to tell it from one to the client.
type serverSide struct{ error }

func (e serverSide) Unwrap() error { return e.error }

func isServerSide(err error) bool {
	var side serverSide
	return errors.As(err, &side)
}

// send writes a command, with what follows its first part.
func (l *Link) send(c *Command, frames *protocol.Framer) error {
	if err := l.sendFirst(c, frames); err != nil || c.Part == protocol.Whole {
		return err
	}
	return l.sendBody(c, frames)
}

// sendFirst writes a command's first part, with the server's own id of the statement it is about.
func (l *Link) sendFirst(c *Command, frames *protocol.Framer) error {
	const at = protocol.HeaderSize + 1
	if l.renamed == 0 || len(c.Data) < at+4 {
		return l.sendBytes(c.Data, frames)
	}
	id := binary.LittleEndian.Uint32(c.Data[at:])
	binary.LittleEndian.PutUint32(c.Data[at:], l.renamed)
	err := l.sendBytes(c.Data, frames)
	binary.LittleEndian.PutUint32(c.Data[at:], id)
	return err
}

func (l *Link) sendBody(c *Command, frames *protocol.Framer) error {
	for {
		b, err := c.Body.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.sendBytes(b, frames); err != nil {
			return err
		}
	}
}

func (l *Link) sendBytes(b []byte, frames *protocol.Framer) error {
	if _, err := frames.Feed(b); err != nil {
		return err
	}
	if err := l.conn.WriteSoon(b, 0); err != nil {
		if cancelled := l.s.cancelled; cancelled != nil {
			return cancelled
		}
		return serverSide{err}
	}
	l.traffic().sent += uint64(len(b))
	return nil
}

// unasked decodes an ERR packet that a server sends of its own accord, before it closes the connection.
func (l *Link) unasked(b []byte) *protocol.SQLError {
	if len(b) < protocol.HeaderSize || len(b) < protocol.HeaderSize+protocol.PayloadLen(b) {
		return nil
	}
	e, err := protocol.DecodeErr(b[protocol.HeaderSize : protocol.HeaderSize+protocol.PayloadLen(b)])
	if err != nil {
		return nil
	}
	return e
}

// Ready is what the worker says when the server speaks, or closes, while no task reads from it.
func (l *Link) Ready(_ *loop.Conn, _ bool) { l.s.linkReady() }

// idleInput reads what a server says that has not been asked, if anything: at best an ERR packet, in which it says why
// it closes.
func (l *Link) idleInput() error {
	buf := l.s.worker.Small()
	defer l.s.worker.PutSmall(buf)
	n, err := l.conn.ReadNow(buf)
	switch {
	case errors.Is(err, io.EOF):
		err = errors.New("it closed the connection")
	case err == nil && n == 0:
		return nil
	case err == nil:
		if e := l.unasked(buf[:n]); e != nil {
			err = e
		} else {
			err = fmt.Errorf("%d bytes that nobody asked for: %w", n, protocol.ErrMalformed)
		}
	}
	return fmt.Errorf("%w: %w", ErrServerLost, &ServerError{l.Server, err})
}

// traffic is where its worker counts what passes between Weir and the server.
func (l *Link) traffic() *traffic { return &l.s.home.tallies.servers[l.Server.slot] }

// close closes the connection, politely where no statement is running on it.
func (l *Link) close() {
	l.Server.links.Add(-1)
	if l.fd >= 0 {
		loop.CloseDescriptor(l.fd)
		l.fd = -1
		return
	}
	if l.conn.IsOpen() && !l.quit && l.reader.Done() {
		l.conn.WriteNow([]byte{1, 0, 0, 0, protocol.ComQuit})
	}
	l.conn.Close()
}
