package pipeline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// Clients kill by the connection id they were greeted with, as the command line clients do at Ctrl-C. That is Weir's id
// of the session; the servers know it by others. A KILL of one of Weir's ids goes, as the user who asks, to the servers
// of that session with their ids. What waits in Weir for a server, and sessions that have no connection just now, are known
// to no server: Weir ends those. A KILL of any other id is the server's business and passes as it is.

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

// kill serves a KILL of one of Weir's sessions. One that kills itself is told as by a server: the statement that it kills is
// that KILL.
func (s *Session) kill(w ReplyWriter, k killing) error {
	switch {
	case k.id != s.id || s.branch != nil:
	case k.whole():
		return errKilled
	default:
		return Error(w, ErrInterrupted)
	}
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

// A victim is a session that is to be killed, as it was when it was looked at.
type victim struct {
	s          *Session
	user       string
	serial     uint64  // of the command that it served
	asked      []*Link // whose servers are to kill them
	expendable bool    // it can go on without them
}

// victimOf finds the session to be killed, nil where there is none. It blocks.
func (s *Session) victimOf(k killing) *victim {
	found := s.listener.process.session(k.id)
	if found == nil || found.listener != s.listener || s.branch != nil { // no copy of a statement kills a client
		return nil
	}
	looked := make(chan *victim, 1)
	if !found.onWorker(func() { looked <- found.asVictim(k, s.user) }) {
		return nil
	}
	return <-looked
}

// asVictim is nil where the session's connections are in other hands. It runs on the worker.
func (s *Session) asVictim(k killing, killer string) *victim {
	if s.opening || s.ended {
		return nil
	}
	v := &victim{s: s, user: s.user, serial: s.killable.serial, expendable: len(s.links) == 0}
	var open []*Link
	for _, l := range s.links {
		v.expendable = v.expendable || l.config.Lost != nil
		if !l.IsOpen() { // it has been severed
			continue
		}
		open = append(open, l)
		if s.killable.errand && l == s.killable.own { // no statement of the client's runs there
			continue
		}
		if l.config.Lost == nil || k.whole() || !l.reader.Done() { // idle ones have no statement to be killed
			v.asked = append(v.asked, l)
		}
	}
	if len(v.asked) == 0 && v.user != killer { // servers know who may kill whom, and find nothing to be killed
		v.asked = open
	}
	return v
}

// still reports whether the session serves the command that it did. It blocks.
func (v *victim) still() bool {
	looked := make(chan bool, 1)
	return v.s.onWorker(func() { looked <- v.s.killable.serial == v.serial }) && <-looked
}

// kill ends what no server does. It blocks.
func (v *victim) kill(k killing) {
	done := make(chan struct{})
	posted := v.s.onWorker(func() {
		defer close(done)
		switch {
		case !k.whole():
			v.s.killCommand(v.serial)
		case v.expendable: // it would go on with other connections
			v.s.interrupt(errKilled)
		}
	})
	if posted {
		<-done
	}
}

// killElsewhere has servers kill the session's connections, and then what they do not know of. It blocks.
func (s *Session) killElsewhere(k killing) (refused *protocol.SQLError, err error) {
	v := s.victimOf(k)
	if v == nil {
		return &protocol.SQLError{
			Code: protocol.ErNoSuchThread, State: "HY000", Message: fmt.Sprintf("Unknown thread id: %d", k.id),
		}, nil
	}
	may := v.user == s.user // where there is no server to ask
	for _, l := range v.asked {
		no, failed := s.killAt(l, k, v)
		switch {
		case no == nil && failed == nil:
			may = true
		case !v.expendable, no != nil && no.Code != protocol.ErNoSuchThread:
			return no, failed
		case failed != nil: // it is lost already, or its server is
			err = failed
		}
	}
	switch {
	case may:
		v.kill(k)
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &protocol.SQLError{
		Code: protocol.ErKillDenied, State: "HY000", Message: fmt.Sprintf("You are not owner of thread %d", k.id),
	}, nil
}

// errKilled ends a session that was killed.
var errKilled = &protocol.SQLError{
	Code: protocol.ErConnectionKilled, State: "70100", Message: "Connection was killed",
}

// killAt has a server kill l, or its statement, on a connection of its own, as the session's user.
func (s *Session) killAt(l *Link, k killing, v *victim) (refused *protocol.SQLError, err error) {
	srv := l.Server
	conn, g, err := srv.dial(s.ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	caps := g.Capabilities & (linkCaps &^ protocol.ClientConnectWithDB &^ protocol.ClientConnectAttrs)
	if _, err := s.logInAt(conn, g, &protocol.Login{Capabilities: caps}, srv.network == "unix"); err != nil {
		return nil, &ServerError{srv, err}
	}
	defer func() {
		conn.seq = 0
		_ = conn.writePacket([]byte{protocol.ComQuit})
	}()
	if !k.whole() && !v.still() { // the next statement is not to be hit
		return nil, nil
	}
	_, err = conn.ask(strconv.AppendUint(append([]byte{protocol.ComQuery}, k.verb...), uint64(l.ThreadID), 10))
	if refused, ok := errors.AsType[*protocol.SQLError](err); ok {
		return refused, nil
	}
	if err != nil {
		return nil, &ServerError{srv, err}
	}
	return nil, nil
}
