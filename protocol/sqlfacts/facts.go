// Package sqlfacts finds out which tables, columns and functions a statement names.
//
// It asks a parser, which takes a hundred times as long as sqlscan and does not understand all that servers do, least
// of all MariaDB's own syntax. So what it finds is knowledge added, never knowledge to rely on: Facts say whether the
// statement was understood, and a Cache finds them away from the path of statements, once for each digest.
package sqlfacts

import (
	"cmp"
	"slices"
)

// Facts are what a statement names. They are sorted, without duplicates, and not to be changed.
type Facts struct {
	// Understood is whether the parser understood the statement, and as what sqlscan takes it for. All else is empty
	// where it did not.
	Understood bool
	// Tables are the tables and views, without common table expressions.
	Tables []Table
	// Columns are written "a" or, where the statement says of which table, "t.a", with the table's name for its alias.
	// All columns are "*" or "t.*". Names that a statement gives to its results may be among them.
	Columns []string
	// Functions are in upper case, with the schema of a stored one where the statement says it: "COUNT", "test.F".
	Functions []string
}

// A Table is a table or a view as a statement names it.
type Table struct {
	Schema string // "" where the statement does not say
	Name   string
}

// String returns the name as it is written without quotes.
func (t Table) String() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// sort puts the facts in order.
func (f *Facts) sort() {
	slices.SortFunc(f.Tables, func(a, b Table) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	f.Tables = slices.Clip(slices.Compact(f.Tables))
	for _, names := range []*[]string{&f.Columns, &f.Functions} {
		slices.Sort(*names)
		*names = slices.Clip(slices.Compact(*names))
	}
}
