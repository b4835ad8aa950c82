package readwritesplit_test

import "testing"

// TestCharacterSetKept: what SET CHARACTER SET sets depends on the default schema that there is then, so that all of it is
// run wherever it is run later.
func TestCharacterSetKept(t *testing.T) {
	k := newCluster(t, nil)
	sent := []string{"SET @a = 1", "SET CHARACTER SET utf8", "USE a", "SET CHARACTER SET utf8", "SET @a = 2", "USE b"}
	k.Session().Run(t, do("INSERT 0"), do(sent...), ask("SELECT 1", "db2"))
	k.db2.expect(append(sent, "SELECT 1")...)
}
