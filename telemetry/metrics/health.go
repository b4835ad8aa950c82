package metrics

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// healthTimeout is how long a worker may take to say a word, readyTimeout how long servers may that have not been tried
// lately: both shorter than a second, which is what Kubernetes and others wait by default.
const (
	healthTimeout = 900 * time.Millisecond
	readyTimeout  = 900 * time.Millisecond
)

// health tells who watches the process whether it is well, and whether to send it clients.
type health struct{ p *pipeline.Process }

type report struct {
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons,omitempty"`
}

// healthz answers 200 while the workers respond: a process of which that is not so may be killed.
func (h *health) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := within(r, healthTimeout)
	defer cancel()
	if err := h.p.Health(ctx); err != nil {
		answer(w, strings.Split(err.Error(), "\n"))
		return
	}
	answer(w, nil)
}

// readyz answers 200 while a client that came now would be served.
func (h *health) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := within(r, readyTimeout)
	defer cancel()
	answer(w, h.p.Unready(ctx))
}

// answer writes 200, or 503 with the reasons.
func answer(w http.ResponseWriter, reasons []string) {
	w.Header().Set("Content-Type", "application/json")
	if len(reasons) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(report{len(reasons) == 0, reasons}) // fails where the client has gone
}
