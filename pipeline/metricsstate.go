package pipeline

// putStates adds what monitors know of servers, and what operators have said of them. Of a server that nobody watches
// only the latter is told.
func (p *Process) putStates(f *families) {
	up := f.add(Gauge, "weir_server_up", "Whether the server is up, as its monitor finds.", "server")
	role := f.add(Gauge, "weir_server_role", "1 for the role that the server has, as its monitor finds.", "server", "role")
	problem := f.add(Gauge, "weir_server_problem", "1 for what keeps the server from being used as it could be, or for none.",
		"server", "problem")
	lag := f.add(Gauge, "weir_server_lag_seconds", "How far the replica is behind, where that is known.", "server")
	readOnly := f.add(Gauge, "weir_server_read_only", "Whether the server takes no writes.", "server")
	changed := f.add(Gauge, "weir_server_changed_timestamp_seconds",
		"When the server last came up, went down, or got another role or service.", "server")
	service := f.add(Gauge, "weir_server_service", "1 for how far an operator lets the server be used.", "server", "service")
	for _, srv := range p.Servers {
		name, st := srv.Name(), srv.State()
		for i, word := range serviceNames {
			service.put(truth(st.Service == Service(i)), name, word)
		}
		if !st.Monitored {
			continue
		}
		up.put(truth(st.Up), name)
		for i, word := range roleNames {
			role.put(truth(st.Role == Role(i)), name, word)
		}
		for i, word := range problemNames {
			problem.put(truth(st.Problem == Problem(i)), name, word)
		}
		if st.Lag != UnknownLag {
			lag.put(st.Lag.Seconds(), name)
		}
		readOnly.put(truth(st.ReadOnly), name)
		changed.put(float64(st.Since.UnixMilli())/1e3, name)
	}
}
