package hcl

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/weirproxy/weir/pipeline"
)

// A referable is a type of block that others refer to.
type referable struct {
	block   string
	article string // block with its article
	typ     reflect.Type
	capsule cty.Type
}

var referables = []referable{
	newReferable("server", "a server", reflect.TypeFor[pipeline.Server]()),
	newReferable("accounts", "accounts", reflect.TypeFor[pipeline.Accounts]()),
	newReferable("pipeline", "a pipeline", reflect.TypeFor[pipeline.Pipeline]()),
}

func newReferable(block, article string, pointee reflect.Type) referable {
	return referable{block, article, reflect.PointerTo(pointee), cty.Capsule(block, pointee)}
}

// referableOf returns the referable of a type of block that is one.
func referableOf(block string) referable {
	i := slices.IndexFunc(referables, func(r referable) bool { return r.block == block })
	return referables[i]
}

// referableBlocks are the types of blocks that others refer to: to monitors only by their parts.
func referableBlocks() []string {
	all := []string{"monitor"}
	for _, r := range referables {
		all = append(all, r.block)
	}
	return all
}

// A reference is a name like server.db1 in an expression.
type reference struct {
	block, name string // name is "" where only the block's type is named
	part        string // what follows the name, as an attribute
	longer      bool   // something follows the name
	at          hcl.Range
}

func (r reference) String() string {
	if r.name == "" {
		return r.block
	}
	return qualified(r.block, r.name)
}

// qualified returns how a block is referred to.
func qualified(block, name string) string {
	if hclsyntax.ValidIdentifier(name) {
		return block + "." + name
	}
	return fmt.Sprintf("%s[%q]", block, name)
}

// references returns the references in an expression, in the order of the file.
func references(expr hclsyntax.Expression) []reference {
	var all []reference
	for _, t := range expr.Variables() {
		r := reference{block: t.RootName(), at: t.SourceRange()}
		if len(t) > 1 {
			switch step := t[1].(type) {
			case hcl.TraverseAttr:
				r.name = step.Name
			case hcl.TraverseIndex:
				if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
					r.name = step.Key.AsString()
				}
			}
			r.longer = len(t) > 2
			if r.longer {
				if step, ok := t[2].(hcl.TraverseAttr); ok {
					r.part = step.Name
				}
			}
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b reference) int { return a.at.Start.Byte - b.at.Start.Byte })
	return all
}

// isHole reports whether r stands where a wrong value was cut out, and so has been reported.
func (l *loader) isHole(r reference) bool { return l.holes[r.at.Start.Byte] }

// resolve checks the names in an expression and returns what they stand for. ok is false where the expression
// cannot be evaluated, which has then been reported.
func (l *loader) resolve(expr hclsyntax.Expression) (_ *hcl.EvalContext, ok bool) {
	ok = l.checkCalls(expr)
	objects := make(map[string]map[string]cty.Value)
	for _, r := range references(expr) {
		if l.isHole(r) || !l.checkReference(r) {
			ok = false
			continue
		}
		value := l.referred(r)
		if objects[r.block] == nil {
			objects[r.block] = make(map[string]cty.Value)
		}
		objects[r.block][r.name] = value
	}
	variables := make(map[string]cty.Value)
	for block, object := range objects {
		variables[block] = cty.ObjectVal(object)
	}
	return &hcl.EvalContext{Variables: variables, Functions: l.functions}, ok
}

// referred is the value of a reference, unknown where what it names could not be built.
func (l *loader) referred(r reference) cty.Value {
	n := l.nodes[r.block][r.name]
	if r.block == "monitor" {
		return monitorValue(n)
	}
	kind := referableOf(r.block)
	if n == nil || n.value == nil {
		return cty.UnknownVal(kind.capsule)
	}
	return cty.CapsuleVal(kind.capsule, n.value)
}

// checkReference reports a reference that names nothing.
func (l *loader) checkReference(r reference) bool {
	known := l.nodes[r.block]
	switch {
	case !slices.Contains(referableBlocks(), r.block):
		likely := nearest(r.block, referableBlocks())
		if likely != "" && r.name != "" {
			likely = qualified(likely, r.name)
		}
		detail := suggestion(likely, "References begin with", referableBlocks())
		if r.name == "" {
			detail += fmt.Sprintf(" Text is written in quotes: %q.", r.block)
		}
		l.report(r.at, fmt.Sprintf("unknown reference %s", r), detail)
	case r.name == "":
		l.report(r.at, fmt.Sprintf("%s needs a name", r.block),
			suggestion("", "It is one of", l.qualifiedNames(r.block)))
	case known[r.name] == nil:
		if l.lost {
			return false // it may be in what could not be read
		}
		likely := nearest(r.name, slices.Collect(maps.Keys(known)))
		if likely != "" {
			likely = qualified(r.block, likely)
		}
		l.report(r.at, fmt.Sprintf("unknown reference %s", r),
			suggestion(likely, "Known are", l.qualifiedNames(r.block)))
	case r.block == "monitor":
		return l.checkMonitorPart(r)
	case r.longer:
		l.report(r.at, fmt.Sprintf("%s has no parts", r), fmt.Sprintf("Write %s alone.", r))
	default:
		return true
	}
	return false
}

// qualifiedNames returns how the blocks of a type are referred to.
func (l *loader) qualifiedNames(block string) []string {
	var all []string
	for name := range l.nodes[block] {
		all = append(all, qualified(block, name))
	}
	return all
}

// checkCalls reports calls of functions that do not exist.
func (l *loader) checkCalls(expr hclsyntax.Expression) bool {
	known := slices.Collect(maps.Keys(l.functions))
	before := len(l.diags)
	l.foreignAll(hclsyntax.VisitAll(expr, func(node hclsyntax.Node) hcl.Diagnostics {
		if call, ok := node.(*hclsyntax.FunctionCallExpr); ok && !slices.Contains(known, call.Name) {
			l.report(call.NameRange, fmt.Sprintf("unknown function %s", call.Name),
				suggestion(nearest(call.Name, known), "Functions are", known))
		}
		return nil
	}))
	return len(l.diags) == before
}
