package querylog

import (
	"encoding/json"

	"github.com/weirproxy/weir/protocol/sqlfacts"
)

const (
	// maxNamed is how many statements the writer knows the names in.
	maxNamed = 1024
	// maxParsed is the length of the longest canonical text that is looked at for names.
	maxParsed = 4 << 10
)

// names are those that a statement names, as JSON.
type names struct {
	canonical         string
	tables, functions []byte // nil where the parser did not understand the statement
}

// A nameCache finds the tables and functions that statements name, once for each digest. It belongs to the writer, which
// takes the time that parsing takes: sessions do not wait for it.
type nameCache struct {
	known map[uint64]*names
	// busy reports whether the writer has no time to parse.
	busy func() bool
}

// of returns the names in a statement, nil where they are not known.
func (c *nameCache) of(digest uint64, canonical []byte) *names {
	if n := c.known[digest]; n != nil && n.canonical == string(canonical) {
		return n
	}
	if c.busy() {
		return nil
	}
	if c.known == nil || len(c.known) >= maxNamed {
		c.known = make(map[uint64]*names)
	}
	n := &names{canonical: string(canonical)}
	// A canonical text reads the same in every mode.
	if facts := sqlfacts.Parse(n.canonical, 0); facts.Understood {
		tables := make([]string, len(facts.Tables))
		for i, t := range facts.Tables {
			tables[i] = t.String()
		}
		n.tables, n.functions = asJSON(tables), asJSON(facts.Functions)
	}
	c.known[digest] = n
	return n
}

func asJSON(list []string) []byte {
	b, err := json.Marshal(append([]string{}, list...)) // none is an empty list
	if err != nil {
		return nil
	}
	return b
}
