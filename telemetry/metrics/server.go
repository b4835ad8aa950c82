package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

const (
	// readTimeout bounds the reading of a request, writeTimeout that of answering one, but for profiles: these take as
	// long as was asked for, up to profileTimeout.
	readTimeout    = 5 * time.Second
	writeTimeout   = 30 * time.Second
	profileTimeout = 10 * time.Minute
	// idleTimeout is longer than the time between two scrapes, mostly.
	idleTimeout = 2 * time.Minute
	// maxConnections are open at a time, of which maxScrapes are answered with figures and maxDocuments with a step's
	// document.
	maxConnections = 64
	maxScrapes     = 8
	maxDocuments   = 4
	maxHeader      = 16 << 10
	// stopTimeout is how long answers under way may take when the process has stopped.
	stopTimeout = time.Second
)

// A Build says what a program was built from.
type Build struct{ Version, Revision string }

// A Server is the metrics address of a process.
type Server struct {
	net  net.Listener
	http *http.Server
	done chan struct{}
}

// Start listens at the address that the process's telemetry block names, and serves there until Stop. The process need
// not run yet, nor any more. The error names the setting.
func Start(p *pipeline.Process, build Build) (*Server, error) {
	c := p.Telemetry.Metrics
	nl, err := net.Listen("tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("telemetry: metrics: address: %w", err)
	}
	log := p.Log.With("telemetry", "metrics")
	s := &Server{net: nl, done: make(chan struct{}), http: &http.Server{
		Handler: handler(p, c, build, log), ReadTimeout: readTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	go func() {
		defer close(s.done)
		// It ends with ErrServerClosed, after Stop.
		_ = s.http.Serve(&limited{Listener: nl, slots: make(chan struct{}, maxConnections)})
	}()
	log.Info("listening", "address", nl.Addr().String())
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.net.Addr() }

// Stop ends the server; answers under way have a moment to end.
func (s *Server) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	<-s.done
}
