// Package pipeline is the contract between the parts of Weir, and the session that keeps it: commands go down
// from a client through a chain of handlers to a server, replies come up through a chain of writers.
package pipeline
