// Package filters is the list of filters. Adding one is its folder and its line here.
package filters

import (
	"github.com/weirproxy/weir/filters/querylog"
	"github.com/weirproxy/weir/filters/regex"
	"github.com/weirproxy/weir/filters/tee"
	"github.com/weirproxy/weir/filters/top"
	"github.com/weirproxy/weir/pipeline"
)

// All are the kinds of filters that a configuration file may name.
var All = []pipeline.Kind[pipeline.Filter]{
	querylog.Kind,
	regex.Kind,
	tee.Kind,
	top.Kind,
}
