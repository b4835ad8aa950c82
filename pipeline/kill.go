package pipeline

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// Clients kill by the connection id they were greeted with, as the command line clients do at Ctrl-C. That is Weir's id
// of the session; the servers know it by others. A KILL of one of Weir's ids goes, as the user who asks, to the servers
// of that session with their ids. A KILL of any other id is the server's business and passes as it is.

// killStatement is https://mariadb.com/kb/en/kill/ and https://dev.mysql.com/doc/refman/8.4/en/kill.html with a number.
var killStatement = regexp.MustCompile(
	`(?i)^(KILL\s+(?:HARD\s+|SOFT\s+)?(?:CONNECTION\s+|QUERY\s+)?)(\d{10})\s*;?\s*$`)

// A killing is a KILL of one of Weir's sessions.
type killing struct {
	id   uint32
	verb string // KILL with its options and a space behind it
}

// whole reports whether the session is to end, and not only its statement.
func (k killing) whole() bool { return !strings.Contains(strings.ToUpper(k.verb), "QUERY") }

// killingOf reports whether c is a KILL of one of Weir's ids. It is asked of every command.
func (s *Session) killingOf(c *Command) (killing, bool) {
	switch c.Com() {
	case protocol.ComQuery:
		if st := s.Statement(c); st == nil || st.Class != sqlscan.Kill {
			return killing{}, false
		}
		text, _ := c.Text()
		code, _ := sqlscan.Code(nil, text, s.mode)
		m := killStatement.FindSubmatch(code)
		if m == nil {
			return killing{}, false
		}
		id, err := strconv.ParseUint(string(m[2]), 10, 32)
		return killing{uint32(id), string(m[1])}, err == nil && id > firstID
	case protocol.ComProcessKill:
		if p := c.Payload(); len(p) == 5 {
			id := binary.LittleEndian.Uint32(p[1:])
			return killing{id, "KILL "}, id > firstID
		}
	}
	return killing{}, false
}

// kill serves a KILL of one of Weir's sessions.
func (s *Session) kill(w ReplyWriter, k killing) error {
	var refused *protocol.SQLError
	err := s.Do(func() (err error) {
		refused, err = s.killElsewhere(k)
		return err
	})
	if err != nil {
		refused = clientError(noChain(err))
	}
	if refused != nil {
		return Error(w, refused)
	}
	ok := protocol.OK{Status: s.status}
	return w.WriteReply(&protocol.Chunk{
		Data: protocol.AppendPacket(nil, 0, ok.Append(nil, s.caps)), Count: 1, Kind: protocol.KindOK, Final: true,
		Status: s.status,
	})
}

// killElsewhere finds the session's connections and has each killed. It blocks.
func (s *Session) killElsewhere(k killing) (refused *protocol.SQLError, err error) {
	type connection struct {
		server   *Server
		threadID uint32
	}
	unknown := &protocol.SQLError{
		Code: protocol.ErNoSuchThread, State: "HY000", Message: fmt.Sprintf("Unknown thread id: %d", k.id),
	}
	victim := s.listener.process.session(k.id)
	if victim == nil || victim.listener != s.listener || s.branch != nil { // no copy of a statement kills a client
		return unknown, nil
	}
	found := make(chan []connection, 1)
	expendable := false
	posted := victim.onWorker(func() {
		var all []connection
		if victim.opening { // its connections are in other hands
			found <- nil
			return
		}
		for _, l := range victim.links {
			expendable = expendable || l.config.Lost != nil
			if l.config.Lost == nil || k.whole() || !l.reader.Done() { // idle ones have no statement to be killed
				all = append(all, connection{l.Server, l.ThreadID})
			}
		}
		found <- all
	})
	if !posted {
		return unknown, nil
	}
	all := <-found
	if len(all) == 0 && (k.whole() || !expendable) {
		return unknown, nil
	}
	killed := false
	for _, c := range all {
		no, failed := s.killAt(c.server, k.verb+strconv.FormatUint(uint64(c.threadID), 10))
		switch {
		case no == nil && failed == nil:
			killed = true
		case !expendable, !k.whole(), no != nil && no.Code != protocol.ErNoSuchThread:
			return no, failed
		default: // one that is lost already, or whose server is
			refused, err = no, failed
		}
	}
	if !killed { // no server has said that the user may
		return refused, err
	}
	if k.whole() && expendable { // it would go on with other connections
		victim.onWorker(func() { victim.interrupt(errKilled) })
	}
	return nil, nil
}

// errKilled ends a session that was killed.
var errKilled = &protocol.SQLError{
	Code: protocol.ErConnectionKilled, State: "70100", Message: "Connection was killed",
}

// killAt runs one statement at a server on a connection of its own, as the session's user.
func (s *Session) killAt(srv *Server, statement string) (refused *protocol.SQLError, err error) {
	conn, g, err := srv.dial(s.ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	caps := g.Capabilities & (linkCaps &^ protocol.ClientConnectWithDB &^ protocol.ClientConnectAttrs)
	if _, err := s.logInAt(conn, g, &protocol.Login{Capabilities: caps}, srv.network == "unix"); err != nil {
		return nil, &ServerError{srv, err}
	}
	conn.seq = 0
	if err := conn.writePacket(append([]byte{protocol.ComQuery}, statement...)); err != nil {
		return nil, &ServerError{srv, err}
	}
	payload, err := conn.readPacket()
	if err != nil {
		return nil, &ServerError{srv, err}
	}
	conn.seq = 0
	_ = conn.writePacket([]byte{protocol.ComQuit})
	if len(payload) > 0 && payload[0] == 0xff {
		refused, err := protocol.DecodeErr(payload)
		if err != nil {
			return nil, &ServerError{srv, err}
		}
		return refused, nil
	}
	return nil, nil
}
