package protocol_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/protocol"
)

// packet is one packet of a file in testdata/capture: "S" or "C" for who sent it, its sequence number and its
// payload in hex on a line. Each file is one connection, recorded between a real client and MariaDB 10.11.
type packet struct {
	from    string
	seq     uint8
	payload []byte
}

func readCapture(t testing.TB, name string) (packets []packet) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "capture", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			t.Fatalf("%s: line %q", name, line)
		}
		seq, err := strconv.ParseUint(fields[1], 10, 8)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, packet{fields[0], uint8(seq), unhex(t, fields[2])})
	}
	return packets
}

// unhex decodes hex with spaces in it.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLenenc(t *testing.T) {
	for _, tt := range []struct {
		hex string
		v   uint64
		n   int
	}{
		{"00", 0, 1},
		{"fa ff", 250, 1},
		{"fc fb 00", 251, 3},
		{"fc ff ff 00", 65535, 3},
		{"fd 00 00 01", 65536, 4},
		{"fd ff ff ff", 1<<24 - 1, 4},
		{"fe 00 00 00 01 00 00 00 00", 1 << 24, 9},
		{"fe ff ff ff ff ff ff ff ff", 1<<64 - 1, 9},
		{"fe 01 00 00 00 00 00 00 00", 1, 9}, // longer than it need be
		{"", 0, 0},
		{"fb", 0, 0},
		{"ff 00 00", 0, 0},
		{"fc 00", 0, 0},
		{"fd 00 00", 0, 0},
		{"fe 00 00 00 00 00 00 00", 0, 0},
	} {
		if v, n := protocol.Lenenc(unhex(t, tt.hex)); v != tt.v || n != tt.n {
			t.Errorf("Lenenc(%s) = %d, %d; want %d, %d", tt.hex, v, n, tt.v, tt.n)
		}
	}
}

func TestLenencString(t *testing.T) {
	for _, tt := range []struct {
		hex  string
		want string
		n    int
	}{
		{"00", "", 1},
		{"02 61 62 63", "ab", 3},
		{"fc 01 00 61", "a", 4},
		{"02 61", "", 0},
		{"fe ff ff ff ff ff ff ff ff 61", "", 0}, // a length that overflows int
		{"fe f8 ff ff ff ff ff ff 7f 61", "", 0}, // one whose sum with 9 does
		{"fb", "", 0},
		{"", "", 0},
	} {
		s, n := protocol.LenencString(unhex(t, tt.hex))
		if string(s) != tt.want || n != tt.n {
			t.Errorf("LenencString(%s) = %q, %d; want %q, %d", tt.hex, s, n, tt.want, tt.n)
		}
		if cap(s) != len(s) {
			t.Errorf("LenencString(%s) leaves room to overwrite what follows", tt.hex)
		}
	}
}

func TestAppendPacket(t *testing.T) {
	for _, tt := range []struct {
		length int
		want   []string // headers
	}{
		{0, []string{"000000fe"}},
		{1, []string{"010000fe"}},
		{protocol.MaxPayload - 1, []string{"fefffffe"}},
		{protocol.MaxPayload, []string{"fffffffe", "000000ff"}},
		{2*protocol.MaxPayload + 5, []string{"fffffffe", "ffffffff", "05000000"}}, // numbers wrap around
	} {
		payload := bytes.Repeat([]byte{'x'}, tt.length)
		b := protocol.AppendPacket([]byte("kept"), 0xfe, payload)
		if !bytes.HasPrefix(b, []byte("kept")) {
			t.Fatalf("%d: overwrote what was there", tt.length)
		}
		var headers []string
		var got []byte
		for b = b[4:]; len(b) > 0; {
			headers = append(headers, hex.EncodeToString(b[:protocol.HeaderSize]))
			n := protocol.PayloadLen(b)
			got = append(got, b[protocol.HeaderSize:protocol.HeaderSize+n]...)
			b = b[protocol.HeaderSize+n:]
		}
		if diff := cmp.Diff(tt.want, headers); diff != "" {
			t.Errorf("%d: headers (-want +got):\n%s", tt.length, diff)
		}
		if !bytes.Equal(got, payload) {
			t.Errorf("%d: payload changed", tt.length)
		}
	}
}

func TestPutHeader(t *testing.T) {
	var b [protocol.HeaderSize]byte
	protocol.PutHeader(b[:], 0x030201, 9)
	if want := [...]byte{1, 2, 3, 9}; b != want {
		t.Errorf("header is % x, not % x", b, want)
	}
	if n := protocol.PayloadLen(b[:]); n != 0x030201 {
		t.Errorf("PayloadLen = %#x", n)
	}
}

func FuzzLenenc(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		v, n := protocol.Lenenc(b)
		if n == 0 {
			return
		}
		enc := protocol.AppendLenenc(nil, v)
		if len(enc) > n {
			t.Errorf("%d takes %d bytes, came in %d", v, len(enc), n)
		}
		if again, m := protocol.Lenenc(enc); again != v || m != len(enc) {
			t.Errorf("%d became %d", v, again)
		}
	})
}

func FuzzLenencString(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		s, n := protocol.LenencString(b)
		if n == 0 {
			return
		}
		if n > len(b) {
			t.Fatalf("took %d bytes of %d", n, len(b))
		}
		enc := protocol.AppendLenencString(nil, s)
		if again, m := protocol.LenencString(enc); !bytes.Equal(again, s) || m != len(enc) {
			t.Errorf("%q became %q", s, again)
		}
	})
}
