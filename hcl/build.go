package hcl

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/weirproxy/weir/pipeline"
)

// build makes what a block describes, and returns a pointer to it, or nil.
func (l *loader) build(n *node) any {
	switch n.block.Type {
	case "server":
		if server, ok := construct(l, n.block, pipeline.ServerDefaults, pipeline.NewServer); ok {
			return server
		}
	case "accounts":
		if accounts, ok := l.buildAccounts(n.block); ok {
			return accounts
		}
	case "pipeline":
		if p, ok := l.buildPipeline(n.block); ok {
			return p
		}
	case "monitor":
		if m, ok := l.buildMonitor(n.block); ok {
			return m
		}
	}
	return nil
}

// construct decodes a block over its defaults and builds of it what it describes.
func construct[C, T any](l *loader, block *hclsyntax.Block, defaults C, build func(C) (T, error)) (built T, ok bool) {
	config := defaults
	out := l.decode(block, reflect.ValueOf(&config).Elem())
	if !out.usable {
		return built, false
	}
	built, err := build(config)
	if err != nil {
		l.invalid(err, block, out)
	}
	return built, err == nil
}

// buildPipeline builds the steps of a pipeline and puts them together.
func (l *loader) buildPipeline(block *hclsyntax.Block) (*pipeline.Pipeline, bool) {
	for _, attr := range sortedAttributes(block.Body) {
		l.unknownSetting(attr, block, stepFields)
	}
	name := ""
	if len(block.Labels) > 0 {
		name = block.Labels[0]
	}
	var (
		filters  []pipeline.Filter
		blocks   []*hclsyntax.Block // of the filters
		names    []string           // of the steps
		router   pipeline.Target
		first    *hclsyntax.Block
		expected = true // a router, unless something is likely meant to be one
		ok       = len(block.Body.Attributes) == 0
	)
	for _, nested := range block.Body.Blocks {
		var built bool
		switch nested.Type {
		case "filter":
			var f pipeline.Filter
			called := l.stepName(name, nested)
			f, built = step(l, nested, l.kinds.Filters, l.process.Env(name, called))
			filters, blocks, names = append(filters, f), append(blocks, nested), append(names, called)
		case "router":
			if first != nil {
				l.report(nested.DefRange(), fmt.Sprintf("second router in %s", title(block)),
					fmt.Sprintf("The first is in line %d. A pipeline ends in one router.", first.TypeRange.Start.Line))
				break
			}
			first = nested
			called := l.stepName(name, nested)
			router, built = step(l, nested, l.kinds.Routers, l.process.Env(name, called))
			names = append(names, called)
		default:
			expected = l.unknownBlock(nested, block, stepFields) != "router" && expected
		}
		if first != nil && nested.Type == "filter" && built {
			l.report(nested.DefRange(), fmt.Sprintf("%s behind the router", title(nested)),
				"The order written is the order run: put filters before the router.")
			built = false
		}
		ok = ok && built
	}
	if first == nil && expected {
		l.report(block.DefRange(), fmt.Sprintf("%s has no router", title(block)),
			suggestion("", "A pipeline ends in one router; known are", kindNames(l.kinds.Routers)))
	}
	if !ok || first == nil {
		return nil, false
	}
	for i, f := range filters {
		if err := pipeline.CheckCopies(f, router); err != nil {
			l.invalid(err, blocks[i], outcome{})
			ok = false
		}
	}
	if !ok {
		return nil, false
	}
	line := pipeline.NewPipeline(name, filters, router)
	line.Steps = names
	return line, true
}

// stepFields are the blocks of a pipeline block.
var stepFields = fields{blocks: []field{{name: "filter"}, {name: "router"}}}

func kindNames[T any](kinds []pipeline.Kind[T]) []string {
	var all []string
	for _, kind := range kinds {
		all = append(all, kind.Name)
	}
	return all
}

// step builds a filter or router of its block.
func step[T any](l *loader, block *hclsyntax.Block, kinds []pipeline.Kind[T], env pipeline.Env) (built T, ok bool) {
	if !l.checkLabels(block, true) {
		return built, false
	}
	return buildKind(l, block, kinds, env)
}

// buildKind builds what a block describes whose first label is its kind.
func buildKind[T any](l *loader, block *hclsyntax.Block, kinds []pipeline.Kind[T], env pipeline.Env) (built T, ok bool) {
	for _, kind := range kinds {
		if kind.Name != block.Labels[0] {
			continue
		}
		config := reflect.New(reflect.TypeOf(kind.Defaults)).Elem()
		config.Set(reflect.ValueOf(kind.Defaults))
		out := l.decode(block, config)
		if !out.usable {
			return built, false
		}
		built, err := kind.New(config.Interface(), env)
		if err != nil {
			l.invalid(err, block, out)
		}
		return built, err == nil
	}
	l.unknownKind(block, kindNames(kinds))
	return built, false
}

// stepName makes the name of a step its own: the second filter of a kind in a pipeline has a 2 behind it.
func (l *loader) stepName(within string, block *hclsyntax.Block) string {
	name := strings.Join(append([]string{block.Type}, block.Labels...), " ")
	l.steps[within+"\x00"+name]++
	if n := l.steps[within+"\x00"+name]; n > 1 {
		return fmt.Sprintf("%s %d", name, n)
	}
	return name
}

// unknownKind reports a filter, router or monitor of a kind that is not known.
func (l *loader) unknownKind(block *hclsyntax.Block, known []string) {
	kind := block.Labels[0]
	others := map[string][]string{"filter": kindNames(l.kinds.Routers), "router": kindNames(l.kinds.Filters)}[block.Type]
	if slices.Contains(others, kind) {
		right := map[string]string{"filter": "router", "router": "filter"}[block.Type]
		l.report(block.LabelRanges[0], fmt.Sprintf("%q is a %s, not a %s", kind, right, block.Type),
			fmt.Sprintf("Write %s %q {", right, kind))
		return
	}
	l.report(block.LabelRanges[0], fmt.Sprintf("unknown %s %q", block.Type, kind),
		suggestion(quoted(nearest(kind, known)), "Known are", known))
}
