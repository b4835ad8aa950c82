// Package hcl reads a configuration file and builds the process it describes. All mistakes are found in one
// pass, each with its place in the file and what would be right there.
//
// The settings of a block are the fields of a struct: those of pipeline/config.go, or a Kind's Defaults. A
// field's tag says what it is in the file:
//
//	hcl:"name"           a setting that must be given
//	hcl:"name,optional"  a setting that may be left out; the field then keeps its default
//	hcl:"name,label"     the block's label
//	hcl:"name,block"     nested blocks: a struct (exactly one), a pointer to one (at most one; what it points
//	                     to in Defaults are the nested block's own) or a slice of structs (any number)
//
// A setting may be a string, a bool, a whole or floating-point number, a time.Duration (written "30s"), a type
// with UnmarshalText (written as a string), a reference (*pipeline.Server, *pipeline.Accounts,
// *pipeline.Pipeline, or an interface that one of these implements, pipeline.Target for one), or a slice of
// these. A constructor that finds several settings wrong returns their pipeline.Invalid errors joined, and each is
// reported in its place; a setting of a nested block is named "block: setting" or "block label: setting".
//
// Mistakes in a file are diagnostics; mistakes in a struct, such as a tag that says nothing, panic.
package hcl
