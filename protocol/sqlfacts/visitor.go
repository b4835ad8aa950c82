package sqlfacts

import (
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// A visitor walks the trees of statements and collects their facts.
type visitor struct {
	facts   Facts
	columns []column
	aliases map[string]string // of tables, in lower case; "" where there are several
	ctes    []string          // the common table expressions that can be seen, in lower case
	scopes  []int             // how many there were before each statement that has its own
}

// A column is one as it is written.
type column struct{ schema, table, name string }

// Enter looks at a node. It implements ast.Visitor.
func (v *visitor) Enter(n ast.Node) (_ ast.Node, skip bool) {
	if with(n) != nil {
		v.scopes = append(v.scopes, len(v.ctes))
	}
	switch n := n.(type) {
	case *ast.WithClause:
		v.with(n)
		return n, true
	case *ast.DeleteTableList:
		return n, true // they are among those the statement reads, by name or alias
	case *ast.SelectStmt:
		if n.LockInfo != nil {
			n.LockInfo.Tables = nil // likewise
		}
		if n.Kind == ast.SelectStmtKindValues {
			n.Fields = nil // the parser says * where there is nothing
		}
	case *ast.TableSource:
		if t, ok := n.Source.(*ast.TableName); ok && n.AsName.L != "" {
			v.alias(n.AsName.L, t.Name.O)
		}
	case *ast.TableName:
		if n.Schema.L == "" && slices.Contains(v.ctes, n.Name.L) || n.Name.L == "" {
			break
		}
		v.facts.Tables = append(v.facts.Tables, Table{Schema: strings.Clone(n.Schema.O), Name: strings.Clone(n.Name.O)})
	case *ast.ColumnName:
		v.columns = append(v.columns, column{n.Schema.O, n.Table.O, n.Name.O})
	case *ast.SelectField:
		if n.WildCard != nil {
			v.columns = append(v.columns, column{n.WildCard.Schema.O, n.WildCard.Table.O, "*"})
		}
	case *ast.FuncCallExpr:
		v.function(n.Schema.O, n.FnName.L)
	case *ast.AggregateFuncExpr:
		v.function("", n.F)
	case *ast.WindowFuncExpr:
		v.function("", n.Name)
	case *ast.FuncCastExpr:
		switch n.FunctionType {
		case ast.CastFunction:
			v.function("", "cast")
		case ast.CastConvertFunction:
			v.function("", "convert")
		}
	}
	return n, false
}

// Leave ends what Enter began. It implements ast.Visitor.
func (v *visitor) Leave(n ast.Node) (_ ast.Node, ok bool) {
	if with(n) != nil {
		last := len(v.scopes) - 1
		v.ctes = v.ctes[:v.scopes[last]]
		v.scopes = v.scopes[:last]
	}
	return n, true
}

// with returns the common table expressions of a statement, nil if it has none.
func with(n ast.Node) *ast.WithClause {
	switch n := n.(type) {
	case *ast.SelectStmt:
		return n.With
	case *ast.SetOprStmt:
		return n.With
	case *ast.SetOprSelectList:
		return n.With
	case *ast.UpdateStmt:
		return n.With
	case *ast.DeleteStmt:
		return n.With
	}
	return nil
}

// with looks at common table expressions. Each sees those before it, and itself where it is recursive.
func (v *visitor) with(w *ast.WithClause) {
	for _, cte := range w.CTEs {
		if w.IsRecursive {
			v.ctes = append(v.ctes, cte.Name.L)
		}
		cte.Query.Accept(v)
		if !w.IsRecursive {
			v.ctes = append(v.ctes, cte.Name.L)
		}
	}
}

// alias notes another name for a table.
func (v *visitor) alias(alias, table string) {
	if known, ok := v.aliases[alias]; ok && known != table {
		table = "" // in different parts of the statement
	}
	v.aliases[alias] = table
}

// internal are functions that the parser puts where there is none, with the name of what they stand for, "" for nothing.
var internal = map[string]string{
	ast.DateLiteral: "", ast.TimeLiteral: "", ast.TimestampLiteral: "", ast.SetVar: "", ast.GetVar: "", ast.GetParam: "",
	ast.CharFunc: "char",
}

func (v *visitor) function(schema, name string) {
	if known, ok := internal[name]; ok {
		name = known
	}
	if name == "" {
		return
	}
	name = strings.ToUpper(name)
	if schema != "" {
		name = schema + "." + name
	}
	v.facts.Functions = append(v.facts.Functions, strings.Clone(name))
}

// resolve makes facts of the columns, now that all aliases are known.
func (v *visitor) resolve() {
	for _, c := range v.columns {
		if table := v.aliases[strings.ToLower(c.table)]; c.schema == "" && table != "" {
			c.table = table
		}
		name := c.name
		if c.table != "" {
			name = c.table + "." + name
		}
		if c.schema != "" {
			name = c.schema + "." + name
		}
		v.facts.Columns = append(v.facts.Columns, strings.Clone(name))
	}
}
