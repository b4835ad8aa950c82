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

// head is the fixed part of a login with the capabilities, in hex.
func head(caps string) string {
	return caps + " 00 00 00 01 2d 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
}

func TestLogin(t *testing.T) {
	const mysql41 = protocol.ClientMySQL | protocol.ClientProtocol41
	const secure = mysql41 | protocol.ClientSecureConnection
	for _, tt := range []struct {
		name string
		hex  string
		want protocol.Login
	}{
		{
			"NUL-terminated response", head("01 02 00 00") + "61 70 70 00 41 42 00",
			protocol.Login{Capabilities: mysql41, User: "app", AuthResponse: []byte("AB")},
		},
		{
			"counted response", head("01 82 00 00") + "61 70 70 00 03 41 00 42",
			protocol.Login{Capabilities: secure, User: "app", AuthResponse: []byte("A\x00B")},
		},
		{
			"length-encoded response", head("01 82 20 00") + "61 70 70 00 fc fb 00" + hexOfA(251),
			protocol.Login{
				Capabilities: secure | protocol.ClientPluginAuthLenencClientData, User: "app",
				AuthResponse: bytes.Repeat([]byte{'A'}, 251),
			},
		},
		{
			"nobody, without a password", head("01 82 00 00") + "00 00",
			protocol.Login{Capabilities: secure},
		},
		{
			"schema and plugin", head("09 82 08 00") + "61 00 00 73 68 6f 70 00 78 00",
			protocol.Login{
				Capabilities: secure | protocol.ClientConnectWithDB | protocol.ClientPluginAuth,
				User:         "a", Schema: "shop", AuthPlugin: "x",
			},
		},
		{
			"attributes and compression level", head("01 82 10 04") + "61 00 00 04 01 6b 01 76 07",
			protocol.Login{
				Capabilities: secure | protocol.ClientConnectAttrs | protocol.ClientZstdCompression,
				User:         "a", ConnectAttrs: []byte("\x01k\x01v"), ZstdLevel: 7,
			},
		},
		{
			"MariaDB's extended capabilities",
			"00 82 00 00 00 00 00 01 2d 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 04 00 00 00 61 00 00",
			protocol.Login{
				Capabilities: secure&^protocol.ClientMySQL | protocol.MariaDBClientStmtBulkOperations, User: "a",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.MaxPacket, tt.want.Collation = 1<<24, 45
			payload := unhex(t, tt.hex)
			got, err := protocol.DecodeLogin(payload)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(payload, got.Append(nil)); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
			clear(payload)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("keeps bytes of the payload (-want +got):\n%s", diff)
			}
		})
	}
}

// hexOfA is n times the letter A, in hex.
func hexOfA(n int) string { return strings.Repeat("41", n) }

// TestLoginLenient lists what clients leave out and servers accept.
func TestLoginLenient(t *testing.T) {
	for _, tt := range []struct{ name, hex, schema, plugin string }{
		{"all that is announced", head("09 82 18 04") + "61 00 00", "", ""},
		{"the plugin's NUL", head("09 82 18 04") + "61 00 00 64 00 78", "d", "x"},
		{"attributes and level", head("09 82 18 04") + "61 00 00 64 00 78 00", "d", "x"},
	} {
		got, err := protocol.DecodeLogin(unhex(t, tt.hex))
		if err != nil || got.Schema != tt.schema || got.AuthPlugin != tt.plugin {
			t.Errorf("without %s: %+v, %v", tt.name, got, err)
		}
	}
}

func TestLoginMalformed(t *testing.T) {
	for _, tt := range []struct{ name, hex string }{
		{"nothing", ""},
		{"older than 4.1", "05 00 00 00 10 61 70 70 00 41 42"},
		{"older than 4.1, long", head("01 80 00 00") + "61 00 00"},
		{"SSLRequest", head("01 8a 00 00")},
		{"user without NUL", head("01 82 00 00") + "61 70 70"},
		{"no response", head("01 82 00 00") + "61 00"},
		{"response cut short", head("01 82 00 00") + "61 00 03 41 42"},
		{"response without NUL", head("01 02 00 00") + "61 00 41"},
		{"response of NULL", head("01 82 20 00") + "61 00 fb"},
		{"schema without NUL", head("09 82 00 00") + "61 00 00 64"},
		{"attributes cut short", head("01 82 10 00") + "61 00 00 05 01"},
	} {
		if l, err := protocol.DecodeLogin(unhex(t, tt.hex)); !errors.Is(err, protocol.ErrMalformed) {
			t.Errorf("%s: %+v, %v", tt.name, l, err)
		}
	}
}

func TestSSLRequest(t *testing.T) {
	payload := readCapture(t, "mariadb-cli-ssl-request")[1].payload
	if !protocol.IsSSLRequest(payload) {
		t.Error("not recognised")
	}
	l := protocol.Login{Capabilities: 0x1d_00bfaa84, MaxPacket: 1 << 20, Collation: 33}
	if diff := cmp.Diff(payload, l.AppendSSLRequest(nil)); diff != "" {
		t.Errorf("encoded (-want +got):\n%s", diff)
	}
	for _, no := range [][]byte{nil, payload[:31], append(payload[:32:32], 0), make([]byte, 32)} {
		if protocol.IsSSLRequest(no) {
			t.Errorf("% x taken for one", no)
		}
	}
}

// captureCaps returns what the two ends of a capture announced both.
func captureCaps(t *testing.T, name string) protocol.Capability {
	t.Helper()
	packets := readCapture(t, name)
	g, err := protocol.DecodeGreeting(packets[0].payload)
	if err != nil {
		t.Fatal(err)
	}
	l, err := protocol.DecodeLogin(packets[1].payload)
	if err != nil {
		t.Fatal(err)
	}
	return g.Capabilities & l.Capabilities
}

func TestLoginCapture(t *testing.T) {
	for _, tt := range []struct {
		name, user, schema, password string
		caps                         protocol.Capability
		attrs                        map[string]string
	}{
		{
			"mariadb-cli-native", "app", "shop", "secret", 0x1d_00bfa28c, map[string]string{
				"_os": "Linux", "_client_name": "libmariadb", "_client_version": "3.3.20", "_platform": "x86_64",
				"program_name": "mysql", "_server_host": "127.0.0.1",
			},
		},
		{"mariadb-cli-empty-password", "empty", "", "", 0x1d_00bfa284, map[string]string{"program_name": "mysql"}},
		{
			"pymysql-native", "app", "shop", "secret", 0x3aa20d, map[string]string{
				"_client_name": "pymysql", "program_name": "capture",
			},
		},
		{
			"node-mysql2-change-user", "app", "shop", "secret", 0x08_08baf3ce, map[string]string{
				"_client_name": "Node-MySQL-2", "_client_version": "3.24.5",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packets := readCapture(t, tt.name)
			greeting, err := protocol.DecodeGreeting(packets[0].payload)
			if err != nil {
				t.Fatal(err)
			}
			login, err := protocol.DecodeLogin(packets[1].payload)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(packets[1].payload, login.Append(nil)); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
			if login.User != tt.user || login.Schema != tt.schema || login.AuthPlugin != protocol.NativePassword {
				t.Errorf("login %+v", login)
			}
			if login.Capabilities != tt.caps {
				t.Errorf("capabilities %#x, want %#x", uint64(login.Capabilities), uint64(tt.caps))
			}
			if !protocol.VerifyAuthResponse(login.AuthPlugin, tt.password, greeting.AuthData, login.AuthResponse) {
				t.Error("password not recognised")
			}
			got := map[string]string{}
			for attrs := login.ConnectAttrs; len(attrs) > 0; {
				key, value, rest, err := protocol.NextAttr(attrs)
				if err != nil {
					t.Fatal(err)
				}
				got[string(key)], attrs = string(value), rest
			}
			for key, want := range tt.attrs {
				if got[key] != want {
					t.Errorf("attribute %s is %q, not %q", key, got[key], want)
				}
			}
		})
	}
}

func TestNextAttrMalformed(t *testing.T) {
	for _, attrs := range []string{"", "\x02k", "\x01k", "\x01k\x02v", "\xfb", "\x01k\xff"} {
		if _, _, _, err := protocol.NextAttr([]byte(attrs)); !errors.Is(err, protocol.ErrMalformed) {
			t.Errorf("%q: %v", attrs, err)
		}
	}
}

func FuzzLogin(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte) {
		protocol.IsSSLRequest(payload)
		l, err := protocol.DecodeLogin(payload)
		if err != nil {
			return
		}
		again, err := protocol.DecodeLogin(l.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("decoded again (-first +second):\n%s", diff)
		}
	})
}

func FuzzNextAttr(f *testing.F) {
	f.Fuzz(func(t *testing.T, attrs []byte) {
		for len(attrs) > 0 {
			key, value, rest, err := protocol.NextAttr(attrs)
			if err != nil {
				return
			}
			if len(rest) >= len(attrs) {
				t.Fatal("no progress")
			}
			enc := protocol.AppendLenencString(protocol.AppendLenencString(nil, key), value)
			key2, value2, rest2, err := protocol.NextAttr(enc)
			if err != nil || !bytes.Equal(key, key2) || !bytes.Equal(value, value2) || len(rest2) != 0 {
				t.Fatalf("%q %q became %q %q, %q left, %v", key, value, key2, value2, rest2, err)
			}
			attrs = rest
		}
	})
}
