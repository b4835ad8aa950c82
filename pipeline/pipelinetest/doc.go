// Package pipelinetest is what the tests of filters stand on: servers that answer by a script, recorders, and
// TestFilter, the conformance test that every filter passes.
//
// Its chains lend bytes as the real ones do: what a command or a chunk lay in is overwritten as soon as the call
// it was passed to has returned. A filter that keeps bytes without cloning them finds garbage there.
package pipelinetest
