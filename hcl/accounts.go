package hcl

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/weirproxy/weir/pipeline"
)

// buildAccounts checks each user alone before all together, as a constructor tells of one mistake at a time.
func (l *loader) buildAccounts(block *hclsyntax.Block) (*pipeline.Accounts, bool) {
	var config pipeline.AccountsConfig
	out := l.decode(block, reflect.ValueOf(&config).Elem())
	if len(config.Users) == 0 && !out.bad["user"] {
		l.report(block.DefRange(), fmt.Sprintf("%s has no user", title(block)),
			"Nobody could log in. Add user \"NAME\" with a password.")
		return nil, false
	}
	type account struct{ name, host string }
	lines := make(map[account]int)
	ok := out.usable
	for _, nested := range block.Body.Blocks {
		inner, isUser := out.nested[nested]
		if !isUser {
			continue
		}
		user := config.Users[0]
		config.Users = append(config.Users[1:], user) // once round: what is left in the end is all of them
		if !inner.usable {
			continue
		}
		key := account{user.Name, user.Host}
		if first := lines[key]; first != 0 && !inner.bad["host"] {
			l.report(nested.LabelRanges[0], fmt.Sprintf("second user %q with host %q", user.Name, user.Host),
				fmt.Sprintf("The first is in line %d. A name may have several hosts, each once.", first))
			ok = false
			continue
		}
		lines[key] = nested.TypeRange.Start.Line
		alone := pipeline.AccountsConfig{Name: config.Name, Users: []pipeline.UserConfig{user}}
		if _, err := pipeline.NewAccounts(alone); err != nil {
			l.invalidUser(err, nested, inner)
			ok = false
		}
	}
	if !ok {
		return nil, false
	}
	accounts, err := pipeline.NewAccounts(config)
	if err != nil {
		l.invalid(err, block, out)
	}
	return accounts, err == nil
}
