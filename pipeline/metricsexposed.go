package pipeline

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// BuildInfo is the name of the figure that says what the program was built from, which who serves the metrics adds.
const BuildInfo = "weir_build_info"

// stepLabels are those of what steps expose.
var stepLabels = []string{"pipeline", "step"}

var metricName = regexp.MustCompile(`^weir_[a-z0-9_]*[a-z0-9]$`)

// Expose adds a figure of the process as a whole, which has no labels. It is read at each scrape.
func (p *Process) Expose(m Metric) {
	p.exposing.Lock()
	defer p.exposing.Unlock()
	p.metrics = append(p.metrics, stepMetric{Metric: m})
}

// labels are those of the figure's family.
func (m *stepMetric) labels() []string {
	if m.pipeline == "" {
		return nil
	}
	return stepLabels
}

// checkMetrics reports steps that expose what cannot go together: nobody who asks for one name is to be told two
// things.
func (p *Process) checkMetrics() error {
	p.exposing.Lock()
	defer p.exposing.Unlock()
	own := families{{Name: BuildInfo}}
	p.putWorkers(&own, nil, nil)
	p.putListeners(&own)
	p.putServers(&own, nil)
	p.putPipelines(&own, nil)
	var errs []error
	for i, m := range p.metrics {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("pipeline %s, %s: metric %s: %s", m.pipeline, m.step, m.Name, fmt.Sprintf(format, args...)))
		}
		switch {
		case !metricName.MatchString(m.Name):
			bad("a name begins with weir_ and has lower-case letters, digits and underscores")
		case m.Counter != strings.HasSuffix(m.Name, "_total"):
			bad("a counter's name ends in _total, and no other's")
		case m.Help == "":
			bad("it has no help")
		case slices.ContainsFunc(own, func(f *Family) bool { return f.Name == m.Name }):
			bad("Weir has one of its own of that name")
		}
		for _, other := range p.metrics[:i] {
			switch {
			case other.Name != m.Name:
			case other.pipeline == m.pipeline && other.step == m.step:
				bad("it is exposed twice")
			case other.Help != m.Help || other.Counter != m.Counter:
				bad("pipeline %s, %s exposes another of that name", other.pipeline, other.step)
			}
		}
	}
	return errors.Join(errs...)
}

// putExposed adds what steps expose.
func (p *Process) putExposed(f *families) {
	p.exposing.Lock()
	metrics := slices.Clone(p.metrics)
	p.exposing.Unlock()
	by := make(map[string]*Family)
	for _, m := range metrics {
		one := by[m.Name]
		if one == nil {
			kind := Gauge
			if m.Counter {
				kind = Counter
			}
			one = f.add(kind, m.Name, m.Help, m.labels()...)
			by[m.Name] = one
		}
		if len(one.Labels) == 0 {
			one.put(m.Read())
		} else {
			one.put(m.Read(), m.pipeline, m.step)
		}
	}
}
