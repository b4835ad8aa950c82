package querylog

import (
	"fmt"
	"strings"
	"time"
)

// A detail is what an event says more.
type detail struct {
	name, value string
	number      bool
}

// event returns the record of something that is no command: an object in JSON, and in CSV what stands in the last cell,
// with the end of the line.
func event(kind string, now time.Time, csv bool, details ...detail) []byte {
	details = append([]detail{{"time", formatTime(now), false}}, details...)
	var b strings.Builder
	if csv {
		b.WriteString(kind)
		for _, d := range details {
			fmt.Fprintf(&b, " %s=%s", d.name, d.value)
		}
		return []byte(b.String() + "\n")
	}
	fmt.Fprintf(&b, "{%q:%q", "event", kind)
	for _, d := range details {
		if d.number {
			fmt.Fprintf(&b, ",%q:%s", d.name, d.value)
		} else {
			fmt.Fprintf(&b, ",%q:%q", d.name, d.value)
		}
	}
	return []byte(b.String() + "}\n")
}

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
