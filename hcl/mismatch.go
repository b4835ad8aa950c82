package hcl

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// mismatch reports a value of the wrong type, and returns false.
func (l *loader) mismatch(subject string, value cty.Value, expr hclsyntax.Expression, want reflect.Type) bool {
	l.report(expr.Range(), fmt.Sprintf("%s must be %s, not %s", subject, describe(want), describeValue(value)),
		l.remedy(value, expr, want))
	return false
}

// remedy says what to write in place of a value of the wrong type.
func (l *loader) remedy(value cty.Value, expr hclsyntax.Expression, want reflect.Type) string {
	text := l.text(expr)
	literal, isLiteral := unquote(text)
	_, numberErr := strconv.ParseFloat(literal, 64)
	switch {
	case isList(want) && !value.IsNull() && !value.Type().IsObjectType():
		return fmt.Sprintf("Write [%s].", text)
	case want.Kind() == reflect.String && !value.IsNull() && value.Type() == cty.Number:
		return fmt.Sprintf("Write it in quotes: %q.", text)
	case isNumber(want) && isLiteral && numberErr == nil, want.Kind() == reflect.Bool && (literal == "true" || literal == "false"):
		return fmt.Sprintf("Write it without quotes: %s.", literal)
	}
	var known []string
	for _, r := range referables {
		if !r.typ.AssignableTo(want) {
			continue
		}
		if isLiteral && l.nodes[r.block][literal] != nil {
			return fmt.Sprintf("Write %s, without quotes.", qualified(r.block, literal))
		}
		for name := range maps.Keys(l.nodes[r.block]) {
			known = append(known, qualified(r.block, name))
		}
	}
	if isReference(want) {
		return suggestion("", "Known are", known)
	}
	if example, ok := examples[want.Kind()]; ok {
		return fmt.Sprintf("For example %s.", example)
	}
	return ""
}

var examples = map[reflect.Kind]string{reflect.String: `"text"`, reflect.Int: "10", reflect.Bool: "true"}

// unquote returns what is between quotes, where text is no more than that.
func unquote(text string) (string, bool) {
	if len(text) < 2 || text[0] != '"' || strings.IndexByte(text[1:], '"') != len(text)-2 {
		return "", false
	}
	return text[1 : len(text)-1], true
}

// isReference reports whether a setting of a type is a reference to a block.
func isReference(t reflect.Type) bool {
	return slices.ContainsFunc(referables, func(r referable) bool { return r.typ.AssignableTo(t) })
}

// describe says what a setting of a type is to be.
func describe(t reflect.Type) string {
	switch {
	case t == durationType:
		return `a duration such as "30s"`
	case reflect.PointerTo(t).Implements(unmarshalerType):
		return "a string"
	case isReference(t):
		var articles []string
		for _, r := range referables {
			if r.typ.AssignableTo(t) {
				articles = append(articles, r.article)
			}
		}
		return strings.Join(articles, " or ")
	case isNumber(t) && t.Kind() >= reflect.Float32:
		return "a number"
	case isNumber(t):
		return "a whole number"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Struct:
		return "a block"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "a string"
	}
	panic(fmt.Sprintf("hcl: no setting can be a %s", t))
}

// describeValue says what a value is.
func describeValue(v cty.Value) string {
	t := v.Type()
	switch {
	case v.IsNull():
		return "null"
	case t == cty.String:
		return "a string"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsCapsuleType():
		return referableOf(t.FriendlyName()).article
	case t.IsObjectType(), t.IsMapType():
		return "an object"
	}
	return "a list"
}
