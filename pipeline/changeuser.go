package pipeline

import (
	"errors"
	"fmt"
	"io"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// changeUser serves COM_CHANGE_USER: the client logs in anew, and the session goes on as the new user's, on a new
// chain and new connections to the servers. As in MySQL, a client that is refused is disconnected.
func (s *Session) changeUser(c *Command) error {
	if c.Part != protocol.Whole {
		return badLogin(protocol.ErrMalformed)
	}
	request, err := protocol.DecodeChangeUser(c.Payload(), s.caps)
	if err != nil {
		return badLogin(err)
	}
	cred := credential{
		user: request.User, from: s.from, secure: !s.from.addr.IsValid(), plugin: request.AuthPlugin,
		response: request.AuthResponse, greeted: s.greeted.plugin, nonce: s.greeted.nonce, do: s.Do,
		plugins: s.caps.Has(protocol.ClientPluginAuth),
	}
	if cred.plugin == "" {
		cred.plugin = protocol.NativePassword
	}
	if cred.plugins {
		// Clients differ in which nonce they remember from their login: a new one leaves no doubt.
		cred.response, cred.greeted = nil, ""
		if cred.plugin != protocol.CachingSha2Password {
			cred.plugin = protocol.NativePassword
		}
	}
	acc, err := s.listener.Config.Accounts.authenticate(clientPackets{&s.client}, &cred)
	if err != nil {
		return err
	}
	s.closeLinks()
	s.account, s.user, s.schema, s.reset = acc, acc.user, request.Schema, false
	s.status = 0
	if request.Collation != 0 && request.Collation <= 0xff {
		s.collation = uint8(request.Collation)
	}
	if len(request.ConnectAttrs) > 0 {
		s.connectAttrs = request.ConnectAttrs
	}
	s.startMode()
	if err := s.reopen(); err != nil {
		return err
	}
	ok := s.loginOK()
	return s.client.WriteReply(&protocol.Chunk{
		Data: protocol.AppendPacket(nil, 0, ok), Count: 1, Kind: protocol.KindOK, Final: true, Status: s.noteLogin(ok),
	})
}

// beginAnew goes on after a COM_RESET_CONNECTION that the servers have carried out: handlers are opened anew, on the
// connections there are.
func (s *Session) beginAnew() error {
	s.reset = true
	s.startMode()
	s.carried, s.links = s.links, nil
	return s.reopen()
}

// reopen closes the chain and opens a new one.
func (s *Session) reopen() error {
	s.opening = true
	err := s.worker.Await(func() error {
		s.close()
		return s.open()
	})
	s.opening = false
	for _, l := range s.carried {
		l.close()
	}
	s.carried = nil
	if err != nil {
		return noChain(err)
	}
	if err := s.attachLinks(); err != nil {
		return err
	}
	s.obeyCutter()
	return nil
}

// open opens the chain. It blocks.
func (s *Session) open() (err error) {
	defer s.recovered(&err)
	s.prepared = Prepared{textless: true}
	s.life++
	s.cutter, s.leaving, s.errand = nil, nil, nil
	chain, err := s.listener.Config.Pipeline.Open(s)
	s.chain = chain
	return err
}

// Carried is the connection to one of servers that the session had before it was reset, nil where there is none.
// Connect returns it for that server. It may be called in Open.
func (s *Session) Carried(servers []*Server) *Server {
	for _, l := range s.carried {
		for _, srv := range servers {
			if l.Server == srv {
				return srv
			}
		}
	}
	return nil
}

func (s *Session) takeCarried(srv *Server) *Link {
	for i, l := range s.carried {
		if l.Server == srv {
			s.carried = append(s.carried[:i], s.carried[i+1:]...)
			s.links = append(s.links, l)
			return l
		}
	}
	return nil
}

// attachLinks hands new links to the worker, and opens new branches there.
func (s *Session) attachLinks() error {
	for _, l := range s.links {
		if err := l.attach(); err != nil {
			return err
		}
	}
	s.startBranches()
	return nil
}

// loginOK is the payload of the OK packet that lets the client in: the server's own, where there is a server yet.
func (s *Session) loginOK() []byte {
	if len(s.links) > 0 && len(s.links[0].ok) > 0 {
		ok := s.links[0].ok
		s.links[0].ok = nil
		return ok
	}
	ok := protocol.OK{Status: s.greeted.status}
	return ok.Append(nil, s.caps)
}

// badLogin is the answer to a login that cannot be understood.
func badLogin(err error) error {
	return fmt.Errorf("%w: %w", &protocol.SQLError{
		Code: protocol.ErHandshake, State: "08S01", Message: "Bad handshake",
	}, err)
}

// noteStatement keeps up with what a command has changed: the default schema where the client has not asked for session
// tracking, and how statements read. last is the last packet of the reply.
func (s *Session) noteStatement(c *Command, statement *Statement, last protocol.Kind) {
	if c.Part != protocol.Whole {
		return
	}
	if c.Com() == protocol.ComInitDB && last == protocol.KindOK && !s.caps.Has(protocol.ClientSessionTrack) {
		s.schema = string(c.Payload()[1:])
	}
	if statement == nil {
		return
	}
	switch {
	case statement.Class == sqlscan.Many:
		if text, ok := c.Text(); ok && c.Com() == protocol.ComQuery {
			done := statement.Statements
			if last == protocol.KindErr {
				done = s.results
			}
			s.noteUse(text, done)
			s.noteAssignments(text, done)
		}
	case last != protocol.KindOK:
	case statement.Class == sqlscan.Use:
		s.noteUse(s.textOf(c), 1)
	case statement.Class == sqlscan.Set:
		s.noteAssignments(s.textOf(c), 1)
	}
}

// noteUse keeps up with the default schema by a text whose first statements servers have carried out, where they do not tell.
func (s *Session) noteUse(text []byte, statements int) {
	if s.caps.Has(protocol.ClientSessionTrack) {
		return
	}
	if schema, ok := sqlscan.LastUseSchema(text, s.mode, statements); ok {
		s.schema = schema
	}
}

// textOf is the text that a command executes, as text or prepared, nil where there is none.
func (s *Session) textOf(c *Command) []byte {
	switch c.Com() {
	case protocol.ComQuery:
		text, _ := c.Text()
		return text
	case protocol.ComStmtExecute:
		if st := s.prepared.Of(c); st != nil {
			return []byte(st.Text)
		}
	}
	return nil
}

// statementOf returns what is known of the statement that c is about, nil where it is about none.
func (s *Session) statementOf(c *Command) *Statement {
	if st := s.prepared.Of(c); st != nil {
		return st.Statement
	}
	return s.Statement(c)
}

// clientPackets is the client's end as a packetConn, for an authentication inside a session.
type clientPackets struct{ c *client }

func (p clientPackets) writePacket(payload []byte) error {
	c := p.c
	if err := c.writeNumbered(protocol.AppendPacket(nil, 0, payload)); err != nil {
		return err
	}
	c.frames.Seq = c.seq
	return c.flush()
}

func (p clientPackets) readPacket() ([]byte, error) {
	c := p.c
	var packet []byte
	for {
		want := c.frames.Wanted()
		if len(packet) >= protocol.HeaderSize {
			want = c.frames.Left
		}
		if want == 0 {
			break
		}
		b, err := c.nextBytes(want)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: %w", errClientGone, err)
			}
			return nil, err
		}
		if _, err := c.frames.Feed(b); err != nil {
			return nil, badLogin(err)
		}
		packet = append(packet, b...)
		if c.frames.Length > maxLogin {
			return nil, badLogin(protocol.ErrMalformed)
		}
	}
	c.seq = c.frames.Seq
	return packet[protocol.HeaderSize:], nil
}
