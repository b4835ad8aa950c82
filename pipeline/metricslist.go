package pipeline

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

func (p *Process) putWorkers(f *families, stocks []*stock, answered []bool) {
	used := f.add(Gauge, "weir_workers_used", "Workers that new sessions go to.")
	if len(stocks) > 0 {
		used.put(float64(p.used.Load()))
	}
	const help = "Time of the rounds of a worker's loop that were measured, about one in eight: "
	busy := f.add(Counter, "weir_worker_busy_seconds_total", help+"at work.", "worker")
	idle := f.add(Counter, "weir_worker_idle_seconds_total", help+"waiting.", "worker")
	responding := f.add(Gauge, "weir_worker_responding", "Whether the worker has answered this scrape in time.", "worker")
	sessions := f.add(Gauge, "weir_worker_sessions", "Sessions on the worker, branches included.", "worker")
	tasks := f.add(Gauge, "weir_worker_tasks", "Commands being served, those that wait for a server included.", "worker")
	ready := f.add(Gauge, "weir_worker_ready_tasks", "Tasks that could go on and wait for their turn.", "worker")
	timers := f.add(Gauge, "weir_worker_timers", "Timers that are set.", "worker")
	buffers := f.add(Gauge, "weir_worker_buffers", "Read buffers in use: small ones of 16 KiB, large ones of 64 KiB.",
		"worker", "size")
	known := f.add(Gauge, "weir_worker_known_statements", "Digests whose class the worker remembers, up to "+
		strconv.Itoa(maxKnown)+".", "worker")
	for i, s := range stocks {
		name := strconv.Itoa(i)
		responding.put(truth(answered[i]), name)
		b, w := p.workers[i].Measured()
		busy.put(b.Seconds(), name)
		idle.put(w.Seconds(), name)
		if s == nil {
			continue
		}
		sessions.put(float64(s.sessions), name)
		tasks.put(float64(s.loop.Tasks), name)
		ready.put(float64(s.loop.Ready), name)
		timers.put(float64(s.loop.Timers), name)
		buffers.put(float64(s.loop.Small), name, "small")
		buffers.put(float64(s.loop.Large), name, "large")
		known.put(float64(s.known), name)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (p *Process) putListeners(f *families) {
	connections := f.add(Gauge, "weir_listener_connections", "Clients connected, those that are logging in included.", "listener")
	limit := f.add(Gauge, "weir_listener_max_connections", "The listener's max_connections, where it has one.", "listener")
	sessions := f.add(Gauge, "weir_sessions", "Clients that are logged in.", "listener")
	opened := f.add(Counter, "weir_sessions_opened_total", "Clients that have logged in.", "listener")
	ended := f.add(Counter, "weir_sessions_ended_total", "Sessions that have ended, by what ended them.", "listener", "reason")
	lasted := f.add(Durations, "weir_session_duration_seconds",
		"Time from a client's login to the end of its session, of sessions that have ended.", "listener")
	refused := f.add(Counter, "weir_logins_refused_total", "Clients that were not let in, by the reason.", "listener", "reason")
	for _, l := range p.Listeners {
		name := l.Config.Name
		connections.put(float64(l.clients.Load()), name)
		if l.Config.MaxConnections > 0 {
			limit.put(float64(l.Config.MaxConnections), name)
		}
		gone := 0.0 // read before those that came, so that there are not less of these
		for i := range l.counts.ended {
			n := float64(l.counts.ended[i].Load())
			ended.put(n, name, endNames[i])
			gone += n
		}
		lasted.Figures = append(lasted.Figures, Figure{
			Labels: []string{name}, Distribution: l.counts.lasted.distribution(sessionBounds),
		})
		for i := range l.counts.refused {
			refused.put(float64(l.counts.refused[i].Load()), name, refusalNames[i])
		}
		came := float64(l.counts.opened.Load())
		opened.put(came, name)
		sessions.put(came-gone, name)
	}
}

func (p *Process) putServers(f *families, stocks []*stock) {
	p.putStates(f)
	info := f.add(Gauge, "weir_server_info", "1, with where the server is and what it says it is.",
		"server", "address", "db_system_name", "version")
	connections := f.add(Gauge, "weir_server_connections", "Sessions' connections to the server, those being made included.", "server")
	connects := f.add(Counter, "weir_server_connects_total", "Connections on which a session has logged in.", "server")
	failed := f.add(Counter, "weir_server_connect_errors_total",
		"Connections that could not be made, or on which logging in went wrong.", "server", "reason")
	suspect := f.add(Gauge, "weir_server_suspect",
		"1 where the server could not be reached a short while ago, and others are preferred.", "server")
	received := f.add(Counter, "weir_server_received_bytes_total", "Bytes of replies from the server.", "server")
	sent := f.add(Counter, "weir_server_sent_bytes_total", "Bytes of commands to the server.", "server")
	for _, srv := range p.Servers {
		name := srv.Name()
		system, version := srv.system()
		info.put(1, name, srv.Config.Address, system, version)
		connections.put(float64(srv.Links()), name)
		connects.put(float64(srv.counts.connects.Load()), name)
		for i := range srv.counts.failed {
			failed.put(float64(srv.counts.failed[i].Load()), name, connectErrorNames[i])
		}
		suspect.put(truth(srv.Suspect()), name)
		var both traffic
		for _, s := range stocks {
			if s != nil {
				both.received += s.servers[srv.slot].received
				both.sent += s.servers[srv.slot].sent
			}
		}
		received.put(float64(both.received), name)
		sent.put(float64(both.sent), name)
	}
}

// system is what the server is by its greeting: OpenTelemetry's name of it, and its version.
func (srv *Server) system() (name, version string) {
	g := srv.greeting.Load()
	switch {
	case g == nil:
		return "other_sql", ""
	case strings.Contains(g.ServerVersion, "MariaDB"):
		return "mariadb", g.ServerVersion
	}
	return "mysql", g.ServerVersion
}

// putPipelines adds the tallies of the workers up.
func (p *Process) putPipelines(f *families, stocks []*stock) {
	line := []string{"pipeline", "session"}
	durations := f.add(Durations, "db_client_operation_duration_seconds",
		"Time from a statement's arrival to the end of its reply, of text statements and executions of prepared ones.",
		"pipeline", "session", "server", "db_system_name", "db_operation_name", "outcome")
	steps := f.add(Durations, "weir_step_duration_seconds",
		"Time of a command in one step by itself, measured for one command in 64.", "pipeline", "session", "step")
	commands := f.add(Counter, "weir_commands_total", "Commands of clients.", "pipeline", "session", "command")
	unknown := f.add(Counter, "weir_statements_unknown_total",
		"Statements that the scanner could not class; they are treated as if they wrote.", line...)
	rows := f.add(Counter, "weir_rows_total", "Rows in replies.", line...)
	transactions := f.add(Counter, "weir_transactions_total",
		"Transactions that have ended, by whether they did more than read.", "pipeline", "session", "access_mode")
	received := f.add(Counter, "weir_client_received_bytes_total", "Bytes from clients.", line...)
	sent := f.add(Counter, "weir_client_sent_bytes_total", "Bytes to clients.", line...)
	for _, t := range merged(stocks) {
		labels := []string{t.pipeline.Name, "client"}
		if t.branch {
			labels[1] = "branch"
		}
		unknown.put(float64(p.putDurations(durations, t, labels)), labels...)
		for i, h := range t.steps {
			if h != nil {
				steps.Figures = append(steps.Figures, Figure{
					Labels: extend(labels, t.pipeline.stepName(i)), Distribution: h.distribution(stepBounds),
				})
			}
		}
		putCommands(commands, t, labels)
		rows.put(float64(t.rows), labels...)
		for i, n := range t.transactions {
			transactions.put(float64(n), extend(labels, accessModeNames[i])...)
		}
		if !t.branch {
			received.put(float64(t.received), labels...)
			sent.put(float64(t.sent), labels...)
		}
	}
}

// putDurations adds the histograms of a tally's statements, and returns how many of these have no class.
func (p *Process) putDurations(f *Family, t *tally, labels []string) (unknown uint64) {
	for slot, row := range t.statements {
		server, system := "", "other_sql"
		if slot > 0 {
			server = p.Servers[slot-1].Name()
			system, _ = p.Servers[slot-1].system()
		}
		for i, h := range row {
			if h == nil {
				continue
			}
			d := h.distribution(statementBounds)
			class, out := sqlscan.Class(i/numOutcomes), i%numOutcomes
			if class == sqlscan.Unknown {
				unknown += d.Count
			}
			f.Figures = append(f.Figures, Figure{
				Labels: extend(labels, server, system, class.String(), outcomeNames[out]), Distribution: d,
			})
		}
	}
	return unknown
}

// putCommands adds the counts of commands. Those of codes that nobody knows are one.
func putCommands(f *Family, t *tally, labels []string) {
	unknown := uint64(0)
	name := protocol.CommandName(0xff)
	for com, n := range t.commands {
		switch known := protocol.CommandName(byte(com)); {
		case known == name:
			unknown += n
		case n > 0:
			f.put(float64(n), extend(labels, known)...)
		}
	}
	if unknown > 0 {
		f.put(float64(unknown), extend(labels, name)...)
	}
}

func extend(labels []string, more ...string) []string {
	return append(append(make([]string, 0, len(labels)+len(more)), labels...), more...)
}

// merged adds the workers' tallies of each pipeline up.
func merged(stocks []*stock) []*tally {
	var all []*tally
	for _, s := range stocks {
		if s == nil {
			continue
		}
		for _, t := range s.pipelines {
			if i := slices.IndexFunc(all, func(other *tally) bool {
				return other.pipeline == t.pipeline && other.branch == t.branch
			}); i >= 0 {
				all[i].add(t)
				continue
			}
			all = append(all, t.clone()) // the stock may be wanted again
		}
	}
	return all
}
