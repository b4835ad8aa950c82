package readwritesplit

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
)

// fetchedOf is the answer to a question for one variable, of a kind of column.
func fetchedOf(kind byte, parts ...string) (columns, row []byte) {
	for range 4 {
		column := protocol.AppendLenencString(nil, "def")
		columns = protocol.AppendPacket(columns, 0, append(column, 0x0c, 63, 0, 0, 0, 0, 0, kind, 0x20, 0, 0, 0, 0))
	}
	var payload []byte
	for _, part := range parts {
		payload = protocol.AppendLenencString(payload, part)
	}
	return columns, protocol.AppendPacket(nil, 0, payload)
}

// TestFetchedValues: what is read of a server's answer evaluates to the value at another server.
func TestFetchedValues(t *testing.T) {
	for _, tt := range []struct {
		kind  byte
		parts []string
		want  string
	}{
		{8, []string{"5", "35", "latin1", "latin1_swedish_ci"}, "CAST(5 AS UNSIGNED)"},
		{246, []string{"-5", "2D35", "latin1", "latin1_swedish_ci"}, "-5."},
		{5, []string{"0.1", "302E31", "latin1", "latin1_swedish_ci"}, "0.1e0"},
		{251, []string{"a'b", "612762", "utf8mb4", "utf8mb4_bin"}, "_utf8mb4 x'612762' COLLATE utf8mb4_bin"},
		{251, []string{"\x00", "00", "binary", "binary"}, "_binary x'00'"},
		{8, []string{"\x00-\x005", "\x002\x00D\x003\x005", "\x00l", "\x00l"}, "CAST(-5 AS UNSIGNED)"}, // as utf16
		{251, []string{"\x00a", "\x006\x001", "\x00b\x00i\x00g\x005", "b\x00i\x00g\x005\x00"}, "_big5 x'61' COLLATE big5"},
		{8, []string{"--5", "35", "latin1", "latin1_swedish_ci"}, ""},
		{8, []string{"5; DROP TABLE t", "35", "latin1", "latin1_swedish_ci"}, ""},
		{251, []string{"a", "6", "latin1", "latin1_swedish_ci"}, ""},
		{251, []string{"a", "61", "latin1", "x'; DROP TABLE t"}, ""},
		{251, []string{"a", "61", "latin1"}, ""},
	} {
		columns, row := fetchedOf(tt.kind, tt.parts...)
		f := fetched{columns: columns, row: row}
		got, err := f.values(1)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%d %q: %q", tt.kind, tt.parts, got)
			}
		} else if err != nil || got[0] != tt.want {
			t.Errorf("%d %q: %q, %v", tt.kind, tt.parts, got, err)
		}
	}
}

// FuzzFetchedValues: whatever a server answers, nothing but a value becomes a part of a statement.
func FuzzFetchedValues(f *testing.F) {
	for _, kind := range []byte{0, 1, 4, 5, 8, 246, 251} {
		columns, _ := fetchedOf(kind)
		_, row := fetchedOf(kind, "-5.e", "41", "utf8mb4", "utf8mb4_bin", "7", "37", "binary", "binary")
		f.Add(append(columns, columns...), row)
	}
	f.Fuzz(func(t *testing.T, columns, row []byte) {
		answer := fetched{columns: columns, row: row}
		values, err := answer.values(2)
		if err != nil {
			return
		}
		for _, value := range values {
			if strings.Trim(value, "+-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ()'") != "" ||
				strings.Count(value, "'")%2 != 0 || strings.Contains(value, "--") {
				t.Errorf("%q", value)
			}
		}
	})
}
