package protocol_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
)

func TestDropQueryAttrs(t *testing.T) {
	for _, tt := range []struct{ name, hex, want string }{
		{"none", "03 00 01 53 31", "03 53 31"},
		{"no text", "03 00 01", "03"},
		{"a string and an integer", fromGoMySQL, "03 53454c4543542031"},
	} {
		payload := unhex(t, tt.hex)
		rest, ok := protocol.DropQueryAttrs(payload)
		if !ok || !bytes.Equal(rest, unhex(t, tt.want)) || &rest[len(rest)-1] != &payload[len(payload)-1] {
			t.Errorf("%s: % x, %v", tt.name, rest, ok)
		}
	}
	cut := unhex(t, "03 02 01 00 01 fe00 0b")
	if rest, ok := protocol.DropQueryAttrs(cut); ok || len(rest) != len(cut) {
		t.Errorf("of a part of the attributes: % x, %v", rest, ok)
	}
}

func TestDropExecuteAttrs(t *testing.T) {
	flags := func(n string) string { return execHead + n + execTail }
	for _, tt := range []struct {
		name, hex string
		params    int
		long      []uint64
		part      bool
		want      string // empty: cannot be done
	}{
		{"no parameters", flags("00"), 0, nil, false, flags("00")},
		{"no flag", flags("01") + "00 01 0300 2a000000", 1, nil, false, flags("01") + "00 01 0300 2a000000"},
		{"no values", flags("08") + "00", 0, nil, false, flags("00")},
		{"parameters alone", flags("09") + "01 00 01 0300 00 2a000000", 1, nil, false, flags("01") + "00 01 0300 2a000000"},
		{"bound earlier", flags("08") + "01 00 00 2a000000", 1, nil, false, flags("00") + "00 00 2a000000"},
		{"attributes alone", flags("08") + "01 00 01 0f00 01 61 01 62", 0, nil, false, flags("00")},
		{
			"both", flags("08") + "03 04 01 0300 00 0f00 00 0f00 01 61 2a000000 02 6869", 2, nil, false,
			flags("00") + "04 01 0300 0f00 2a000000 02 6869",
		},
		{
			"eight parameters", flags("08") + "09 0000 01" + strings.Repeat("0100 00", 8) + "0100 01 61" +
				"0102030405060708 09", 8, nil, false,
			flags("00") + "00 01" + strings.Repeat("0100", 8) + "0102030405060708",
		},
		{
			"one sent ahead", flags("08") + "03 00 01 fc00 00 0100 00 0100 01 61 07 08", 2,
			[]uint64{5, 0},
			false,
			flags("00") + "00 01 fc00 0100 07",
		},
		{
			"parameters alone, in part", flags("08") + "01 00 01 fc00 00 fd000010 6161", 1, nil, true,
			flags("00") + "00 01 fc00 fd000010 6161",
		},
		{"attributes, in part", flags("08") + "02 00 01 fc00 00 0100 01 61 fd000010 6161", 1, nil, true, ""},
		{"attributes without types", flags("08") + "02 00 00 01", 1, nil, false, ""},
		{"fewer values than parameters", flags("08") + "01 00 01 0300 00 2a000000", 2, nil, false, ""},
		{"cut short", "17 01000000 08", 0, nil, false, ""},
		{"cut in the values", flags("08") + "02 00 01 0300 00 0100 01 61 2a00", 1, nil, false, ""},
	} {
		payload := unhex(t, tt.hex)
		before := bytes.Clone(payload)
		rest, ok := protocol.DropExecuteAttrs(payload, tt.params, tt.long, !tt.part)
		switch {
		case ok != (tt.want != ""):
			t.Errorf("%s: %v", tt.name, ok)
		case ok && !bytes.Equal(rest, unhex(t, tt.want)):
			t.Errorf("%s:\n% x, want\n% x", tt.name, rest, unhex(t, tt.want))
		case !ok && !bytes.Equal(payload, before):
			t.Errorf("%s: changed", tt.name)
		}
	}
}

// FuzzDropExecuteAttrs: what is left reads as the same values.
func FuzzDropExecuteAttrs(f *testing.F) {
	f.Add([]byte("\x17\x01\x00\x00\x00\x08\x01\x00\x00\x00\x02\x00\x01\x03\x00\x00\x01\x00\x01a\x2a\x00\x00\x00\x07"), uint8(1))
	f.Fuzz(func(t *testing.T, payload []byte, params uint8) {
		var want [][]byte
		before, err := protocol.DecodeExecute(bytes.Clone(payload), int(params), nil, protocol.ClientQueryAttributes)
		rest, ok := protocol.DropExecuteAttrs(payload, int(params), nil, true)
		if !ok || err != nil || !before.Bound && before.Count > 0 {
			return
		}
		for len(want) < int(params) {
			v, err := before.Next()
			if err != nil {
				return
			}
			want = append(want, append([]byte{v.Type, byte(v.State)}, v.Value...))
		}
		after, err := protocol.DecodeExecute(rest, int(params), nil, 0)
		if err != nil || after.Count != int(params) {
			t.Fatalf("%d values of % x: %v", after.Count, rest, err)
		}
		for i := range want {
			v, err := after.Next()
			if got := append([]byte{v.Type, byte(v.State)}, v.Value...); err != nil || !bytes.Equal(got, want[i]) {
				t.Fatalf("value %d of % x is % x, want % x: %v", i, rest, got, want[i], err)
			}
		}
	})
}
