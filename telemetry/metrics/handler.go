package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weirproxy/weir/pipeline"
)

// handler serves the paths there are.
func handler(p *pipeline.Process, c *pipeline.MetricsConfig, build Build, log *slog.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		&collector{p}, buildInfo(build), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: errorLog{log}, ErrorHandling: promhttp.ContinueOnError, Registry: registry,
		MaxRequestsInFlight: maxScrapes, EnableOpenMetrics: true,
	}))
	health := &health{p}
	mux.HandleFunc("GET /healthz", health.healthz)
	mux.HandleFunc("GET /readyz", health.readyz)
	pages := &pages{p, c.PProf, log, make(chan struct{}, maxDocuments)}
	mux.HandleFunc("GET /{$}", pages.index)
	mux.HandleFunc("GET /pipelines/{pipeline}/{step}/{name}", pages.document)
	if c.PProf {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timeout := writeTimeout
		if strings.HasPrefix(r.URL.Path, "/debug/pprof/") {
			timeout = profileTimeout
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout)) // fails where the client has gone
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

func buildInfo(build Build) prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: pipeline.BuildInfo, Help: "1, with what the program was built from.",
	}, []string{"version", "revision"})
	g.WithLabelValues(build.Version, build.Revision).Set(1)
	return g
}

// errorLog is promhttp.Logger on slog.
type errorLog struct{ log *slog.Logger }

// Println logs an error of a scrape.
func (l errorLog) Println(v ...any) { l.log.Warn("scrape", "error", v) }

// within bounds what an answer may wait for.
func within(r *http.Request, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), d)
}
