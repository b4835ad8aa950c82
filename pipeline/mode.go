package pipeline

import (
	"strconv"
	"strings"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// How statements read follows the server's status flags, what it tells of system variables to clients that ask for it,
// and the SET statements that it has carried out. What a server does unasked stays unknown: character sets of its
// init_connect, and a sql_mode with ANSI_QUOTES that a MySQL has in its own settings or changes in a stored procedure.
// In doubt "x" is a string: what is none then shows no more than it should in logs.

// Mode is how the session's statements read now: the server's dialect, and what the session has set.
func (s *Session) Mode() sqlscan.Mode { return s.mode }

// Status is the last server status flags that a reply to the session carried.
func (s *Session) Status() uint16 { return s.status }

// startMode sets the mode that the session begins with, at its login or anew.
func (s *Session) startMode() {
	s.mode = s.greeted.dialect
	s.setCharset(collationMode(int(s.collation)))
	s.noteStatus(s.status)
}

func (s *Session) setCharset(mode sqlscan.Mode) { s.mode = s.mode&^charsetModes | mode }

// setSQLMode takes a value of sql_mode, as far as the status flags do not tell.
func (s *Session) setSQLMode(value string) {
	s.mode &^= sqlscan.AnsiQuotes
	if ansiQuotes(value) {
		s.mode |= sqlscan.AnsiQuotes
	}
}

// noteReply keeps up with what an OK packet, or the end of rows, says of the session's state.
func (s *Session) noteReply(p *protocol.Chunk) {
	if p.Status != s.status {
		s.noteStatus(p.Status)
	}
	if p.Status&protocol.StatusMoreResultsExists != 0 {
		s.results++
	}
	if p.Status&protocol.StatusSessionStateChange == 0 {
		return
	}
	if ok, err := protocol.DecodeOK(p.Payload(), s.caps); err == nil {
		s.noteState(ok.SessionState)
	}
}

// noteLogin keeps up with what the OK packet of a login to a server says. It returns the status flags.
func (s *Session) noteLogin(payload []byte) (status uint16) {
	ok, err := protocol.DecodeOK(payload, s.caps)
	if err != nil {
		return s.status
	}
	s.noteStatus(ok.Status)
	s.noteState(ok.SessionState)
	return ok.Status
}

// noteStatus keeps up with the server's status flags.
func (s *Session) noteStatus(status uint16) {
	s.status = status
	s.mode &^= sqlscan.NoBackslashEscapes
	if status&protocol.StatusNoBackslashEscapes != 0 {
		s.mode |= sqlscan.NoBackslashEscapes
	}
	if s.mode&sqlscan.MariaDB != 0 { // MySQL does not say
		s.mode &^= sqlscan.AnsiQuotes
		if status&protocol.StatusAnsiQuotes != 0 {
			s.mode |= sqlscan.AnsiQuotes
		}
	}
}

// noteState keeps up with what a server tells a client that has asked for session tracking.
func (s *Session) noteState(state []byte) {
	for len(state) > 0 {
		kind, data, rest, err := protocol.NextStateChange(state)
		if err != nil {
			return
		}
		first, n := protocol.LenencString(data)
		switch {
		case n == 0:
		case kind == protocol.SessionTrackSchema:
			if string(first) != s.schema {
				s.schema = string(first)
			}
		case kind == protocol.SessionTrackSystemVariables:
			if value, n := protocol.LenencString(data[n:]); n > 0 {
				s.noteVariable(string(first), string(value))
			}
		}
		state = rest
	}
}

// noteVariable keeps up with a system variable.
func (s *Session) noteVariable(name, value string) {
	switch name {
	case "character_set_client":
		s.setCharset(charsetMode(value))
	case "sql_mode":
		if s.mode&sqlscan.MariaDB == 0 {
			s.setSQLMode(value)
		}
	}
}

// noteAssignments keeps up with what SET statements change of how statements read: those of a text whose first
// statements servers have carried out.
func (s *Session) noteAssignments(text []byte, statements int) {
	for _, a := range sqlscan.AllAssignments(text, s.mode, statements) {
		if a.Scope != "session" {
			continue
		}
		known := a.Literal && !strings.EqualFold(a.Value, "default")
		switch a.Name {
		case "sql_mode":
			if s.mode&sqlscan.MariaDB != 0 {
				continue // status flags say
			}
			if !known {
				a.Value = ""
			}
			s.setSQLMode(a.Value)
		case "names", "character set", "character_set_client":
			switch {
			case known:
				s.setCharset(charsetMode(a.Value))
			case !s.caps.Has(protocol.ClientSessionTrack): // else the server has told
				s.setCharset(collationMode(int(s.collation))) // most put back what was there
			}
		}
	}
}

// ansiQuotes reports whether a value of sql_mode has ANSI_QUOTES, by its own name or that of a mode that includes it, or
// by its number.
func ansiQuotes(mode string) bool {
	if n, err := strconv.ParseUint(mode, 10, 64); err == nil {
		return n&4 != 0
	}
	for name := range strings.SplitSeq(strings.ToUpper(mode), ",") {
		switch strings.TrimSpace(name) {
		case "ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL":
			return true
		}
	}
	return false
}
