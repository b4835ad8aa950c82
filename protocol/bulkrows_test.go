package protocol_test

import (
	"testing"

	"github.com/weirproxy/weir/protocol"
)

func TestBulkRows(t *testing.T) {
	for _, tt := range []struct {
		name, hex string
		params    int
		want      int
	}{
		{"two rows", "fa 01000000 8000 0300 fe00  00 01000000 00 02 6162  00 02000000 01", 2, 2},
		{"one row", "fa 01000000 8000 0100  00 05", 1, 1},
		{"types of an earlier one", "fa 01000000 0000  00 05", 1, 0},
		{"cut off in a row", "fa 01000000 8000 0300 fe00  00 01000000", 2, 0},
		{"cut off in a value", "fa 01000000 8000 0300  00 0100", 1, 0},
		{"no parameters", "fa 01000000 8000", 0, 0},
		{"an execution", "17 01000000 00 01000000 00 01 0100 05", 1, 0},
	} {
		if got := protocol.BulkRows(unhex(t, tt.hex), tt.params); got != tt.want {
			t.Errorf("%s: %d rows, want %d", tt.name, got, tt.want)
		}
	}
}
