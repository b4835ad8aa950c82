package pipeline

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"sync"
)

// Accounts are the users who may log in.
type Accounts struct {
	Name   string
	byUser map[string][]*account // most specific host first
}

// account is one user block.
type account struct {
	user     string
	password string
	host     hostPattern
}

// NewAccounts checks an accounts block. A mistake in one setting is an Invalid error.
func NewAccounts(c AccountsConfig) (*Accounts, error) {
	a := &Accounts{Name: c.Name, byUser: map[string][]*account{}}
	if len(c.Users) == 0 {
		return nil, Invalid("user", errors.New("no user block: nobody could log in"))
	}
	for _, u := range c.Users {
		if u.Name == "" {
			return nil, Invalid("user", errors.New("a user needs a name"))
		}
		host, err := parseHostPattern(u.Host)
		if err != nil {
			return nil, Invalid("user "+u.Name+": host", err)
		}
		for _, other := range a.byUser[u.Name] {
			if other.host.text == host.text {
				return nil, Invalid("user", fmt.Errorf("%s: a second block for host %q", u.Name, u.Host))
			}
		}
		a.byUser[u.Name] = append(a.byUser[u.Name], &account{u.Name, u.Password, host})
	}
	for _, list := range a.byUser {
		sort.SliceStable(list, func(i, j int) bool { return list[i].host.rank() > list[j].host.rank() })
	}
	return a, nil
}

// Users are the names of the users, in alphabetical order.
func (a *Accounts) Users() []string { return slices.Sorted(maps.Keys(a.byUser)) }

// find returns the account that a client's login is checked against, nil where there is none. As in MySQL, the most
// specific host pattern decides alone: https://dev.mysql.com/doc/refman/8.4/en/connection-access.html.
func (a *Accounts) find(user string, from peer) *account {
	for _, acc := range a.byUser[user] {
		if acc.host.match(from) {
			return acc
		}
	}
	return nil
}

// loginKey is the key clients without a secure connection encrypt their password with. It is made when the first
// one asks, and lives as long as the process.
var loginKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
