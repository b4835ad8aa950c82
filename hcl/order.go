package hcl

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A node is a block that others may refer to.
type node struct {
	block *hclsyntax.Block
	state int
	used  bool
	// routed says that something else than a monitor refers to it.
	routed bool
	value  any // a pointer to what has been built, nil where that failed
}

// The states of a node.
const (
	unvisited = iota
	visiting
	visited
)

func (n *node) String() string { return qualified(n.block.Type, nameOf(n.block)) }

// visit builds what n refers to and then n. path leads from the first node visited to n.
func (l *loader) visit(n *node, path []*node) {
	if n.state != unvisited {
		return
	}
	n.state = visiting
	path = append(path, n)
	reported := make(map[*node]bool)
	for _, r := range bodyReferences(n.block.Body) {
		target := l.nodes[r.block][r.name]
		if target == nil {
			continue // resolve reports it
		}
		target.used = true
		target.routed = target.routed || n.block.Type != "monitor"
		if target.state == visiting && !reported[target] {
			reported[target] = true
			l.report(r.at, "circular reference: "+circle(path, target), circular(path))
		}
		l.visit(target, path)
	}
	n.value = l.build(n)
	n.state = visited
}

// circular says what is wrong with a circle.
func circular(path []*node) string {
	if path[len(path)-1].block.Type == "monitor" {
		return "A monitor is told which servers to watch: name them, as in [server.NAME]."
	}
	return "Commands would never reach a server. Take one of these references out."
}

// circle writes out the end of path from target on, and target again.
func circle(path []*node, target *node) string {
	var names []string
	for _, n := range path {
		if n == target || len(names) > 0 {
			names = append(names, n.String())
		}
	}
	return strings.Join(append(names, target.String()), " -> ")
}

// bodyReferences returns the references in all settings of a body and of the blocks in it, in the order of the
// file as far as they are in one body.
func bodyReferences(body *hclsyntax.Body) []reference {
	var all []reference
	for _, attr := range sortedAttributes(body) {
		all = append(all, references(attr.Expr)...)
	}
	for _, block := range body.Blocks {
		all = append(all, bodyReferences(block.Body)...)
	}
	return all
}

// warnUnused warns of blocks that nothing refers to.
func (l *loader) warnUnused() {
	for _, n := range l.blocks.nodes {
		if !n.used && !l.watchesRouted(n) {
			l.warn(n.block.DefRange(), fmt.Sprintf("%s is not used", title(n.block)), fmt.Sprintf("Nothing refers to %s.", n))
		}
	}
}
