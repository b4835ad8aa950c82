package sqlfacts

import (
	"slices"
	"sync"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // the parser's values; outside TiDB there are no others

	"github.com/weirproxy/weir/protocol/sqlscan"
)

// MaxText is the length up to which texts are parsed. Of longer ones the canonical text is, if it is not longer too:
// there, some names are in upper case that were not, and fewer statements are understood.
const MaxText = 64 << 10

// tools are what it takes to parse a text.
type tools struct {
	parser  *parser.Parser
	scanner sqlscan.Scanner
	code    []byte
}

var pool = sync.Pool{New: func() any { return &tools{parser: parser.New()} }}

// Parse returns the facts of a text, of one statement or several.
func Parse(text string, mode sqlscan.Mode) Facts { return parse([]byte(text), mode) }

func parse(text []byte, mode sqlscan.Mode) Facts {
	t := pool.Get().(*tools)
	facts, ok := t.facts(text, mode)
	if ok {
		pool.Put(t)
	}
	return facts
}

// facts returns the facts of a text. Where ok is false the tools are broken.
func (t *tools) facts(text []byte, mode sqlscan.Mode) (facts Facts, ok bool) {
	// The parser panics on a few texts that are wrong in rare ways.
	defer func() {
		if recover() != nil {
			facts, ok = Facts{}, false
		}
	}()
	canonical, _, _ := t.scanner.Scan(text, mode)
	if len(text) > MaxText {
		text = canonical
	}
	if len(text) > MaxText {
		return Facts{}, true
	}
	var flags sqlscan.Flags
	t.code, flags = sqlscan.Code(t.code[:0], text, mode)
	if flags&sqlscan.Incomplete != 0 {
		return Facts{}, true
	}
	if mode&(sqlscan.SJIS|sqlscan.GBK|sqlscan.Big5) != 0 && slices.ContainsFunc(t.code, func(b byte) bool { return b >= 0x80 }) {
		// A name in another character set. Strings are not in the code.
		return Facts{}, true
	}
	t.parser.Reset()
	t.parser.SetMariaDB(mode&sqlscan.MariaDB != 0)
	statements, _, err := t.parser.ParseSQL(string(t.code))
	if err != nil || !agree(statements, sqlscan.Describe(canonical, mode)) {
		return Facts{}, true
	}
	return factsOf(statements), true
}

// factsOf returns the facts of parsed statements.
func factsOf(statements []ast.StmtNode) Facts {
	v := visitor{aliases: map[string]string{}}
	for _, s := range statements {
		s.Accept(&v)
	}
	v.resolve()
	v.facts.Understood = true
	v.facts.sort()
	return v.facts
}
