package hcl

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// maxDepth bounds nesting, as the HCL parser calls itself for every level and would run out of stack.
const maxDepth = 500

// maxCuts bounds how often a section is parsed again.
const maxCuts = 50

// A section is a part of the file that is parsed on its own: all of it where its syntax is right, otherwise what
// begins with one top-level block.
type section struct {
	*hclsyntax.Body
	// broken says that the syntax of the blocks in it is wrong in a way that leaves their content in doubt.
	broken bool
}

// parse reports mistakes of syntax and returns what can be looked at nevertheless.
func (l *loader) parse() []section {
	if at := tooDeep(l.src); at != nil {
		l.report(*at, "nested too deeply", fmt.Sprintf("At most %d levels are read.", maxDepth))
		return nil
	}
	if body, diags := parseBody(l.src, hcl.InitialPos); !isBroken(diags) && !isMisnested(body) {
		l.foreignAll(diags)
		return []section{{body, false}}
	}
	var sections []section
	for _, piece := range pieces(l.src) {
		sections = append(sections, l.parseSection(piece.src, piece.start))
	}
	return sections
}

// parseSection reports each mistake in src. A mistake in the value of a setting is cut out once reported, so
// that it hides nothing behind it; any other makes the section broken.
func (l *loader) parseSection(src []byte, start hcl.Pos) section {
	type mistake struct {
		at      int
		summary string
	}
	reported := make(map[mistake]bool)
	for cuts := 0; ; cuts++ {
		body, diags := parseBody(src, start)
		if !isBroken(diags) {
			l.foreignAll(diags)
			return section{body, false}
		}
		diags = slices.DeleteFunc(diags, isRedefinition)
		first := slices.MinFunc(diags, func(a, b *hcl.Diagnostic) int { return a.Subject.Start.Byte - b.Subject.Start.Byte })
		at := min(max(first.Subject.Start.Byte-start.Byte, 0), len(src))
		if reported[mistake{at, first.Summary}] {
			return section{body, true} // the cut has healed nothing
		}
		reported[mistake{at, first.Summary}] = true
		l.foreign(first) // those after it may well be its consequences
		patched, hole, ok := cutValue(src, at)
		if !ok || cuts == maxCuts {
			return section{body, true}
		}
		src = patched
		l.holes[start.Byte+hole] = true
	}
}

func parseBody(src []byte, start hcl.Pos) (*hclsyntax.Body, hcl.Diagnostics) {
	file, diags := hclsyntax.ParseConfig(src, "", start)
	return file.Body.(*hclsyntax.Body), diags
}

// isBroken reports whether diags are more than settings given twice, which leave the rest readable.
func isBroken(diags hcl.Diagnostics) bool {
	return slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return !isRedefinition(d) })
}

func isRedefinition(d *hcl.Diagnostic) bool { return d.Summary == "Attribute redefined" }

// isMisnested reports whether a top-level block stands within another: a sign that one brace is missing before it
// and one too many behind it.
func isMisnested(body *hclsyntax.Body) bool {
	return slices.ContainsFunc(body.Blocks, func(outer *hclsyntax.Block) bool {
		return slices.ContainsFunc(outer.Body.Blocks, func(inner *hclsyntax.Block) bool {
			return slices.Contains(topLevel, inner.Type)
		})
	})
}

func (l *loader) foreignAll(diags hcl.Diagnostics) {
	for _, d := range diags {
		l.foreign(d)
	}
}

var settingLine = regexp.MustCompile(`^[ \t]*[A-Za-z_][-\w]*[ \t]*=(.+)$`)

// cutValue replaces the value of the setting on the line of at by an underscore, the hole, and blanks, so that
// everything else stays where it is. It declines a line that may be part of something longer.
func cutValue(src []byte, at int) (patched []byte, hole int, ok bool) {
	first := bytes.LastIndexByte(src[:at], '\n') + 1
	end := len(src)
	if i := bytes.IndexByte(src[at:], '\n'); i >= 0 {
		end = at + i
	}
	match := settingLine.FindSubmatchIndex(src[first:end])
	if match == nil {
		return nil, 0, false
	}
	hole = first + match[2]
	for _, pair := range []string{"()", "[]", "{}"} {
		if bytes.Count(src[hole:end], []byte(pair[:1])) != bytes.Count(src[hole:end], []byte(pair[1:])) {
			return nil, 0, false
		}
	}
	patched = slices.Clone(src)
	for i := hole; i < end; i++ {
		patched[i] = ' '
	}
	patched[hole] = '_'
	return patched, hole, !bytes.Equal(patched, src)
}

type piece struct {
	src   []byte
	start hcl.Pos
}

var topLevelBlock = regexp.MustCompile(`(?m)^(?:server|monitor|accounts|listener|pipeline|process|telemetry)[ \t]*["{A-Za-z]`)

// pieces cuts src before every line that looks like the start of a top-level block, so that a brace or quote
// missing in one block does not reach the next.
func pieces(src []byte) []piece {
	var all []piece
	start := hcl.InitialPos
	cut := func(at int) {
		if at > start.Byte {
			all = append(all, piece{src[start.Byte:at], start})
			start.Line += bytes.Count(src[start.Byte:at], []byte("\n"))
			start.Byte = at
		}
	}
	for _, match := range topLevelBlock.FindAllIndex(src, -1) {
		cut(match[0])
	}
	cut(len(src))
	return all
}

// tooDeep returns where src is nested more than maxDepth levels deep, nil where it is not.
func tooDeep(src []byte) *hcl.Range {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos) // its diagnostics come again from the parser
	depth, operators := 0, 0
	for _, token := range tokens {
		switch token.Type {
		case hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenOBrace,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace, hclsyntax.TokenTemplateSeqEnd:
			depth = max(0, depth-1)
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenQuestion:
			operators++ // each may hold the next
		case hclsyntax.TokenEqual:
			operators = 0
		}
		if depth+operators > maxDepth {
			return &token.Range
		}
	}
	return nil
}
