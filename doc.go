// Package weir is the root of the module and has no code: cmd/weir is the program, and README.md says where to read
// next. The tests here hold the tree to the house rules.
package weir
