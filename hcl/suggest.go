package hcl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// maxListed is how many known names are listed.
const maxListed = 20

// nearest returns the one of known that given is most likely a misspelling of, or "".
func nearest(given string, known []string) string {
	limit := 1
	if len(given) > 3 {
		limit = max(2, len(given)/3) // two letters exchanged count as two
	}
	best, distance := "", limit+1
	for _, name := range slices.Sorted(slices.Values(known)) {
		d := levenshtein.Distance(strings.ToLower(given), strings.ToLower(name), nil)
		if len(given) >= 3 && strings.HasPrefix(name, given) {
			d = min(d, 1) // an abbreviation: "addr"
		}
		if d < distance {
			best, distance = name, d
		}
	}
	return best
}

// suggestion is the detail of a diagnostic about an unknown name. what leads the list of all known ones.
func suggestion(likely, what string, known []string) string {
	known = slices.Sorted(slices.Values(known))
	if more := len(known) - maxListed; more > 0 {
		known = append(known[:maxListed], fmt.Sprintf("and %d more", more))
	}
	var b strings.Builder
	if likely != "" {
		fmt.Fprintf(&b, "Did you mean %s? ", likely)
	}
	if len(known) == 0 {
		return b.String() + what + ": none."
	}
	return b.String() + what + ": " + strings.Join(known, ", ") + "."
}
