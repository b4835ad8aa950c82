package hcl

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/weirproxy/weir/pipeline"
)

// buildMonitor builds a monitor, whose labels are its kind and its name.
func (l *loader) buildMonitor(block *hclsyntax.Block) (pipeline.Monitor, bool) {
	if len(block.Labels) != labelsOf(block.Type) {
		return nil, false // has been reported
	}
	return buildKind(l, block, l.kinds.Monitors, l.process.MonitorEnv(nameOf(block)))
}

// checkMonitorLabels reports a monitor whose labels are not its kind and its name.
func (l *loader) checkMonitorLabels(block *hclsyntax.Block) bool {
	kind, name := "KIND", "NAME"
	for _, label := range block.Labels {
		if slices.Contains(kindNames(l.kinds.Monitors), label) {
			kind = label
		} else if label != "" {
			name = label
		}
	}
	remedy := fmt.Sprintf("Write monitor %q %q {", kind, name)
	at := block.TypeRange
	if n := len(block.LabelRanges); n > 0 {
		at = block.LabelRanges[min(n, 3)-1]
	}
	switch {
	case len(block.Labels) == 0:
		l.report(at, "monitor without a kind and a name", remedy)
	case len(block.Labels) == 1 && kind == "KIND":
		l.report(at, "monitor without a kind", suggestion("", remedy+" Known kinds are", kindNames(l.kinds.Monitors)))
	case len(block.Labels) == 1:
		l.report(at, "monitor without a name", remedy)
	case len(block.Labels) > 2:
		l.report(at, "monitor takes two labels", fmt.Sprintf("Write monitor %q %q {", block.Labels[0], block.Labels[1]))
	case block.Labels[1] == "":
		l.report(at, "monitor with an empty name", remedy)
	default:
		return true
	}
	return false
}

// checkMonitorPart reports a reference to a monitor that is not to its servers.
func (l *loader) checkMonitorPart(r reference) bool {
	right := r.String() + ".servers"
	switch {
	case r.part == "servers":
		return true
	case !r.longer:
		l.report(r.at, fmt.Sprintf("%s is no value", r), fmt.Sprintf("Its servers are: write %s.", right))
	default:
		l.report(r.at, fmt.Sprintf("%s has no such part", r), fmt.Sprintf("It has its servers: write %s.", right))
	}
	return false
}

// monitorValue is what a monitor is to those who refer to it.
func monitorValue(n *node) cty.Value {
	servers := cty.DynamicVal
	if n != nil && n.value != nil {
		kind := referableOf("server")
		var all []cty.Value
		for _, srv := range n.value.(pipeline.Monitor).Servers() {
			all = append(all, cty.CapsuleVal(kind.capsule, srv))
		}
		servers = cty.TupleVal(all)
	}
	return cty.ObjectVal(map[string]cty.Value{"servers": servers})
}

// watches are the servers of a monitor, none where n is something else or could not be built.
func (n *node) watches() []*pipeline.Server {
	if m, ok := n.value.(pipeline.Monitor); ok && n.block.Type == "monitor" {
		return m.Servers()
	}
	return nil
}

// checkWatched reports a server that two monitors watch: what one finds, the other would overwrite.
func (l *loader) checkWatched() {
	watched := make(map[*pipeline.Server]*node)
	for _, n := range l.blocks.nodes {
		for _, srv := range n.watches() {
			if first := watched[srv]; first != nil {
				at, _ := locate(n.block, "servers")
				l.report(at, fmt.Sprintf("%s is watched by two monitors", qualified("server", srv.Name())),
					fmt.Sprintf("The other is %s in line %d. What one finds, the other would overwrite.",
						title(first.block), first.block.TypeRange.Start.Line))
				break
			}
			watched[srv] = n
		}
	}
}

// watchesRouted reports whether n is a monitor that serves a purpose though nothing refers to it: pipelines use servers
// that it watches.
func (l *loader) watchesRouted(n *node) bool {
	return slices.ContainsFunc(n.watches(), func(srv *pipeline.Server) bool {
		return l.nodes["server"][srv.Name()].routed
	})
}
