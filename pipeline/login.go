package pipeline

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/weirproxy/weir/pipeline/loop"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// login takes a client through the connection phase and hands its session to a worker. It runs on a goroutine of its
// own, after Process.arrive.
func (l *Listener) login(ctx context.Context, nc net.Conn) {
	conn := newPackets(nc)
	s := &Session{
		id: l.process.nextID(), from: peerOf(nc), listener: l, logger: l.log, maxPacket: 1 << 24,
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) })
	err := s.logIn(ctx, conn)
	if ctx.Err() != nil {
		err = errDraining
	}
	if err == nil {
		err = s.start(conn)
	}
	if err == nil {
		return
	}
	stop()
	s.closeLinks()
	s.uncount()
	l.counts.refused[refusalOf(err)].Add(1)
	s.refuse(conn, err)
	s.cancel()
	s.close()
	l.process.sessions.Done()
}

// logIn greets the client, finds out who it is and opens its chain.
func (s *Session) logIn(ctx context.Context, conn *packets) (err error) {
	defer s.recovered(&err)
	l := s.listener
	s.counted = true
	if n, limit := l.clients.Add(1), l.Config.MaxConnections; limit > 0 && n > int64(limit) {
		return errFull
	}
	server, err := l.Config.Pipeline.Greeting(s.ctx)
	if err != nil {
		return noChain(err)
	}
	greeting := protocol.Greeting{
		ServerVersion: server.ServerVersion, ConnectionID: s.id, AuthData: protocol.NewNonce(),
		Capabilities: server.Capabilities&^foreignCaps | linkCaps&^protocol.ClientMySQL,
		Charset:      server.Charset, Status: server.Status, AuthPlugin: protocol.CachingSha2Password,
	}
	if server.AuthPlugin == protocol.NativePassword {
		greeting.AuthPlugin = protocol.NativePassword
	}
	deadline := time.Now().Add(l.Config.LoginTimeout)
	_ = conn.SetDeadline(deadline)
	if ctx.Err() != nil { // its deadline has just been overwritten
		return errDraining
	}
	s.greeted = greeted{
		nonce: greeting.AuthData, plugin: greeting.AuthPlugin, status: greeting.Status, dialect: dialectOf(&greeting),
	}
	if err := conn.writePacket(greeting.Append(nil)); err != nil {
		return err
	}
	payload, err := conn.readPacket()
	if err != nil {
		return err
	}
	if protocol.IsSSLRequest(payload) {
		return badLogin(errors.New("the client asks for TLS, which it was not offered"))
	}
	login, err := protocol.DecodeLogin(payload)
	if err != nil {
		return badLogin(err)
	}
	s.caps = login.Capabilities & greeting.Capabilities
	s.user, s.schema, s.collation = login.User, login.Schema, login.Collation
	s.connectAttrs = login.ConnectAttrs
	if login.MaxPacket > 0 {
		s.maxPacket = login.MaxPacket
	}
	cred := credential{
		user: login.User, from: s.from, secure: !s.from.addr.IsValid(), plugin: login.AuthPlugin,
		response: login.AuthResponse, greeted: greeting.AuthPlugin, nonce: greeting.AuthData,
		do: func(f func() error) error { return f() }, plugins: s.caps.Has(protocol.ClientPluginAuth),
	}
	if cred.plugin == "" { // a client that knows no plugins
		cred.plugin = protocol.NativePassword
	}
	if s.account, err = l.Config.Accounts.authenticate(conn, &cred); err != nil {
		return err
	}
	s.startMode()
	if err := s.open(); err != nil {
		return noChain(err)
	}
	return nil
}

// dialectOf is how a server with that greeting reads statements.
func dialectOf(g *protocol.Greeting) sqlscan.Mode {
	if strings.Contains(g.ServerVersion, "MariaDB") {
		return sqlscan.MariaDB
	}
	return 0
}

// uncount takes the session from those that count against MaxConnections.
func (s *Session) uncount() {
	if s.counted {
		s.counted = false
		s.listener.clients.Add(-1)
	}
}

// refusal is an error with what the client is told of it, which leaves out what is not the client's business.
type refusal struct {
	*protocol.SQLError
	err error
}

func (r refusal) Error() string   { return r.err.Error() }
func (r refusal) Unwrap() []error { return []error{r.SQLError, r.err} }

// noChain is the refusal of a client for whom no chain could be opened: in the words of the server that refused, or of
// the handler, where they are MySQL's.
func noChain(err error) error {
	if _, ok := errors.AsType[*protocol.SQLError](err); ok {
		return err
	}
	if server, ok := errors.AsType[*ServerError](err); ok {
		err = &NoServerError{[]error{server}}
	}
	if none, ok := errors.AsType[*NoServerError](err); ok {
		return refusal{&protocol.SQLError{
			Code: protocol.ErNoServer, State: "08001", Message: "Can't connect to any server: " + none.Brief(),
		}, err}
	}
	return refusal{&protocol.SQLError{Code: protocol.ErUnknown, State: "HY000", Message: err.Error()}, err}
}

// refuse ends a login that failed: it tells the client and the log why.
func (s *Session) refuse(conn *packets, err error) {
	defer func() { _ = conn.Close() }()
	var e *protocol.SQLError
	var seq errSequence
	switch {
	case errors.As(err, &e):
	case errors.As(err, &seq):
		e = &protocol.SQLError{
			Code: protocol.ErNetPacketsOutOfOrder, State: "08S01", Message: "Got packets out of order",
		}
		conn.seq = seq.got + 1
	case errors.Is(err, protocol.ErrMalformed):
		e = &protocol.SQLError{Code: protocol.ErHandshake, State: "08S01", Message: "Bad handshake"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.Log().Info("login took too long, client disconnected", "login_timeout", s.listener.Config.LoginTimeout)
		return
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		s.Log().Debug("client left before it had logged in", "error", err)
		return
	}
	if e != nil {
		_ = conn.SetDeadline(time.Now().Add(lingerFor))
		if conn.writePacket(e.Append(nil)) == nil {
			drainInput(conn.Conn)
		}
	}
	s.Log().Warn("login refused", "error", err)
}

// drainInput reads what the client still sends, for at most lingerFor, so that closing with unread input does not make
// the kernel throw away the error it was sent.
func drainInput(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(c, maxLogin))
	}
}

// start hands the session to a worker, which sends the OK packet of the login. From here on, the session ends itself.
func (s *Session) start(conn *packets) error {
	_ = conn.SetDeadline(time.Time{})
	ok := s.loginOK()
	s.noteLogin(ok)
	fd, err := loop.Take(conn.Conn)
	if err != nil {
		return err
	}
	s.client.session, s.client.timeout = s, s.listener.Config.WriteTimeout
	s.began = time.Now()
	s.listener.counts.opened.Add(1)
	if !s.listener.process.adopt(s, fd, conn.rest(), protocol.AppendPacket(nil, conn.seq, ok)) {
		loop.CloseDescriptor(fd)
		s.listener.counts.opened.Add(^uint64(0))
		return errDraining
	}
	return nil
}
