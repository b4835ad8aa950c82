package hcl

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// A Diagnostic is one mistake in a file, or a warning about it.
type Diagnostic struct {
	Warning bool
	File    string
	// Line and Column count from 1. Line is 0 where the file as a whole is meant.
	Line, Column int
	// Summary says what is wrong, Detail what would be right. Detail may be empty.
	Summary, Detail string

	source string // the line
	offset int    // of the marked bytes in source
	length int
}

// Diagnostics are all mistakes and warnings of a file, in the order of its lines.
type Diagnostics []Diagnostic

// HasErrors reports whether any of d is more than a warning.
func (d Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(d, func(one Diagnostic) bool { return !one.Warning })
}

// String returns d as it is to be read: place and summary, the line, a mark under the place, what would be right.
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Line, d.Column)
	}
	b.WriteString(": ")
	if d.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(d.Summary + "\n")
	if d.Line > 0 {
		line, padding, mark := d.snippet()
		number := strconv.Itoa(d.Line)
		fmt.Fprintf(&b, "  %s | %s\n", number, line)
		fmt.Fprintf(&b, "  %*s | %s%s\n", len(number), "", padding, mark)
	}
	if d.Detail != "" {
		b.WriteString("  " + strings.ReplaceAll(d.Detail, "\n", "\n  ") + "\n")
	}
	return b.String()
}

// Print writes all of d to w, an empty line between two.
func (d Diagnostics) Print(w io.Writer) error {
	for i, one := range d {
		text := one.String()
		if i > 0 {
			text = "\n" + text
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

// maxSnippet is how much of a long line is shown, in bytes.
const maxSnippet = 160

// snippet returns the line, what stands before the mark in the line below it, and the mark.
func (d Diagnostic) snippet() (line, padding, mark string) {
	line, offset := d.source, d.offset
	if offset > maxSnippet/2 && len(line) > maxSnippet {
		cut := runeStart(line, offset-maxSnippet/2)
		line, offset = line[cut:], offset-cut
	}
	line = line[:runeStart(line, min(len(line), maxSnippet))]
	offset = min(offset, len(line))
	end := min(offset+d.length, len(line))
	padding = strings.Map(func(r rune) rune {
		if r == '\t' {
			return r // as wide as the one above it
		}
		return ' '
	}, line[:offset])
	mark = strings.Repeat("^", max(1, utf8.RuneCountInString(line[offset:end])))
	return printable(line), padding, mark
}

// runeStart returns the beginning of the rune that at is in.
func runeStart(s string, at int) int {
	for at > 0 && at < len(s) && !utf8.RuneStart(s[at]) {
		at--
	}
	return at
}

// printable replaces what a terminal might take for a command.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// report adds a diagnostic at a range of the file.
func (l *loader) report(at hcl.Range, summary, detail string) {
	l.diags = append(l.diags, l.diagnostic(at, summary, detail))
}

func (l *loader) warn(at hcl.Range, summary, detail string) {
	d := l.diagnostic(at, summary, detail)
	d.Warning = true
	l.diags = append(l.diags, d)
}

func (l *loader) diagnostic(at hcl.Range, summary, detail string) Diagnostic {
	start := min(max(at.Start.Byte, 0), len(l.src))
	first := bytes.LastIndexByte(l.src[:start], '\n') + 1
	text, _, _ := bytes.Cut(l.src[first:], []byte("\n"))
	line := strings.TrimSuffix(string(text), "\r")
	offset := min(start-first, len(line))
	return Diagnostic{
		File: l.path, Line: at.Start.Line, Column: at.Start.Column,
		Summary: printable(summary), Detail: detail,
		source: line, offset: offset,
		length: min(max(at.End.Byte-start, 0), len(line)-offset),
	}
}

// hints say of the library's diagnostics what is most often meant.
var hints = map[string]string{
	"Invalid number literal":                   "Addresses and other text are written in quotes.",
	"Missing newline after argument":           "Text and durations are written in quotes, settings one to a line.",
	"Invalid single-argument block definition": "Put each setting on a line of its own.",
}

// foreign adds a diagnostic of the HCL library in the voice of our own.
func (l *loader) foreign(d *hcl.Diagnostic) {
	at := hcl.Range{Start: hcl.InitialPos, End: hcl.InitialPos}
	if d.Subject != nil {
		at = *d.Subject
	}
	detail := d.Detail
	if hint := hints[d.Summary]; hint != "" {
		detail += " " + hint
	}
	first, size := utf8.DecodeRuneInString(d.Summary)
	l.report(at, string(unicode.ToLower(first))+d.Summary[size:], detail)
}

func (d Diagnostics) sort() {
	slices.SortStableFunc(d, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
