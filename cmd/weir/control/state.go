package control

import (
	"strings"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// A List is the answer to a question for all servers.
type List struct {
	Servers []Server `json:"servers"`
}

// A Server is what is known of a server.
type Server struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	// Monitored says that a monitor watches the server. Of others, Up means that nothing else is known.
	Monitored bool   `json:"monitored"`
	Up        bool   `json:"up"`
	Role      string `json:"role"`
	// Of is the name of the server that this one replicates from.
	Of string `json:"of,omitempty"`
	// LagSeconds is nil where the lag is not known.
	LagSeconds  *float64 `json:"lag_seconds"`
	Service     string   `json:"service"`
	Connections int64    `json:"connections"`
	ReadOnly    bool     `json:"read_only"`
	Version     string   `json:"version,omitempty"`
	GTID        string   `json:"gtid,omitempty"`
	Reason      string   `json:"reason,omitempty"`
	// Since is when Up, Role or Service last changed; nil where they never did.
	Since *time.Time `json:"since"`
}

// A Change is the answer to setting a server's service.
type Change struct {
	Before string `json:"before"`
	Server Server `json:"server"`
}

// A Reset is the answer to resetting the GTIDs of a pipeline's router.
type Reset struct {
	Pipeline string `json:"pipeline"`
}

// failure is the answer where something went wrong.
type failure struct {
	Error string `json:"error"`
}

func stateOf(srv *pipeline.Server) Server {
	st := srv.State()
	s := Server{
		Name: srv.Name(), Address: srv.Config.Address, Monitored: st.Monitored, Up: st.Up, Role: st.Role.String(),
		Service: st.Service.String(), Connections: srv.Links(), ReadOnly: st.ReadOnly, Version: st.Version,
		GTID: st.GTID, Reason: st.Reason,
	}
	if st.Of != nil {
		s.Of = st.Of.Name()
	}
	if st.Lag != pipeline.UnknownLag {
		lag := st.Lag.Seconds()
		s.LagSeconds = &lag
	}
	if !st.Since.IsZero() {
		s.Since = &st.Since
	}
	return s
}

var allServices = []pipeline.Service{pipeline.InService, pipeline.Draining, pipeline.InMaintenance}

// serviceOf returns the service of that name.
func serviceOf(name string) (pipeline.Service, bool) {
	for _, v := range allServices {
		if v.String() == name {
			return v, true
		}
	}
	return 0, false
}

// InWords says in a sentence what a server is whose service has that name.
func InWords(service string) string {
	if service == pipeline.InMaintenance.String() {
		return "in maintenance"
	}
	return service
}

// services names all services.
func services() string {
	var names []string
	for _, v := range allServices {
		names = append(names, v.String())
	}
	return strings.Join(names, ", ")
}
