package querylog

import (
	"strconv"
	"time"
)

// An event is a record of something that is no command: in JSON an object, in CSV a row of which only the cell that is
// there for it says something. It is appended to, one thing after another, and allocates nothing.
type event struct {
	line []byte
	csv  bool
}

// begin begins an event. columns is the number of the columns before its own in CSV.
func begin(dst []byte, csv bool, columns int, kind string, now time.Time) event {
	e := event{dst, csv}
	if csv {
		for range columns {
			e.line = append(e.line, ',')
		}
		e.line = append(e.line, kind...)
	} else {
		e.line = append(append(append(e.line, `{"event":"`...), kind...), '"')
	}
	e.time("time", now)
	return e
}

// name appends the name of what is said next.
func (e *event) name(name string) {
	if e.csv {
		e.line = append(append(append(e.line, ' '), name...), '=')
		return
	}
	e.line = append(append(append(e.line, `,"`...), name...), `":`...)
}

// text appends a text that needs no quotes in it escaped.
func (e *event) text(name, value string) {
	e.name(name)
	e.quote()
	e.line = append(e.line, value...)
	e.quote()
}

func (e *event) time(name string, t time.Time) {
	e.name(name)
	e.quote()
	e.line = t.UTC().AppendFormat(e.line, timeLayout)
	e.quote()
}

func (e *event) number(name string, n uint64) {
	e.name(name)
	e.line = strconv.AppendUint(e.line, n, 10)
}

func (e *event) quote() {
	if !e.csv {
		e.line = append(e.line, '"')
	}
}

// end returns the line.
func (e *event) end() []byte {
	if !e.csv {
		e.line = append(e.line, '}')
	}
	return append(e.line, '\n')
}
