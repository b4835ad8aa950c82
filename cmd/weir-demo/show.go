package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// stepTimeout bounds a statement and the wait for its lines in the query log.
const stepTimeout = 15 * time.Second

// A statement is one thing the demo's application does.
type statement struct {
	why       string
	on        *session
	text      string
	do        func(ctx context.Context, on *session, text string) (got string, err error)
	commands  []string // what do sends, as in the query log; nil for a COM_QUERY
	wantError int      // the error that the server is to answer with, 0 for none
}

// A show runs statements and prints what became of them.
type show struct {
	log   *queryLog
	shown int
}

// run runs a statement and shows what the application got and what each step of the pipeline saw. An error means
// that one of them is not what it must be.
func (s *show) run(ctx context.Context, st statement) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stepTimeout, fmt.Errorf("nothing for %v", stepTimeout))
	defer cancel()
	s.shown++
	say("%d. %s", s.shown, st.why)
	field("app", st.text)
	got, err := st.do(ctx, st.on, st.text)
	if got, err = expect(st.wantError, got, err); err != nil {
		return fmt.Errorf("statement %d, %s: %w", s.shown, st.text, err)
	}
	entries, err := s.entries(ctx, st)
	if err != nil {
		return fmt.Errorf("statement %d, %s: its line in the query log: %w", s.shown, st.text, err)
	}
	for _, e := range entries {
		field("querylog", e.line)
	}
	field("connection", "this connection's server is "+st.on.server)
	field("app got", got)
	say("")
	return nil
}

// expect turns the error that a statement is to get into what it got.
func expect(number int, got string, err error) (string, error) {
	if number == 0 {
		return got, err
	}
	var answered *mysql.MySQLError
	if !errors.As(err, &answered) || int(answered.Number) != number {
		return "", fmt.Errorf("wanted error %d, got %w", number, err)
	}
	return answered.Error(), nil
}

// entries waits for what querylog writes of a statement, and checks it.
func (s *show) entries(ctx context.Context, st statement) ([]entry, error) {
	commands := st.commands
	if commands == nil {
		commands = []string{"COM_QUERY"}
	}
	var entries []entry
	for _, command := range commands {
		e, err := s.log.next(ctx)
		switch {
		case err != nil:
			return nil, err
		case e.Command != command:
			return nil, fmt.Errorf("wanted %s, got %s", command, e.line)
		case e.Error != st.wantError:
			return nil, fmt.Errorf("wanted error %d, got %s", st.wantError, e.line)
		case e.Server != st.on.server && e.Server != "": // it is empty where there is no reply
			return nil, fmt.Errorf("wanted server %s, got %s", st.on.server, e.line)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// field prints a name and what belongs to it, which may be several lines.
func field(name, text string) {
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			name = ""
		}
		say("   %-10s  %s", name, line)
	}
}
