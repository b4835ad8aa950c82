package querylog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// A field is one thing a record says.
type field uint8

// The fields, in the order they have by default.
const (
	fieldTime field = iota
	fieldSession
	fieldUser
	fieldClient
	fieldSchema
	fieldCommand
	fieldStatement
	fieldParams
	fieldParamSets
	fieldTruncated
	fieldFirst
	fieldLast
	fieldRows
	fieldAffected
	fieldBytes
	fieldError
	fieldSQLState
	fieldMessage
	fieldAborted
	fieldServer
	fieldTraceID
	fieldLastInsertID // from here on only where named
	fieldDigest
	fieldClass
	fieldSummary
	numFields
)

var fieldNames = [numFields]string{
	"time", "session", "user", "client", "schema", "command", "statement", "params", "param_sets", "truncated",
	"first_us", "last_us", "rows", "affected_rows", "bytes", "error", "sqlstate", "error_message", "aborted", "server",
	"trace_id", "last_insert_id", "digest", "class", "summary",
}

// parseFields returns the fields of those names, the default ones where there are none.
func parseFields(names []string) ([]field, error) {
	var all []field
	if len(names) == 0 {
		for f := range fieldLastInsertID {
			all = append(all, f)
		}
		return all, nil
	}
	for _, name := range names {
		i := slices.Index(fieldNames[:], name)
		if i < 0 {
			return nil, unknownName("field", name, fieldNames[:])
		}
		if slices.Contains(all, field(i)) {
			return nil, fmt.Errorf("field %q is named twice", name)
		}
		all = append(all, field(i))
	}
	return all, nil
}

// unknownName is the error about a name that is none of known.
func unknownName(what, name string, known []string) error {
	best, least := "", 1+max(2, len(name)/3)
	for _, k := range known {
		if d := levenshtein.Distance(strings.ToLower(name), k, nil); d < least {
			best, least = k, d
		}
	}
	likely := ""
	if best != "" {
		likely = fmt.Sprintf("did you mean %q? ", best)
	}
	return fmt.Errorf("unknown %s %q; %sknown are %s", what, name, likely, strings.Join(known, ", "))
}

// oneOf checks a setting that is one of a few words.
func oneOf(value string, known ...string) error {
	if slices.Contains(known, value) {
		return nil
	}
	return unknownName("value", value, known)
}

// A column is a field and what stands before its value.
type column struct {
	field
	key []byte
}

// columns returns the columns of a format.
func columns(fields []field, csv bool) []column {
	var all []column
	for i, f := range fields {
		key := fmt.Sprintf(",%q:", fieldNames[f])
		switch {
		case csv && i == 0:
			key = ""
		case csv:
			key = ","
		}
		all = append(all, column{f, []byte(key)})
	}
	return all
}

// header is the first line of a CSV file.
func header(fields []field, integrity bool) []byte {
	var names []string
	for _, f := range fields {
		names = append(names, fieldNames[f])
	}
	names = append(names, "event")
	if integrity {
		names = append(names, "seq", "hash")
	}
	return []byte(strings.Join(names, ",") + "\n")
}
