package pipeline

import (
	"strings"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A Statement is what is known of all statements that differ only in their literals. It is immutable, may be kept, and
// may be shared by goroutines.
type Statement struct {
	sqlscan.Description
	// Digest is that of Canonical: the same in every process and session.
	Digest uint64
	// Canonical is the text without literals and comments.
	Canonical string
	// Flags are those of the text this was first seen with.
	Flags sqlscan.Flags
}

// maxKnown bounds what a worker keeps of statements: their number, and the length of a canonical text that is kept.
const (
	maxKnown     = 4096
	maxKnownText = 16 << 10
)

// statements is what a worker, or a session without one, knows of statements. Those used least lately make room.
type statements struct {
	scanner sqlscan.Scanner
	known   map[uint64]*known
	ring    []*known // in no order; hand goes round
	hand    int
}

type known struct {
	Statement
	used bool // since the hand came by
}

// scan returns what is known of a text, and the flags of this one.
func (k *statements) scan(text []byte, mode sqlscan.Mode) (*Statement, sqlscan.Flags) {
	canonical, digest, flags := k.scanner.Scan(text, mode)
	// A digest alone could be made to collide: a write must never pass for the read it collides with.
	if found := k.known[digest]; found != nil && found.Canonical == string(canonical) {
		found.used = true
		return &found.Statement, flags
	}
	fresh := &known{Statement: Statement{
		Description: sqlscan.Describe(canonical, mode), Digest: digest, Canonical: string(canonical), Flags: flags,
	}}
	if len(canonical) <= maxKnownText {
		k.keep(fresh)
	}
	return &fresh.Statement, flags
}

func (k *statements) keep(fresh *known) {
	if k.known == nil {
		k.known = make(map[uint64]*known)
	}
	if old := k.known[fresh.Digest]; old != nil { // a collision: the latest stays
		for i, v := range k.ring {
			if v == old {
				k.ring[i] = fresh
			}
		}
	} else if len(k.ring) < maxKnown {
		k.ring = append(k.ring, fresh)
	} else {
		for k.ring[k.hand].used {
			k.ring[k.hand].used = false
			k.hand = (k.hand + 1) % maxKnown
		}
		delete(k.known, k.ring[k.hand].Digest)
		k.ring[k.hand] = fresh
		k.hand = (k.hand + 1) % maxKnown
	}
	k.known[fresh.Digest] = fresh
}

// Statement returns what is known of the statement in a COM_QUERY or COM_STMT_PREPARE, nil for other commands. It is
// worked out once for each command. Of a command that is not Whole, it is about the part of the text that is there, and
// has the flag sqlscan.Incomplete. What a COM_STMT_EXECUTE executes, Prepared knows.
func (s *Session) Statement(c *Command) *Statement {
	if !c.scanned {
		c.scanned = true
		c.statement = nil
		if text, ok := c.Text(); ok {
			c.statement, c.flags = s.statements().scan(text, s.mode)
			if c.Part != protocol.Whole {
				c.flags |= sqlscan.Incomplete
			}
		}
	}
	return c.statement
}

// Flags returns what its canonical text does not say of the statement in c. Statement must have been called.
func (c *Command) Flags() sqlscan.Flags { return c.flags }

func (s *Session) statements() *statements {
	if s.home != nil {
		return &s.home.statements
	}
	if s.own == nil {
		s.own = new(statements)
	}
	return s.own
}

// Mode is how the session's statements read now: the server's dialect, and what the session has set.
func (s *Session) Mode() sqlscan.Mode { return s.mode }

// Status is the last server status flags that a reply to the session carried.
func (s *Session) Status() uint16 { return s.status }

// startMode sets the mode that the session logs in with.
func (s *Session) startMode() {
	s.mode = s.greeted.dialect
	s.setCharset(charsetOf(s.collation))
}

// charsetOf returns the character set of a collation id, as far as it changes how statements read.
// https://dev.mysql.com/doc/refman/8.4/en/information-schema-collations-table.html
func charsetOf(collation uint8) string {
	switch collation {
	case 13, 88, 95, 96:
		return "sjis"
	case 1, 28, 84, 87, 248, 249, 250:
		return "gbk"
	}
	return ""
}

func (s *Session) setCharset(name string) {
	s.mode &^= sqlscan.SJIS | sqlscan.GBK
	switch name {
	case "sjis", "cp932":
		s.mode |= sqlscan.SJIS
	case "gbk", "gb18030", "big5":
		s.mode |= sqlscan.GBK
	}
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

// noteAssignments keeps up with what a SET statement, which a server has carried out, changes of how statements read.
func (s *Session) noteAssignments(text []byte) {
	all, _ := sqlscan.Assignments(text, s.mode)
	for _, a := range all {
		switch {
		case a.Scope != "session" || !a.Literal:
		case a.Name == "sql_mode":
			s.mode &^= sqlscan.AnsiQuotes
			if ansiQuotes(a.Value) {
				s.mode |= sqlscan.AnsiQuotes
			}
		case a.Name == "names", a.Name == "character set", a.Name == "character_set_client":
			name, _, _ := strings.Cut(strings.ToLower(a.Value), " ")
			s.setCharset(name)
		}
	}
}

// ansiQuotes reports whether a value of sql_mode has ANSI_QUOTES, by its own name or that of a mode that includes it.
func ansiQuotes(mode string) bool {
	for name := range strings.SplitSeq(strings.ToUpper(mode), ",") {
		switch strings.TrimSpace(name) {
		case "ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL":
			return true
		}
	}
	return false
}
