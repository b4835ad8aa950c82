// Package monitors is the list of monitors. Adding one is its folder and its line here.
package monitors

import (
	"github.com/weirproxy/weir/monitors/replication"
	"github.com/weirproxy/weir/monitors/static"
	"github.com/weirproxy/weir/pipeline"
)

// All are the kinds of monitors that a configuration file may name.
var All = []pipeline.Kind[pipeline.Monitor]{
	replication.Kind,
	static.Kind,
}
