// Package sqlscan reads statements as MySQL and MariaDB do, as far as a proxy needs: it finds out which statements are
// the same but for their literals, what kind of statement each is, and what it does to its session.
//
// A Scanner makes the canonical text and the digest of a statement in one pass, without allocating. What follows
// from the canonical text alone (Describe) is worked out once for each digest and kept by the caller.
package sqlscan

// Mode is what a session has set that changes how its statements read.
type Mode uint8

// The bits of a Mode.
const (
	// MariaDB reads as MariaDB does, otherwise as MySQL does: their keywords and executable comments differ.
	MariaDB Mode = 1 << iota
	// AnsiQuotes has "x" be an identifier. https://dev.mysql.com/doc/refman/8.4/en/sql-mode.html#sqlmode_ansi_quotes
	AnsiQuotes
	// NoBackslashEscapes has a backslash in a string be itself.
	NoBackslashEscapes
	// SJIS is for a character_set_client of sjis or cp932, GBK for gbk or gb18030, Big5 for big5: there a backslash or a
	// quote may be the second byte of a character.
	SJIS
	GBK
	Big5
	// Latin is for latin1, latin2, latin5, latin7, cp1250, greek, hebrew, dec8, geostd8 or armscii8, where the byte a0 is
	// white space; DOS for cp852, cp866 or keybcs2, where ff is.
	Latin
	DOS
)

// pairs are the modes in which two bytes may be one character.
const pairs = SJIS | GBK | Big5

// Flags say what the canonical text does not.
type Flags uint8

// The bits of Flags.
const (
	// Incomplete is a text that ends inside a string, a quoted name or a comment.
	Incomplete Flags = 1 << iota
	// Multi is a text of several statements.
	Multi
	// Hinted is a text with a comment that Hints returns something of.
	Hinted
	// Executable is a text with executable comments: what is in them was read as code.
	Executable
	// Doubtful is a text that older or newer servers read otherwise: what is in an executable comment is code to some
	// versions alone, or what is between two dollar tags.
	Doubtful
)

// A Scanner scans statements, one after another. Its zero value is ready. It is not safe for concurrent use.
type Scanner struct {
	lexer  lexer
	buf    []byte
	tokens []token

	depth  int    // of open parentheses
	orders uint64 // a bit for each depth where there was ORDER BY
}
