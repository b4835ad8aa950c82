package pipeline

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"
)

// tracing is what workers need to know of TracesConfig.
type tracing struct {
	bound   uint64 // ids below it are sampled
	slow    time.Duration
	errors  bool
	late    bool // whether spans are kept may be decided at the end
	context clientContext
}

func newTracing(c *TracesConfig) *tracing {
	return &tracing{
		bound: uint64(c.SampleRatio * (1 << 63)), slow: c.Slow, errors: c.Errors, late: c.Slow > 0 || c.Errors,
		context: clientContext(slices.Index(clientContexts, c.ClientContext)),
	}
}

// The values of settings that have few.
var (
	protocols      = []string{"http/protobuf", "grpc"}
	queryTexts     = []string{"canonical", "raw", "none"}
	clientContexts = []string{"pass", "strip", "replace"} // in the order of clientContext
	compressions   = []string{"", "none", "gzip"}
)

const (
	minTraceQueue = 1 << 20
	maxTraceQueue = 1 << 30
)

func (c *TracesConfig) check() error {
	var errs []error
	invalid := func(bad bool, setting, format string, args ...any) {
		if bad {
			errs = append(errs, Invalid("traces: "+setting, fmt.Errorf(format, args...)))
		}
	}
	oneOf := func(setting, value string, known []string) {
		invalid(!slices.Contains(known, value), setting, "%q is none of %s", value,
			strings.TrimPrefix(strings.Join(known, ", "), ", "))
	}
	if err := checkEndpoint(c.Endpoint); err != nil {
		errs = append(errs, Invalid("traces: endpoint", err))
	}
	oneOf("protocol", c.Protocol, protocols)
	oneOf("query_text", c.QueryText, queryTexts)
	oneOf("client_context", c.ClientContext, clientContexts)
	oneOf("compression", c.Compression, compressions)
	for _, h := range c.Headers {
		name, value, ok := strings.Cut(h, ":")
		invalid(!ok || strings.TrimSpace(name) == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n"),
			"headers", "%q is not \"Name: value\"", name)
	}
	invalid(math.IsNaN(c.SampleRatio) || c.SampleRatio < 0 || c.SampleRatio > 1, "sample_ratio", "a ratio is from 0 to 1")
	invalid(c.Timeout <= 0, "timeout", "a timeout is longer than 0")
	invalid(c.Queue < minTraceQueue || c.Queue > maxTraceQueue, "queue", "it may be from 1 MiB to 1 GiB (%d to %d)",
		minTraceQueue, maxTraceQueue)
	return errors.Join(errs...)
}

func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" ||
		u.User != nil {
		return fmt.Errorf("%q is not the URL of a collector, as http://127.0.0.1:4318 is", endpoint)
	}
	return nil
}
