package pipeline

// A Step of an explanation says what one filter or router would do with a statement.
type Step struct {
	// Step is its name in the pipeline: "filter regex", "router readwritesplit".
	Step string `json:"step"`
	// Does says what it would do, and Why why: "primary", "the statement writes".
	Does string `json:"does"`
	Why  string `json:"why,omitempty"`
}

// An Explainer is a filter or router that can say what it would do with a statement, without doing it.
type Explainer interface {
	// Explain says what would become of the command in the session, which is Detached, and returns the command that
	// would be passed on: c where it stays what it is, nil where it is answered here.
	Explain(s *Session, c *Command) (step Step, next *Command)
}
