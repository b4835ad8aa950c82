package control

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// stopTimeout is how long the end waits for requests under way.
const stopTimeout = time.Second

// A Listener serves a process's control socket.
type Listener struct {
	process *pipeline.Process
	log     *slog.Logger
	http    *http.Server
	served  sync.WaitGroup

	setting sync.Mutex // held while a server's service is changed
}

// Listen makes the socket that the process's file has a control block for, and serves it until Stop. It is to be called
// before the process runs.
func Listen(p *pipeline.Process) (*Listener, error) {
	nl, err := pipeline.ListenUnix(p.Control.Socket, p.Control.Mode())
	if err != nil {
		return nil, fmt.Errorf("control: socket: %w", err)
	}
	l := &Listener{process: p, log: p.Log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/servers", l.servers)
	mux.HandleFunc("PUT /v1/servers/{name}/service", l.setService)
	mux.HandleFunc("POST /v1/pipelines/{name}/reset-gtid", l.resetGTID)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "no %s %s here; is the program of another version than the running process?", r.Method, r.URL.Path)
	})
	l.http = &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, callerKey{}, callerOf(c))
		},
	}
	p.Log.Info("control socket open", "socket", p.Control.Socket)
	l.served.Go(func() { _ = l.http.Serve(nl) }) // it says no more than that Stop was called
	return l, nil
}

// Stop closes the socket and removes it.
func (l *Listener) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if l.http.Shutdown(ctx) != nil {
		_ = l.http.Close()
	}
	l.served.Wait()
}

func (l *Listener) servers(w http.ResponseWriter, _ *http.Request) {
	list := List{Servers: []Server{}}
	for _, srv := range l.process.Servers {
		list.Servers = append(list.Servers, stateOf(srv))
	}
	answer(w, http.StatusOK, list)
}

func (l *Listener) setService(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(l.process.Servers, func(srv *pipeline.Server) bool { return srv.Name() == r.PathValue("name") })
	if i < 0 {
		fail(w, http.StatusNotFound, "no server %q%s", r.PathValue("name"), l.suggestion(r.PathValue("name")))
		return
	}
	var wanted struct {
		Service string `json:"service"`
		From    string `json:"from"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&wanted); err != nil {
		fail(w, http.StatusBadRequest, "the request cannot be read: %v", err)
		return
	}
	service, ok := serviceOf(wanted.Service)
	if !ok {
		fail(w, http.StatusBadRequest, "unknown service %q: a server is %s", wanted.Service, services())
		return
	}
	srv := l.process.Servers[i]
	l.setting.Lock()
	defer l.setting.Unlock()
	before := srv.State().Service
	if wanted.From != "" && wanted.From != before.String() && service != before {
		fail(w, http.StatusConflict, "server %s is not %s, it is %s; nothing is changed", srv.Name(), InWords(wanted.From), InWords(before.String()))
		return
	}
	if service != before {
		srv.SetService(service)
		by, _ := r.Context().Value(callerKey{}).(caller)
		l.log.Info("server's service set by an operator", "server", srv.Name(), "service", service.String(),
			"before", before.String(), "by", by.name(), "uid", by.uid, "pid", by.pid)
	}
	answer(w, http.StatusOK, Change{Before: before.String(), Server: stateOf(srv)})
}

func (l *Listener) resetGTID(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	i := slices.IndexFunc(l.process.Pipelines, func(p *pipeline.Pipeline) bool { return p.Name == name })
	if i < 0 {
		var known []string
		for _, p := range l.process.Pipelines {
			known = append(known, p.Name)
		}
		fail(w, http.StatusNotFound, "no pipeline %q%s", name, Suggestion(name, known))
		return
	}
	if err := l.process.Pipelines[i].ResetGTID(); err != nil {
		fail(w, http.StatusConflict, "%v", err)
		return
	}
	by, _ := r.Context().Value(callerKey{}).(caller)
	l.log.Info("GTIDs reset by an operator", "pipeline", name, "by", by.name(), "uid", by.uid, "pid", by.pid)
	answer(w, http.StatusOK, Reset{Pipeline: name})
}

// suggestion names the servers there are, where that is a few, and the one that was likely meant.
func (l *Listener) suggestion(name string) string {
	var known []string
	for _, srv := range l.process.Servers {
		known = append(known, srv.Name())
	}
	return Suggestion(name, known)
}

func answer(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(document) // whoever asked is gone
}

func fail(w http.ResponseWriter, status int, format string, args ...any) {
	answer(w, status, failure{fmt.Sprintf(format, args...)})
}
