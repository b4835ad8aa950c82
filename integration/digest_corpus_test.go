package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A corpusStatement is a statement of digests/*.txt, which digests/README.md describes.
type corpusStatement struct {
	place   string // file:line
	family  string // "mysql", "mariadb" or "both"
	options []string
	text    string
}

// charsets are the options that name a character_set_client, with what they are to the scanner.
var charsets = map[string]sqlscan.Mode{
	"utf8mb4": 0, "latin1": sqlscan.Latin, "gbk": sqlscan.GBK, "big5": sqlscan.Big5, "sjis": sqlscan.SJIS, "cp932": sqlscan.SJIS,
}

// charset is the character_set_client the statement is sent in.
func (s corpusStatement) charset() string {
	for _, o := range s.options {
		if _, ok := charsets[o]; ok {
			return o
		}
	}
	return "utf8mb4"
}

// sqlMode is the sql_mode the statement is sent in.
func (s corpusStatement) sqlMode() string {
	modes := slices.Clone(s.options)
	return strings.Join(slices.DeleteFunc(modes, func(o string) bool { return o != strings.ToUpper(o) }), ",")
}

// prepared tells whether the statement is sent to be prepared.
func (s corpusStatement) prepared() bool { return slices.Contains(s.options, "prepared") }

// mode is what the scanner is told of the session.
func (s corpusStatement) mode(family string) sqlscan.Mode {
	mode := charsets[s.charset()]
	if family == "mariadb" {
		mode |= sqlscan.MariaDB
	}
	for _, o := range s.options {
		switch o {
		case "ANSI_QUOTES", "ORACLE": // the latter includes the former
			mode |= sqlscan.AnsiQuotes
		case "NO_BACKSLASH_ESCAPES":
			mode |= sqlscan.NoBackslashEscapes
		}
	}
	return mode
}

// corpus reads the statements.
func corpus() (all []corpusStatement, err error) {
	files, err := filepath.Glob("digests/*.txt")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var section corpusStatement
		number := 0
		for line := range strings.SplitSeq(string(content), "\n") {
			number++
			place := fmt.Sprintf("%s:%d", file, number)
			if heading, ok := strings.CutPrefix(line, "["); ok {
				words := strings.FieldsFunc(heading, func(r rune) bool { return strings.ContainsRune(" ,]", r) })
				section = corpusStatement{family: words[0], options: words[1:]}
				continue
			}
			if line == "" || strings.HasPrefix(line, "# ") {
				continue
			}
			s := section
			s.place, s.text = place, line
			if strings.HasPrefix(line, `"`) {
				if s.text, err = strconv.Unquote(line); err != nil {
					return nil, fmt.Errorf("%s: %w", place, err)
				}
			}
			all = append(all, s)
		}
	}
	return all, nil
}
