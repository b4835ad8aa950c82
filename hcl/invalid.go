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
	outermost, _, _ := strings.Cut(named.Setting, ": ")
	outermost, _, _ = strings.Cut(outermost, " ")
	if out.bad[outermost] || named.Setting == "" && len(out.bad) > 0 {
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

// locate returns the place of a setting's value; one in a nested block is named "block: setting" or
// "block label: setting". found is false, and the place the block's header, where the file does not have it.
func locate(block *hclsyntax.Block, setting string) (at hcl.Range, found bool) {
	if name, rest, nested := strings.Cut(setting, ": "); nested {
		for _, inner := range block.Body.Blocks {
			if strings.Join(append([]string{inner.Type}, inner.Labels...), " ") == name {
				return locate(inner, rest)
			}
		}
	}
	if attr := block.Body.Attributes[setting]; attr != nil {
		return attr.Expr.Range(), true
	}
	return block.DefRange(), false
}
