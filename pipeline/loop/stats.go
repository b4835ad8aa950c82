package loop

// Stats are figures of a worker at one moment.
type Stats struct {
	// Tasks is how many run or wait, Idle how many are kept for the next.
	Tasks, Idle int
	// Ready is how many tasks wait for their turn.
	Ready int
	// Timers is how many are set.
	Timers int
	// Together is how many sends have gone out with others, by the Ring.
	Together int
	// Small and Large are how many buffers are lent.
	Small, Large int
}

// Stats returns the worker's figures.
func (w *Worker) Stats() Stats {
	return Stats{
		Tasks: w.tasks - len(w.idle), Idle: len(w.idle), Ready: len(w.ready), Timers: len(w.timers),
		Together: w.soon.together, Small: w.small.lent, Large: w.large.lent,
	}
}
