package hcl

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// blocks are the top-level blocks of a file, in its order.
type blocks struct {
	process   *hclsyntax.Block
	telemetry *hclsyntax.Block
	control   *hclsyntax.Block
	listeners []*hclsyntax.Block
	nodes     []*node
}

var topLevel = []string{"process", "telemetry", "control", "server", "monitor", "accounts", "listener", "pipeline"}

// inside says where blocks stand that are not top-level.
var inside = map[string]string{
	"user": "accounts", "filter": "pipeline", "router": "pipeline", "log": "process", "traces": "telemetry", "metrics": "telemetry",
}

// collect sorts the top-level blocks and reports those that cannot be told what they are. All names are known
// when it returns.
func (l *loader) collect(sections []section) {
	if len(sections) == 0 {
		l.lost = true
	}
	for _, s := range sections {
		if s.broken && len(s.Blocks) == 0 {
			l.lost = true
		}
		for _, attr := range sortedAttributes(s.Body) {
			if !s.broken {
				l.report(attr.NameRange, fmt.Sprintf("unknown setting %q outside any block", attr.Name),
					suggestion("", "Settings stand inside a block; blocks are", topLevel))
			}
		}
		for _, block := range s.Blocks {
			if s.broken {
				l.declare(block, block.Type)
			} else {
				l.collectBlock(block)
			}
		}
	}
}

func (l *loader) collectBlock(block *hclsyntax.Block) {
	switch block.Type {
	case "process":
		l.collectOnly(block, &l.blocks.process)
	case "telemetry":
		l.collectOnly(block, &l.blocks.telemetry)
	case "control":
		l.collectOnly(block, &l.blocks.control)
	case "listener":
		if l.checkLabels(block, true) {
			l.checkDuplicate(block, l.blocks.listeners)
		}
		l.blocks.listeners = append(l.blocks.listeners, block)
	case "server", "monitor", "accounts", "pipeline":
		n := &node{block: block}
		l.blocks.nodes = append(l.blocks.nodes, n)
		if !l.checkLabels(block, true) {
			l.lost = true // of its name nothing is known, so of references nothing is certain
			return
		}
		if first := l.nodes[block.Type][nameOf(block)]; first != nil {
			l.checkDuplicate(block, []*hclsyntax.Block{first.block})
			return
		}
		l.addNode(n, block.Type)
	default:
		l.collectUnknown(block)
	}
}

// collectOnly keeps the one block of its type.
func (l *loader) collectOnly(block *hclsyntax.Block, only **hclsyntax.Block) {
	l.checkLabels(block, false)
	if first := *only; first != nil {
		l.report(block.DefRange(), fmt.Sprintf("second %s block", block.Type),
			fmt.Sprintf("The first is in line %d.", first.DefRange().Start.Line))
		return
	}
	*only = block
}

// collectUnknown reports a block of unknown type, and declares what it was meant to be.
func (l *loader) collectUnknown(block *hclsyntax.Block) {
	if parent := inside[block.Type]; parent != "" {
		l.report(block.TypeRange, fmt.Sprintf("block %q outside %s", block.Type, parent),
			fmt.Sprintf("It stands inside a block %s.", parent))
		return
	}
	meant := nearest(block.Type, topLevel)
	l.report(block.TypeRange, fmt.Sprintf("unknown block %q", block.Type), suggestion(quoted(meant), "Blocks are", topLevel))
	l.declare(block, meant)
}

// declare makes the name of a block known whose content is not to be looked at.
func (l *loader) declare(block *hclsyntax.Block, as string) {
	switch {
	case as == "listener", as == "":
		l.lost = true
	case as == "process", as == "telemetry", as == "control":
	case len(block.Labels) < labelsOf(as):
		l.lost = true
	case l.nodes[as][block.Labels[labelsOf(as)-1]] == nil:
		l.addNode(&node{block: block, state: visited}, as)
	}
}

func (l *loader) addNode(n *node, as string) {
	if l.nodes[as] == nil {
		l.nodes[as] = make(map[string]*node)
	}
	l.nodes[as][n.block.Labels[labelsOf(as)-1]] = n
}

// labelsOf is how many labels a block has to which others refer: the last is its name.
func labelsOf(block string) int {
	if block == "monitor" {
		return 2
	}
	return 1
}

// nameOf is the name of a block that has all its labels.
func nameOf(block *hclsyntax.Block) string { return block.Labels[labelsOf(block.Type)-1] }

// checkLabels reports a label too many or too few.
func (l *loader) checkLabels(block *hclsyntax.Block, wanted bool) bool {
	switch {
	case block.Type == "monitor":
		return l.checkMonitorLabels(block)
	case !wanted && len(block.Labels) > 0:
		l.report(block.LabelRanges[0], fmt.Sprintf("%s takes no label", block.Type), fmt.Sprintf("Write %s {", block.Type))
	case wanted && len(block.Labels) == 0:
		l.report(block.TypeRange, fmt.Sprintf("%s without a name", block.Type), fmt.Sprintf("Write %s \"NAME\" {", block.Type))
	case wanted && block.Labels[0] == "":
		l.report(block.LabelRanges[0], fmt.Sprintf("%s with an empty name", block.Type), fmt.Sprintf("Write %s \"NAME\" {", block.Type))
	case wanted && len(block.Labels) > 1:
		l.report(block.LabelRanges[1], fmt.Sprintf("%s takes one label", block.Type), fmt.Sprintf("Write %s %q {", block.Type, block.Labels[0]))
	default:
		return true
	}
	return false
}

// checkDuplicate reports block if one of others has its name.
func (l *loader) checkDuplicate(block *hclsyntax.Block, others []*hclsyntax.Block) {
	for _, other := range others {
		if len(other.Labels) >= labelsOf(other.Type) && nameOf(other) == nameOf(block) {
			l.report(block.LabelRanges[0], fmt.Sprintf("second %s", title(block)),
				fmt.Sprintf("The first is in line %d. Names are given once.", other.TypeRange.Start.Line))
			return
		}
	}
}

// title names a block as its header does.
func title(block *hclsyntax.Block) string {
	if len(block.Labels) == 0 {
		return block.Type
	}
	if block.Type == "monitor" && len(block.Labels) > 1 {
		return fmt.Sprintf("%s %q %q", block.Type, block.Labels[0], block.Labels[1])
	}
	return fmt.Sprintf("%s %q", block.Type, block.Labels[0])
}

func sortedAttributes(body *hclsyntax.Body) []*hclsyntax.Attribute {
	var all []*hclsyntax.Attribute
	for _, attr := range body.Attributes {
		all = append(all, attr)
	}
	slices.SortFunc(all, func(a, b *hclsyntax.Attribute) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
	return all
}

// quoted is %q of a name, and nothing of no name.
func quoted(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("%q", name)
}
