package top

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// slowest are the slowest statements of one session.
type slowest struct {
	most    int // statements
	maxText int
	least   time.Duration // for a statement to be among them

	items []item
	last  int // of items: the fastest, once there are as many as may be

	started    time.Time
	statements uint64
	total      time.Duration
}

// An item is a statement among the slowest.
type item struct {
	took      time.Duration
	text      []byte // used again for the statement that takes its place
	truncated bool
}

func newSlowest(c Config) *slowest {
	return &slowest{most: c.Count, maxText: c.MaxText, least: c.MinDuration, started: time.Now()}
}

// note counts a statement, and keeps it where it is among the slowest. It allocates only for one that is.
func note[T ~string | ~[]byte](s *slowest, took time.Duration, text T, truncated bool) {
	s.statements++
	s.total += took
	if took < s.least || len(s.items) == s.most && took <= s.items[s.last].took {
		return
	}
	if len(s.items) < s.most {
		s.last = len(s.items)
		s.items = append(s.items, item{})
	}
	one := &s.items[s.last]
	n := min(len(text), s.maxText)
	one.took, one.text, one.truncated = took, append(one.text[:0], text[:n]...), truncated || n < len(text)
	for i := range s.items {
		if s.items[i].took < s.items[s.last].took {
			s.last = i
		}
	}
}

// report writes the session's report, where there is anything to report.
func (l *link) report() {
	s := l.slowest
	if len(s.items) == 0 {
		return
	}
	path := fmt.Sprintf("%s.%d", l.config.Path, l.s.ID())
	if life := l.s.Life(); life > 1 {
		path = fmt.Sprintf("%s.%d", path, life)
	}
	user, client := l.s.User(), l.s.ClientAddr()
	if host, _, err := net.SplitHostPort(client); err == nil {
		client = host
	}
	l.reports.write(path, func(w io.Writer) error { return s.write(w, user, client) })
}

const ruler = "-----------+-----------------------------------------------------------------"

// write writes the report in the words and columns of MaxScale's topfilter, which tools know how to read.
func (s *slowest) write(to io.Writer, user, client string) error {
	slices.SortStableFunc(s.items, func(a, b item) int { return cmp.Compare(b.took, a.took) })
	w := bufio.NewWriter(to)
	title := fmt.Sprintf("Top %d longest running queries in session.", s.most)
	fmt.Fprintf(w, "%s\n%s\n\nTime (sec) | Query\n%s\n", title, strings.Repeat("=", len(title)), ruler)
	for _, one := range s.items {
		fmt.Fprintf(w, "%10.3f |  %s\n", one.took.Seconds(), one.line())
	}
	fmt.Fprintf(w, "%s\n\n\nSession started %s\nConnection from %s\nUsername        %s\n\n",
		ruler, s.started.Format(time.ANSIC), client, user)
	fmt.Fprintf(w, "Total of %d statements executed.\n", s.statements)
	fmt.Fprintf(w, "Total statement execution time   %.3f seconds\n", s.total.Seconds())
	fmt.Fprintf(w, "Average statement execution time %.3f seconds\n", s.total.Seconds()/float64(max(s.statements, 1)))
	fmt.Fprintf(w, "Total connection time            %.3f seconds\n", time.Since(s.started).Seconds())
	return w.Flush()
}

// line is the statement in one line.
func (i *item) line() string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(i.text), "\uFFFD"))
	if i.truncated {
		text += "..."
	}
	return text
}
