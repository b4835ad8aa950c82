package hcl

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

var (
	durationType    = reflect.TypeFor[time.Duration]()
	stringsType     = reflect.TypeFor[[]string]()
	unmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// value evaluates an expression into dst. subject names the setting in diagnostics. It returns false where dst
// has no value, which has then been reported.
func (l *loader) value(subject string, expr hclsyntax.Expression, dst reflect.Value) bool {
	for {
		inner, ok := expr.(*hclsyntax.ParenthesesExpr)
		if !ok {
			break
		}
		expr = inner.Expression
	}
	if list, ok := expr.(*hclsyntax.TupleConsExpr); ok && isList(dst.Type()) {
		// Element by element, so that each mistake is marked where it is.
		elements, ok := reflect.MakeSlice(dst.Type(), len(list.Exprs), len(list.Exprs)), true
		for i, element := range list.Exprs {
			ok = l.value(elementOf(subject), element, elements.Index(i)) && ok
		}
		if ok {
			dst.Set(elements)
		}
		return ok
	}
	value, ok := l.evaluate(expr)
	return ok && l.assign(subject, value, expr, dst)
}

func isList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && !reflect.PointerTo(t).Implements(unmarshalerType)
}

func elementOf(list string) string { return "each of " + list }

// evaluate returns the value of an expression; ok is false where it has none, which has then been reported.
func (l *loader) evaluate(expr hclsyntax.Expression) (_ cty.Value, ok bool) {
	scope, ok := l.resolve(expr)
	if !ok {
		return cty.NilVal, false
	}
	value, diags := expr.Value(scope)
	seen := make(map[hcl.Pos]bool)
	for _, d := range diags {
		if d.Subject != nil && seen[d.Subject.Start] {
			continue // a consequence of the one before
		}
		if d.Subject != nil {
			seen[d.Subject.Start] = true
		}
		extra, isCall := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
		if isCall && extra.FunctionCallError() != nil {
			at := *d.Subject
			if d.Context != nil {
				at = *d.Context // the whole call
			}
			l.report(at, extra.FunctionCallError().Error(), remedies[extra.CalledFunctionName()])
			continue
		}
		l.foreign(d)
	}
	return value, !diags.HasErrors()
}

// assign converts a value to the type of dst. expr is what it comes from.
func (l *loader) assign(subject string, value cty.Value, expr hclsyntax.Expression, dst reflect.Value) bool {
	if isOptional(dst.Type()) {
		inner := reflect.New(dst.Type().Elem())
		if !l.assign(subject, value, expr, inner.Elem()) {
			return false
		}
		dst.Set(inner)
		return true
	}
	if value.IsNull() {
		return l.mismatch(subject, value, expr, dst.Type())
	}
	if value.Type().IsCapsuleType() && !reflect.PointerTo(value.Type().EncapsulatedType()).AssignableTo(dst.Type()) {
		return l.mismatch(subject, value, expr, dst.Type())
	}
	if !value.IsWhollyKnown() {
		return false // it comes of a block with a mistake of its own
	}
	if value.Type().IsCapsuleType() {
		dst.Set(reflect.ValueOf(value.EncapsulatedValue()))
		return true
	}
	switch {
	case dst.Type() == durationType:
		return l.assignDuration(subject, value, expr, dst)
	case dst.CanAddr() && dst.Addr().Type().Implements(unmarshalerType):
		return l.assignText(subject, value, expr, dst)
	case isList(dst.Type()) && value.CanIterateElements() && !value.Type().IsMapType() && !value.Type().IsObjectType():
		return l.assignList(subject, value, expr, dst)
	case dst.Type() == stringsType && value.Type() == cty.String:
		dst.Set(reflect.ValueOf([]string{value.AsString()})) // one of them needs no list
		return true
	case dst.Kind() == reflect.String && value.Type() == cty.String:
		dst.SetString(value.AsString())
		return true
	case dst.Kind() == reflect.Bool && value.Type() == cty.Bool:
		dst.SetBool(value.True())
		return true
	case isNumber(dst.Type()) && value.Type() == cty.Number:
		return l.assignNumber(subject, value, expr, dst)
	}
	return l.mismatch(subject, value, expr, dst.Type())
}

func (l *loader) assignList(subject string, value cty.Value, expr hclsyntax.Expression, dst reflect.Value) bool {
	elements, ok := reflect.MakeSlice(dst.Type(), value.LengthInt(), value.LengthInt()), true
	i := 0
	for _, element := range value.Elements() {
		// Of a computed list only the whole can be marked, so one mistake is enough.
		ok = ok && l.assign(elementOf(subject), element, expr, elements.Index(i))
		i++
	}
	if ok {
		dst.Set(elements)
	}
	return ok
}

func (l *loader) assignDuration(subject string, value cty.Value, expr hclsyntax.Expression, dst reflect.Value) bool {
	const units = "The units are ms, s, m and h."
	if value.Type() == cty.Number {
		l.report(expr.Range(), subject+" is a duration without a unit", fmt.Sprintf("Write \"%ss\" for seconds. %s", l.text(expr), units))
		return false
	}
	if value.Type() != cty.String {
		return l.mismatch(subject, value, expr, dst.Type())
	}
	d, err := time.ParseDuration(value.AsString())
	switch {
	case err != nil && strings.HasPrefix(err.Error(), "time: missing unit"):
		l.report(expr.Range(), subject+" is a duration without a unit", fmt.Sprintf("For example \"30s\". %s", units))
	case err != nil:
		l.report(expr.Range(), subject+" is not a duration", fmt.Sprintf("For example \"30s\" or \"1m30s\". %s", units))
	case d < 0:
		l.report(expr.Range(), subject+" is out of range", "A duration is not negative.")
	default:
		dst.SetInt(int64(d))
		return true
	}
	return false
}

func (l *loader) assignText(subject string, value cty.Value, expr hclsyntax.Expression, dst reflect.Value) bool {
	if value.Type() != cty.String {
		return l.mismatch(subject, value, expr, reflect.TypeFor[string]())
	}
	err := dst.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(value.AsString()))
	if err != nil {
		l.report(expr.Range(), fmt.Sprintf("%s: %v", subject, err), "")
	}
	return err == nil
}

// isOptional reports whether a type is a pointer to a plain value: that of a setting whose struct wants to know whether
// the file has it.
func isOptional(t reflect.Type) bool {
	if t.Kind() != reflect.Pointer {
		return false
	}
	kind := t.Elem().Kind()
	return kind == reflect.Bool || kind == reflect.String || isNumber(t.Elem())
}

func isNumber(t reflect.Type) bool {
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 && t.Kind() != reflect.Uintptr
}

func (l *loader) assignNumber(subject string, value cty.Value, expr hclsyntax.Expression, dst reflect.Value) bool {
	number := value.AsBigFloat()
	wantsWhole := !dst.CanFloat()
	if wantsWhole && !number.IsInt() {
		l.report(expr.Range(), subject+" must be a whole number, not a fraction", "")
		return false
	}
	bits := dst.Type().Bits()
	var from, to string
	switch {
	case dst.CanInt():
		if n, accuracy := number.Int64(); accuracy == 0 && !dst.OverflowInt(n) {
			dst.SetInt(n)
			return true
		}
		from, to = fmt.Sprint(int64(math.MinInt64)>>(64-bits)), fmt.Sprint(int64(math.MaxInt64)>>(64-bits))
	case dst.CanUint():
		if n, accuracy := number.Uint64(); accuracy == 0 && !dst.OverflowUint(n) {
			dst.SetUint(n)
			return true
		}
		from, to = "0", fmt.Sprint(uint64(math.MaxUint64)>>(64-bits))
	default:
		if n, _ := number.Float64(); !math.IsInf(n, 0) && !dst.OverflowFloat(n) {
			dst.SetFloat(n)
			return true
		}
		from, to = fmt.Sprint(-math.MaxFloat64), fmt.Sprint(math.MaxFloat64)
	}
	l.report(expr.Range(), subject+" is out of range", fmt.Sprintf("It may be from %s to %s.", from, to))
	return false
}

// text returns an expression as it stands in the file.
func (l *loader) text(expr hclsyntax.Expression) string {
	return string(expr.Range().SliceBytes(l.src))
}
