package hcl

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/weirproxy/weir/pipeline"
)

// buildListeners builds the listeners, which nothing refers to and which refer to all else.
func (l *loader) buildListeners() {
	taken := make(map[string]*hclsyntax.Block)
	for _, block := range l.blocks.listeners {
		for _, r := range bodyReferences(block.Body) {
			if n := l.nodes[r.block][r.name]; n != nil {
				n.used, n.routed = true, true
			}
		}
		config := pipeline.ListenerDefaults
		out := l.decode(block, reflect.ValueOf(&config).Elem())
		if !l.checkWhere(block, config, out, taken) || !out.usable {
			continue
		}
		listener, err := pipeline.NewListener(config)
		if err != nil {
			l.invalid(err, block, out)
			continue
		}
		l.process.Listeners = append(l.process.Listeners, listener)
	}
}

// checkWhere checks what several settings say together of where a listener listens. taken are the places of
// the listeners before it.
func (l *loader) checkWhere(block *hclsyntax.Block, c pipeline.ListenerConfig, out outcome, taken map[string]*hclsyntax.Block) bool {
	if out.bad["address"] || out.bad["socket"] {
		return false
	}
	settings := block.Body.Attributes
	address, socket, mode := settings["address"], settings["socket"], settings["socket_mode"]
	switch {
	case address != nil && socket != nil:
		at := socket.NameRange
		if address.NameRange.Start.Byte > at.Start.Byte {
			at = address.NameRange
		}
		l.report(at, fmt.Sprintf("%s has both address and socket", title(block)), "Take one of them out, or make two listeners.")
		return false
	case address == nil && socket == nil:
		l.report(block.DefRange(), fmt.Sprintf("%s has neither address nor socket", title(block)),
			"Add address = \"HOST:PORT\" or socket = \"PATH\".")
		return false
	case socket == nil && mode != nil:
		l.report(mode.NameRange, "socket_mode without socket", "It says who may use a Unix socket, and this listener has none.")
		return false
	}
	where, attr := c.Address, address
	if socket != nil {
		where, attr = c.Socket, socket
	}
	if first := taken[where]; first != nil && !strings.HasSuffix(where, ":0") {
		l.report(attr.Expr.Range(), fmt.Sprintf("%s is taken by %s", attr.Name, title(first)),
			fmt.Sprintf("That is in line %d. Only one can listen there.", first.TypeRange.Start.Line))
		return false
	}
	taken[where] = block
	return true
}
