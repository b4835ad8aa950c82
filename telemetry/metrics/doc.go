// Package metrics serves what a process tells of itself over HTTP: figures for Prometheus, whether it is well and ready,
// the documents of its steps, and, where asked for, the Go runtime's profiles.
//
// What is counted, and what it is called, is pipeline's business: see Process.Families. This package knows how Prometheus
// wants it.
package metrics
