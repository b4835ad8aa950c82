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
	fieldTables
	fieldFunctions
	numFields
)

var fieldNames = [numFields]string{
	"time", "session", "user", "client", "schema", "command", "statement", "params", "param_sets", "truncated",
	"first_us", "last_us", "rows", "affected_rows", "bytes", "error", "sqlstate", "error_message", "aborted", "server",
	"trace_id", "last_insert_id", "digest", "class", "summary", "tables", "functions",
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

// unquoted are the fields whose values do not stand in quotes: lists bring their own.
const unquoted = 1<<fieldSession | 1<<fieldParams | 1<<fieldParamSets | 1<<fieldTruncated | 1<<fieldFirst | 1<<fieldLast |
	1<<fieldRows | 1<<fieldAffected | 1<<fieldBytes | 1<<fieldError | 1<<fieldAborted | 1<<fieldLastInsertID |
	1<<fieldTables | 1<<fieldFunctions

// A column is a field in a record.
type column struct {
	field
	key    []byte // stands before the value, with its opening quote
	absent []byte // stands where there is no value
}

// columns returns the columns of a format.
func columns(fields []field, csv bool) (all []column) {
	for i, f := range fields {
		c := column{field: f}
		switch {
		case !csv:
			c.key = fmt.Appendf(nil, ",%q:", fieldNames[f])
		case i > 0:
			c.key, c.absent = []byte(","), []byte(",")
		}
		if 1<<f&unquoted == 0 {
			c.key = append(c.key, '"')
		}
		all = append(all, c)
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
