package readwritesplit_test

import "testing"

// TestDeposedForAMoment: a session that depends on a server which is the primary again by its next command goes on there.
func TestDeposedForAMoment(t *testing.T) {
	k := newCluster(t, nil)
	c, other := k.Session(), k.Session()
	c.Run(t, do("CREATE TEMPORARY TABLE t (i int)"))
	other.Run(t, do("INSERT 1"))
	k.in(replica, primary, replica)
	other.Run(t, do("INSERT 2"))
	k.in(primary, replica, replica)
	c.Run(t, do("INSERT 3"))
}
