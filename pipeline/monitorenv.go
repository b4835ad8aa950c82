package pipeline

import "fmt"

// MonitorEnv returns the environment of the monitor of a name. Its figures have the label monitor. It has no Page: what
// monitors know is the servers' state. OnStart may block until the servers have been asked a first time.
func (p *Process) MonitorEnv(name string) Env {
	return Env{
		Log: p.Log.With("monitor", name),
		OnStart: func(f func() error) {
			p.starts = append(p.starts, func() error {
				if err := f(); err != nil {
					return fmt.Errorf("monitor %s: %w", name, err)
				}
				return nil
			})
		},
		OnStop:   func(f func()) { p.stops = append(p.stops, f) },
		OnReopen: func(f func()) { p.reopens = append(p.reopens, f) },
		Expose: func(m Metric) {
			p.exposing.Lock()
			defer p.exposing.Unlock()
			p.metrics = append(p.metrics, stepMetric{Metric: m, monitor: name})
		},
	}
}
