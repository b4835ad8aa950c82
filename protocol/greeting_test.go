package protocol_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirproxy/weir/protocol"
)

func TestGreeting(t *testing.T) {
	for _, tt := range []struct {
		name    string
		hex     string
		mariadb bool
		want    protocol.Greeting
	}{
		{
			"MySQL", `0a 38 2e 30 2e 33 36 00 0b 00 00 00 01 02 03 04 05 06 07 08 00 ff f7 ff 02 00 ff df 15
				00 00 00 00 00 00 00 00 00 00 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 00
				63 61 63 68 69 6e 67 5f 73 68 61 32 5f 70 61 73 73 77 6f 72 64 00`,
			false,
			protocol.Greeting{
				ServerVersion: "8.0.36", ConnectionID: 11, AuthData: nonce(20), Capabilities: 0xdffff7ff,
				Charset: 255, Status: 2, AuthPlugin: protocol.CachingSha2Password,
			},
		},
		{
			"MariaDB with a nonce of 32 bytes", `0a 31 31 2e 34 00 01 00 00 01 01 02 03 04 05 06 07 08 00
				fe f7 2d 02 00 ff 81 21 00 00 00 00 00 00 1d 00 00 00
				09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f 20 00 65 64 00`,
			true,
			protocol.Greeting{
				ServerVersion: "11.4", ConnectionID: 1<<24 + 1, AuthData: nonce(32), Capabilities: 0x1d_81fff7fe,
				Charset: 45, Status: 2, AuthPlugin: "ed",
			},
		},
		{
			"without plugins", `0a 35 2e 31 00 01 00 00 00 01 02 03 04 05 06 07 08 00 ff f7 08 02 00 00 00 00
				00 00 00 00 00 00 00 00 00 00 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 00`,
			false,
			protocol.Greeting{
				ServerVersion: "5.1", ConnectionID: 1, AuthData: nonce(20), Capabilities: 0xf7ff, Charset: 8, Status: 2,
			},
		},
		{
			"without a second part", `0a 34 00 01 00 00 00 01 02 03 04 05 06 07 08 00 2d 02 08 02 00 00 00 00
				00 00 00 00 00 00 00 00 00 00`,
			false,
			protocol.Greeting{
				ServerVersion: "4", ConnectionID: 1, AuthData: nonce(8), Capabilities: 0x22d, Charset: 8, Status: 2,
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			payload := unhex(t, tt.hex)
			got, err := protocol.DecodeGreeting(payload)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(payload, got.Append(nil)); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
			if got.MariaDB() != tt.mariadb {
				t.Errorf("MariaDB() = %v", got.MariaDB())
			}
			clear(payload)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("keeps bytes of the payload (-want +got):\n%s", diff)
			}
		})
	}
}

// nonce returns the bytes 1 to n.
func nonce(n int) (b []byte) {
	for i := range n {
		b = append(b, byte(i+1))
	}
	return b
}

func TestGreetingCapture(t *testing.T) {
	payload := readCapture(t, "mariadb-cli-native")[0].payload
	got, err := protocol.DecodeGreeting(payload)
	if err != nil {
		t.Fatal(err)
	}
	want := protocol.Greeting{
		ServerVersion: "5.5.5-10.11.19-MariaDB-0+deb12u1-log", Capabilities: 0x1d_81fff7fe, Charset: 8,
		ConnectionID: got.ConnectionID, AuthData: got.AuthData,
		Status: protocol.StatusAutocommit, AuthPlugin: protocol.NativePassword,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	if got.ConnectionID == 0 || len(got.AuthData) != protocol.NonceSize || !got.MariaDB() {
		t.Errorf("greeting %+v", got)
	}
	if diff := cmp.Diff(payload, got.Append(nil)); diff != "" {
		t.Errorf("encoded (-want +got):\n%s", diff)
	}
}

func TestGreetingRefused(t *testing.T) {
	_, err := protocol.DecodeGreeting(readCapture(t, "too-many-connections")[0].payload)
	var refused *protocol.SQLError
	if !errors.As(err, &refused) {
		t.Fatalf("error is %v", err)
	}
	if want := (protocol.SQLError{Code: protocol.ErConCount, Message: "Too many connections"}); *refused != want {
		t.Errorf("got %+v, want %+v", *refused, want)
	}
}

func TestGreetingMalformed(t *testing.T) {
	whole := readCapture(t, "mariadb-cli-native")[0].payload
	plugin := bytes.LastIndex(whole, []byte(protocol.NativePassword))
	for n := range plugin {
		if _, err := protocol.DecodeGreeting(whole[:n]); !errors.Is(err, protocol.ErrMalformed) {
			t.Errorf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	if g, err := protocol.DecodeGreeting(whole[:len(whole)-1]); err != nil || g.AuthPlugin != protocol.NativePassword {
		t.Errorf("plugin name without its NUL: %q, %v", g.AuthPlugin, err)
	}
	for _, tt := range []struct{ payload, want string }{
		{"\x09" + string(whole[1:]), "protocol version 9"},
		{"\x0a4.0\x00\x01\x00\x00\x0012345678\x00\x2c\x00", "older than 4.1"},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol version 72"},
		{"\xff\x10", "malformed"},
	} {
		_, err := protocol.DecodeGreeting([]byte(tt.payload))
		if !errors.Is(err, protocol.ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.10q: %v", tt.payload, err)
		}
	}
}

// TestGreetingBounds appends values that no decoder returns: what is written is a greeting still.
func TestGreetingBounds(t *testing.T) {
	const plain = protocol.ClientMySQL | protocol.ClientProtocol41 | protocol.ClientSecureConnection
	const plugin = plain | protocol.ClientPluginAuth
	for _, tt := range []struct {
		name     string
		greeting protocol.Greeting
		authData []byte
	}{
		{"no nonce", protocol.Greeting{Capabilities: plugin}, make([]byte, 20)},
		{"long nonce", protocol.Greeting{Capabilities: plugin, AuthData: nonce(300)}, nonce(254)},
		{"long nonce without a plugin", protocol.Greeting{Capabilities: plain, AuthData: nonce(32)}, nonce(20)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := protocol.DecodeGreeting(tt.greeting.Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.authData, got.AuthData); diff != "" {
				t.Errorf("nonce (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGreetingMariaDB(t *testing.T) {
	for _, tt := range []struct {
		greeting protocol.Greeting
		want     bool
	}{
		{protocol.Greeting{ServerVersion: "9.7.0", Capabilities: protocol.ClientMySQL}, false},
		{protocol.Greeting{ServerVersion: "5.5.5-10.1.48-MariaDB", Capabilities: protocol.ClientMySQL}, true},
		{protocol.Greeting{ServerVersion: "11.8.2"}, true},
	} {
		if got := tt.greeting.MariaDB(); got != tt.want {
			t.Errorf("%s: %v", tt.greeting.ServerVersion, got)
		}
	}
}

func FuzzGreeting(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte) {
		g, err := protocol.DecodeGreeting(payload)
		if err != nil {
			return
		}
		again, err := protocol.DecodeGreeting(g.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(g, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("decoded again (-first +second):\n%s", diff)
		}
	})
}
