package main

import (
	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/telemetry/traces"
)

// startTraces starts what sends the process's spans, where its file wants any. stop is to be called when the process has
// run, and sends what is left.
func startTraces(p *pipeline.Process) (stop func(), err error) {
	if p.Telemetry.Traces == nil {
		return func() {}, nil
	}
	e, err := traces.Start(p, version())
	if err != nil {
		return nil, err
	}
	return e.Stop, nil
}
