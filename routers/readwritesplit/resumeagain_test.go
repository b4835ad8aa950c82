package readwritesplit_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/pipeline"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// TestResumeLostInLongRow: where the server is lost, too, at which rows are to go on, it does not matter that this was in a long
// row which the client has.
func TestResumeLostInLongRow(t *testing.T) {
	rows := []string{strings.Repeat("a", 100<<10), strings.Repeat("b", 100<<10), strings.Repeat("c", 100<<10)}
	var client tail
	k := newCluster(t, replaying)
	k.db1.on("SELECT n", loss{packets: head + 2, states: []pipeline.ServerState{down, primary, replica}, rows: rows}.at(k, &client))
	k.db2.on("SELECT n", loss{packets: head, more: 80 << 10, states: []pipeline.ServerState{down, down, primary}, rows: rows}.at(k, &client))
	k.db3.on("SELECT n", whole(rows...))
	c := k.Session()
	c.Run(t, do("BEGIN", "INSERT 1"), pt.Query("SELECT n"), client.read, do("INSERT 2"))
	if !slices.Equal(client.rows, rows) {
		t.Errorf("%d rows", len(client.rows))
	}
}
