package hcl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/weirproxy/weir/pipeline"
)

// joined is what errors.Join makes: a constructor may find several mistakes.
type joined interface {
	error
	Unwrap() []error
}

// invalid reports the error of a constructor at the setting it names, or at the header of the block. It leaves
// out what follows from mistakes already reported.
func (l *loader) invalid(err error, block *hclsyntax.Block, out outcome) {
	if several, ok := errors.AsType[joined](err); ok {
		for _, one := range several.Unwrap() {
			l.invalid(one, block, out)
		}
		return
	}
	named, ok := errors.AsType[*pipeline.InvalidError](err)
	if !ok {
		named = &pipeline.InvalidError{Err: err}
	}
	if named.Setting == "" && len(out.bad) > 0 || isReported(block, named.Setting, out) {
		return
	}
	summary, detail, _ := strings.Cut(named.Err.Error(), "\n")
	at, found := locate(block, named.Setting)
	switch {
	case named.Setting == "":
		summary = fmt.Sprintf("%s: %s", title(block), summary)
	case !found:
		summary = fmt.Sprintf("%s: %s: %s", title(block), named.Setting, summary)
	default:
		summary = fmt.Sprintf("%s: %s", named.Setting, summary)
	}
	l.report(at, summary, detail)
}

// invalidUser reports the error of an accounts block that has but one user, whose settings are named
// "user NAME: setting".
func (l *loader) invalidUser(err error, user *hclsyntax.Block, out outcome) {
	if named, ok := errors.AsType[*pipeline.InvalidError](err); ok {
		_, setting, _ := strings.Cut(named.Setting, "user "+user.Labels[0]+": ")
		err = pipeline.Invalid(setting, named.Err)
	}
	l.invalid(err, user, out)
}

// inner returns the block within another that leads to a setting named "block: setting", "block label: setting" or,
// for the second of several blocks without a label, "block 2: setting", and the setting's name there; nil where there is
// none.
func inner(block *hclsyntax.Block, setting string) (_ *hclsyntax.Block, rest string) {
	name, rest, _ := strings.Cut(setting, ": ")
	if rest == "" {
		return nil, ""
	}
	seen := make(map[string]int)
	for _, nested := range block.Body.Blocks {
		seen[nested.Type]++
		ordinal := fmt.Sprintf("%s %d", nested.Type, seen[nested.Type])
		if strings.Join(append([]string{nested.Type}, nested.Labels...), " ") == name ||
			len(nested.Labels) == 0 && ordinal == name {
			return nested, rest
		}
	}
	return nil, ""
}

// isReported reports whether a setting is known to be bad already.
func isReported(block *hclsyntax.Block, setting string, out outcome) bool {
	if nested, rest := inner(block, setting); nested != nil {
		return isReported(nested, rest, out.nested[nested])
	}
	return out.bad[setting]
}

// locate returns the place of a setting's value. found is false, and the place the block's header, where the file
// does not have it.
func locate(block *hclsyntax.Block, setting string) (at hcl.Range, found bool) {
	if nested, rest := inner(block, setting); nested != nil {
		return locate(nested, rest)
	}
	if attr := block.Body.Attributes[setting]; attr != nil {
		return attr.Expr.Range(), true
	}
	return block.DefRange(), false
}
