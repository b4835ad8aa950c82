package hcl

import (
	"fmt"
	"reflect"
	"strings"
)

// fields are the settings of a block as its struct declares them.
type fields struct {
	settings []field
	blocks   []field
	label    []int // index of the label's field, nil where there is none
}

type field struct {
	name     string
	index    []int
	typ      reflect.Type
	required bool
}

// fieldsOf reads the tags of a struct. It panics where they make no sense.
func fieldsOf(t reflect.Type) fields {
	var all fields
	for f := range t.Fields() {
		tag, ok := f.Tag.Lookup("hcl")
		if !ok {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				all.embed(f)
			}
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		one := field{name: name, index: f.Index, typ: f.Type, required: option == ""}
		switch option {
		case "", "optional":
			all.settings = append(all.settings, one)
		case "block":
			one.required = f.Type.Kind() == reflect.Struct
			all.blocks = append(all.blocks, one)
		case "label":
			all.label = f.Index
		default:
			panic(fmt.Sprintf("hcl: %s.%s: unknown option %q in tag", t, f.Name, option))
		}
	}
	return all
}

// embed adds the settings of a struct that stands within another without a name.
func (all *fields) embed(outer reflect.StructField) {
	inner := fieldsOf(outer.Type)
	within := func(fields []field) []field {
		for i := range fields {
			fields[i].index = append(append([]int(nil), outer.Index...), fields[i].index...)
		}
		return fields
	}
	all.settings = append(all.settings, within(inner.settings)...)
	all.blocks = append(all.blocks, within(inner.blocks)...)
}

func find(fields []field, name string) (field, bool) {
	for _, f := range fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func names(fields []field) []string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return all
}
