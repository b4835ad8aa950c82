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

// stepLabels are those of what steps expose, monitorLabels of what monitors do.
var (
	stepLabels    = []string{"pipeline", "step"}
	monitorLabels = []string{"monitor"}
)

var metricName = regexp.MustCompile(`^weir_[a-z0-9_]*[a-z0-9]$`)

// Expose adds a figure of the process as a whole, which has no labels. It is read at each scrape.
func (p *Process) Expose(m Metric) {
	p.exposing.Lock()
	defer p.exposing.Unlock()
	p.metrics = append(p.metrics, stepMetric{Metric: m})
}

// labels are those of the figure's family.
func (m *stepMetric) labels() []string {
	switch {
	case m.monitor != "":
		return monitorLabels
	case m.pipeline == "":
		return nil
	}
	return stepLabels
}

// values are those of the labels.
func (m *stepMetric) values() []string {
	switch {
	case m.monitor != "":
		return []string{m.monitor}
	case m.pipeline == "":
		return nil
	}
	return []string{m.pipeline, m.step}
}

// where names what exposed it.
func (m *stepMetric) where() string {
	if m.monitor != "" {
		return "monitor " + m.monitor
	}
	return fmt.Sprintf("pipeline %s, %s", m.pipeline, m.step)
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
			errs = append(errs, fmt.Errorf("%s: metric %s: %s", m.where(), m.Name, fmt.Sprintf(format, args...)))
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
			case other.where() == m.where():
				bad("it is exposed twice")
			case other.Help != m.Help || other.Counter != m.Counter || len(other.labels()) != len(m.labels()):
				bad("%s exposes another of that name", other.where())
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
		one.put(m.Read(), m.values()...)
	}
}
