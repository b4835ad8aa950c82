package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// maxListed is how many known names a suggestion lists.
const maxListed = 20

// Suggestion ends the sentence that there is nothing of a name: with what was likely meant, and what there is.
func Suggestion(name string, known []string) string {
	known = slices.Sorted(slices.Values(known))
	best, least := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(k), nil); d < least {
			best, least = k, d
		}
	}
	text := ""
	if best != "" {
		text = fmt.Sprintf("; did you mean %q?", best)
	}
	if len(known) == 0 {
		return text + "; there are none"
	}
	if more := len(known) - maxListed; more > 0 {
		known = append(known[:maxListed], fmt.Sprintf("and %d more", more))
	}
	return text + "; there are " + strings.Join(known, ", ")
}
