// Package routers is the list of routers. Adding one is its folder and its line here.
package routers

import (
	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/routers/connection"
	"github.com/weirproxy/weir/routers/readwritesplit"
)

// All are the kinds of routers that a configuration file may name.
var All = []pipeline.Kind[pipeline.Target]{
	connection.Kind,
	readwritesplit.Kind,
}
