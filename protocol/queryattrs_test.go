package protocol_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
)

// fromGoMySQL is a COM_QUERY with the attributes traceparent (a string) and n (an unsigned integer), as the client
// of go-mysql-org/go-mysql 1.16.0 sent it.
const fromGoMySQL = `03 02 01 00 01 fe00 0b 7472616365706172656e74 0880 01 6e
	37 30302d34626639326633353737623334646136613363653932396430653065343733362d303066303637616130626139303262372d3031
	2a00000000000000 53454c4543542031`

func TestQueryTextOffset(t *testing.T) {
	for _, tt := range []struct{ name, hex, text string }{
		{"none", "03 00 01 53 31", "S1"},
		{"none, by mysql2", "03 00 01 53 45 4c 45 43 54 20 31", "SELECT 1"},
		{"no text", "03 00 01", ""},
		{"a string and an integer", fromGoMySQL, "SELECT 1"},
		{"NULL by bitmap", "03 01 01 01 01 fe 00 01 6e 53", "S"},
		{"NULL by type", "03 01 01 00 01 06 00 01 6e 53", "S"},
		{"unnamed", "03 01 01 00 01 01 00 00 7f 53", "S"},
		{"1, 2, 4 and 8 bytes", `03 06 01 00 01 0100 00 0200 00 0300 00 0800 00 0400 00 0500 00
			01 0202 03030303 0808080808080808 04040404 0505050505050505 53`, "S"},
		{"year and int24", "03 02 01 00 01 0d00 00 0900 00 e807 01000000 53", "S"},
		{"dates and times", `03 05 01 00 01 0a00 00 0c00 00 0700 00 0b00 00 0b00 00
			04 e8070101 0b e80701010203040000000a 00 08 0000000000010203 00 53`, "S"},
		{"strings of every type", `03 0f 01 0000 01 0000 00 0f00 00 1000 00 f200 00 f500 00 f600 00 f700 00 f800 00 f900 00
			fa00 00 fb00 00 fc00 00 fd00 00 fe00 00 ff00 00` + strings.Repeat("02 41 42", 15) + "53", "S"},
		{"a long string", "03 01 01 00 01 fe 00 01 6e fc 2c 01" + hexOfA(300) + "53", "S"},
		{
			"ten, the ninth NULL", "03 0a 01 00 01 01" + strings.Repeat("0100 01 61", 10) +
				strings.Repeat("41", 9) + "53", "S",
		},
	} {
		payload := unhex(t, tt.hex)
		at, ok := protocol.QueryTextOffset(payload, protocol.ClientQueryAttributes)
		if !ok || string(payload[at:]) != tt.text {
			t.Errorf("%s: %q, %v; want %q", tt.name, payload[at:], ok, tt.text)
		}
		if at, ok := protocol.QueryTextOffset(payload, protocol.ClientProtocol41); !ok || at != 1 {
			t.Errorf("%s, without query attributes agreed: %d, %v", tt.name, at, ok)
		}
		for n := range len(payload) - len(tt.text) { // cut off inside the attributes
			at, ok := protocol.QueryTextOffset(payload[:n], protocol.ClientQueryAttributes)
			if ok || at > n || at > 1 {
				t.Errorf("%s, %d bytes of it: %d, %v", tt.name, n, at, ok)
			}
		}
	}
}

func TestQueryTextOffsetMalformed(t *testing.T) {
	for _, tt := range []struct{ name, hex string }{
		{"no types", "03 01 01 00 00 fe 00 00 00 53"},
		{"flag of neither 0 nor 1", "03 01 01 00 02 fe 00 00 00 53"},
		{"unknown type", "03 01 01 00 01 f3 00 00 00 53"},
		{"more than there is room for", "03 fe ff ff ff ff ff ff ff ff 01 00 01 fe 00 00 53"},
		{"a count that overflows", "03 fe f9 ff ff ff ff ff ff 7f 01 00 01 fe 00 00 53"},
		{"value longer than the packet", "03 01 01 00 01 fe 00 00 fe ff ff ff ff ff ff ff ff 53"},
		{"NULL count", "03 fb 01 53"},
	} {
		if at, ok := protocol.QueryTextOffset(unhex(t, tt.hex), protocol.ClientQueryAttributes); ok || at != 1 {
			t.Errorf("%s: %d, %v", tt.name, at, ok)
		}
	}
}

func TestQueryTextOffsetAllocs(t *testing.T) {
	payload := unhex(t, fromGoMySQL)
	if n := testing.AllocsPerRun(100, func() {
		protocol.QueryTextOffset(payload, protocol.ClientQueryAttributes)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzQueryTextOffset(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte, caps uint64) {
		at, ok := protocol.QueryTextOffset(payload, protocol.Capability(caps))
		if at > len(payload) || !ok && at > 1 {
			t.Fatalf("offset %d, %v, in %d bytes", at, ok, len(payload))
		}
		if !ok {
			return
		}
		// The text is no part of what is skipped: another one begins at the same place.
		other := append(payload[:at:at], "SELECT 2"...)
		if again, ok := protocol.QueryTextOffset(other, protocol.Capability(caps)); !ok || again != at {
			t.Errorf("offset %d became %d, %v with another text", at, again, ok)
		}
	})
}
