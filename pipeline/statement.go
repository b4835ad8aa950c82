package pipeline

import (
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
	known   map[uint64]*known // by the key of digest and mode
	ring    []*known          // in no order; hand goes round
	hand    int
}

type known struct {
	Statement
	key     uint64
	mode    sqlscan.Mode // what of it matters to the canonical text
	flagged *Statement   // of texts with flags that make it uncertain
	used    bool         // since the hand came by
}

// of returns the statement of a text with these flags.
func (k *known) of(flags sqlscan.Flags) *Statement {
	d := k.Flagged(flags)
	if d.Effects == k.Effects {
		return &k.Statement
	}
	if k.flagged == nil {
		st := k.Statement
		st.Description, st.Flags = d, flags
		k.flagged = &st
	}
	return k.flagged
}

// scan returns what is known of a text, and the flags of this one. more are flags that the text itself does not show.
func (k *statements) scan(text []byte, mode sqlscan.Mode, more sqlscan.Flags) (*Statement, sqlscan.Flags) {
	canonical, digest, flags := k.scanner.Scan(text, mode)
	flags |= more
	// What a canonical text means is the server's matter. Sessions of one worker may be on several.
	mode &= sqlscan.MariaDB | charsetModes
	key := digest ^ uint64(mode)<<56
	// A digest alone could be made to collide: a write must never pass for the read it collides with.
	if found := k.known[key]; found != nil && found.mode == mode && found.Canonical == string(canonical) {
		found.used = true
		return found.of(flags), flags
	}
	fresh := &known{key: key, mode: mode, Statement: Statement{
		Description: sqlscan.Describe(canonical, mode), Digest: digest, Canonical: string(canonical), Flags: flags,
	}}
	if len(canonical) <= maxKnownText {
		k.keep(fresh)
	}
	return fresh.of(flags), flags
}

func (k *statements) keep(fresh *known) {
	if k.known == nil {
		k.known = make(map[uint64]*known)
	}
	if old := k.known[fresh.key]; old != nil { // a collision: the latest stays
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
		delete(k.known, k.ring[k.hand].key)
		k.ring[k.hand] = fresh
		k.hand = (k.hand + 1) % maxKnown
	}
	k.known[fresh.key] = fresh
}

// Statement returns what is known of the statement in a COM_QUERY or COM_STMT_PREPARE, nil for other commands. It is
// worked out once for each command. Of a command that is not Whole, it is about the part of the text that is there, and
// has the flag sqlscan.Incomplete. Where the text goes on, or not all servers read it alike, its Effects have
// sqlscan.Uncertain. What a COM_STMT_EXECUTE executes, Prepared knows.
func (s *Session) Statement(c *Command) *Statement {
	if !c.scanned {
		c.scanned = true
		c.statement = nil
		if text, ok := c.Text(); ok {
			var more sqlscan.Flags
			if c.Part != protocol.Whole {
				more = sqlscan.Incomplete
			}
			c.statement, c.flags = s.statements().scan(text, s.mode, more)
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
