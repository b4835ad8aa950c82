package hcl

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/weirproxy/weir/pipeline"
)

// nestedDefaults are the settings that nested blocks of the contract's own structs begin with.
var nestedDefaults = map[reflect.Type]any{
	reflect.TypeFor[pipeline.UserConfig]():   pipeline.UserDefaults,
	reflect.TypeFor[pipeline.LogConfig]():    pipeline.LogDefaults,
	reflect.TypeFor[pipeline.TracesConfig](): pipeline.TracesDefaults,
}

// An outcome says how far a block could be decoded.
type outcome struct {
	// usable says that something may be built of the struct, if only to find further mistakes: whatever in it
	// is required and not merely a value is there.
	usable bool
	// bad are the names of settings and blocks that have been reported.
	bad map[string]bool
	// nested are the outcomes of the blocks within.
	nested map[*hclsyntax.Block]outcome
}

// mark notes that a setting or block has been reported.
func (o *outcome) mark(f field) {
	o.bad[f.name] = true
	switch f.typ.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Struct:
		o.usable = o.usable && !f.required
	}
}

// decode fills the struct dst, which holds the defaults, from a block.
func (l *loader) decode(block *hclsyntax.Block, dst reflect.Value) outcome {
	known := fieldsOf(dst.Type())
	out := outcome{usable: true, bad: make(map[string]bool), nested: make(map[*hclsyntax.Block]outcome)}
	if known.label != nil && len(block.Labels) > 0 {
		dst.FieldByIndex(known.label).SetString(block.Labels[0])
	}
	given := make(map[string]*hclsyntax.Block)
	for _, attr := range sortedAttributes(block.Body) {
		f, ok := find(known.settings, attr.Name)
		if !ok {
			out.bad[l.unknownSetting(attr, block, known)] = true
			continue
		}
		given[f.name] = block
		if !l.value(fmt.Sprintf("%q", f.name), attr.Expr, dst.FieldByIndex(f.index)) {
			out.mark(f)
		}
	}
	for _, nested := range block.Body.Blocks {
		f, ok := find(known.blocks, nested.Type)
		if !ok {
			out.bad[l.unknownBlock(nested, block, known)] = true
			continue
		}
		if first := given[f.name]; first != nil && f.typ.Kind() != reflect.Slice {
			l.report(nested.DefRange(), fmt.Sprintf("second %s block in %s", f.name, title(block)),
				fmt.Sprintf("The first is in line %d.", first.TypeRange.Start.Line))
			out.mark(f)
			continue
		}
		given[f.name] = nested
		inner := l.nested(nested, dst.FieldByIndex(f.index))
		out.nested[nested] = inner
		if !inner.usable || len(inner.bad) > 0 {
			out.mark(f)
			out.usable = out.usable && inner.usable
		}
	}
	for _, f := range slices.Concat(known.settings, known.blocks) {
		if !f.required || given[f.name] != nil {
			continue
		}
		if !out.bad[f.name] {
			l.report(block.DefRange(), fmt.Sprintf("%s has no %s", title(block), f.name),
				fmt.Sprintf("%q is required: %s.", f.name, describe(f.typ)))
		}
		out.mark(f)
	}
	delete(out.bad, "") // unknown and like nothing known
	return out
}

// nested decodes a block within a block into a struct, what a pointer points to, or a new element of a slice.
func (l *loader) nested(block *hclsyntax.Block, dst reflect.Value) outcome {
	typ := dst.Type()
	if typ.Kind() != reflect.Struct {
		typ = typ.Elem()
	}
	config := reflect.New(typ).Elem()
	if defaults, ok := nestedDefaults[typ]; ok {
		config.Set(reflect.ValueOf(defaults))
	}
	switch dst.Kind() {
	case reflect.Struct:
		config.Set(dst)
	case reflect.Pointer:
		if !dst.IsNil() {
			config.Set(dst.Elem()) // a copy: the defaults are everyone's
		}
	}
	out := outcome{}
	if l.checkLabels(block, fieldsOf(typ).label != nil) {
		out = l.decode(block, config)
	}
	switch dst.Kind() {
	case reflect.Struct:
		dst.Set(config)
	case reflect.Pointer:
		dst.Set(config.Addr())
	default:
		dst.Set(reflect.Append(dst, config))
	}
	return out
}

// unknownSetting reports a setting that a block does not have, and returns the name of what was likely meant.
func (l *loader) unknownSetting(attr *hclsyntax.Attribute, block *hclsyntax.Block, known fields) string {
	if _, isBlock := find(known.blocks, attr.Name); isBlock {
		l.report(attr.NameRange, fmt.Sprintf("%q is a block, not a setting", attr.Name), fmt.Sprintf("Write it without \"=\": %s {", attr.Name))
		return attr.Name
	}
	likely := nearest(attr.Name, names(known.settings))
	l.report(attr.NameRange, fmt.Sprintf("unknown setting %q in %s", attr.Name, title(block)),
		suggestion(quoted(likely), "Its settings are", names(known.settings)))
	return likely
}

// unknownBlock reports a block that another does not have, and returns the name of what was likely meant.
func (l *loader) unknownBlock(nested, block *hclsyntax.Block, known fields) string {
	if _, isSetting := find(known.settings, nested.Type); isSetting {
		l.report(nested.TypeRange, fmt.Sprintf("%q is a setting, not a block", nested.Type), fmt.Sprintf("Write %s = ...", nested.Type))
		return nested.Type
	}
	if slices.Contains(topLevel, nested.Type) {
		l.report(nested.TypeRange, fmt.Sprintf("block %q inside %s", nested.Type, title(block)),
			fmt.Sprintf("It stands on its own: close %s with } before it.", title(block)))
		return ""
	}
	likely := nearest(nested.Type, names(known.blocks))
	l.report(nested.TypeRange, fmt.Sprintf("unknown block %q in %s", nested.Type, title(block)),
		suggestion(quoted(likely), "Its blocks are", names(known.blocks)))
	return likely
}
