package pipeline

import (
	"errors"
)

// Check checks the telemetry block. The mistakes in its settings are Invalid errors, joined, with the name of the block
// within before the setting's.
func (c TelemetryConfig) Check() error {
	var errs []error
	if c.Traces != nil {
		errs = append(errs, c.Traces.check())
	}
	if c.Metrics != nil {
		errs = append(errs, c.Metrics.check())
	}
	return errors.Join(errs...)
}

func (c *MetricsConfig) check() error {
	if err := validAddress(c.Address, 0); err != nil {
		return Invalid("metrics: address", err)
	}
	return nil
}
