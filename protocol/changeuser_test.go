package protocol_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirproxy/weir/protocol"
)

func TestChangeUser(t *testing.T) {
	const plugin = protocol.ClientSecureConnection | protocol.ClientPluginAuth
	for _, tt := range []struct {
		name string
		hex  string
		caps protocol.Capability
		want protocol.ChangeUser
	}{
		{
			"NUL-terminated response", "11 61 00 41 42 00 64 00 2d 01", 0,
			protocol.ChangeUser{User: "a", AuthResponse: []byte("AB"), Schema: "d", Collation: 301},
		},
		{
			"counted response", "11 61 00 03 41 00 42 00 2d 00", protocol.ClientSecureConnection,
			protocol.ChangeUser{User: "a", AuthResponse: []byte("A\x00B"), Collation: 45},
		},
		{
			"plugin; the response is never length-encoded", "11 61 00 fc" + hexOfA(252) + "64 00 2d 00 78 00",
			plugin | protocol.ClientPluginAuthLenencClientData,
			protocol.ChangeUser{
				User: "a", AuthResponse: unhex(t, hexOfA(252)), Schema: "d", Collation: 45, AuthPlugin: "x",
			},
		},
		{
			"attributes", "11 61 00 00 64 00 2d 00 78 00 04 01 6b 01 76", plugin | protocol.ClientConnectAttrs,
			protocol.ChangeUser{
				User: "a", Schema: "d", Collation: 45, AuthPlugin: "x", ConnectAttrs: []byte("\x01k\x01v"),
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			payload := unhex(t, tt.hex)
			got, err := protocol.DecodeChangeUser(payload, tt.caps)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(payload, got.Append(nil, tt.caps)); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
			clear(payload)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("keeps bytes of the payload (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChangeUserShort(t *testing.T) {
	const caps = protocol.ClientSecureConnection | protocol.ClientPluginAuth | protocol.ClientConnectAttrs
	want := protocol.ChangeUser{User: "a", Schema: "d"}
	for _, hex := range []string{"11 61 00 00 64 00", "11 61 00 00 64 00 00 00", "11 61 00 00 64 00 00 00 00"} {
		got, err := protocol.DecodeChangeUser(unhex(t, hex), caps)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", hex, diff)
		}
	}
}

func TestChangeUserMalformed(t *testing.T) {
	const caps = protocol.ClientSecureConnection | protocol.ClientConnectAttrs
	for _, hex := range []string{
		"", "03 61", "11", "11 61", "11 61 00", "11 61 00 02 41", "11 61 00 00", "11 61 00 00 64",
		"11 61 00 00 64 00 2d 00 05 01",
	} {
		if c, err := protocol.DecodeChangeUser(unhex(t, hex), caps); !errors.Is(err, protocol.ErrMalformed) {
			t.Errorf("%s: %+v, %v", hex, c, err)
		}
	}
}

// TestChangeUserCapture follows mysql2 from one user to another and back: MariaDB makes it switch to the plugin it
// uses already, with the nonce of the greeting.
func TestChangeUserCapture(t *testing.T) {
	const name = "node-mysql2-change-user"
	packets, caps := readCapture(t, name), captureCaps(t, name)
	greeting, err := protocol.DecodeGreeting(packets[0].payload)
	if err != nil {
		t.Fatal(err)
	}
	passwords := map[string]string{"app": "secret", "app2": "other"}
	var users []string
	for i, p := range packets[2:] {
		if p.from != "C" || p.payload[0] != protocol.ComChangeUser {
			continue
		}
		c, err := protocol.DecodeChangeUser(p.payload, caps)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p.payload, c.Append(nil, caps)); diff != "" {
			t.Errorf("encoded (-want +got):\n%s", diff)
		}
		want := protocol.ChangeUser{
			User: c.User, AuthResponse: c.AuthResponse, Schema: "shop", Collation: 224,
			AuthPlugin: protocol.NativePassword,
		}
		if diff := cmp.Diff(want, c, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("decoded (-want +got):\n%s", diff)
		}
		answer := packets[2+i+1].payload
		s, err := protocol.DecodeAuthSwitch(answer)
		if err != nil {
			t.Fatal(err)
		}
		same := protocol.AuthSwitch{Plugin: protocol.NativePassword, Data: greeting.AuthData}
		if diff := cmp.Diff(same, s); diff != "" {
			t.Errorf("switch (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(answer, s.Append(nil)); diff != "" {
			t.Errorf("switch encoded (-want +got):\n%s", diff)
		}
		for _, response := range [][]byte{c.AuthResponse, packets[2+i+2].payload} {
			if !protocol.VerifyAuthResponse(s.Plugin, passwords[c.User], greeting.AuthData, response) {
				t.Errorf("password of %s not recognised", c.User)
			}
		}
		users = append(users, c.User)
	}
	if diff := cmp.Diff([]string{"app2", "app"}, users); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

func FuzzChangeUser(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte, caps uint64) {
		c, err := protocol.DecodeChangeUser(payload, protocol.Capability(caps))
		if err != nil {
			return
		}
		again, err := protocol.DecodeChangeUser(c.Append(nil, protocol.Capability(caps)), protocol.Capability(caps))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("decoded again (-first +second):\n%s", diff)
		}
	})
}
