package protocol_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirproxy/weir/protocol"
)

func TestAuthSwitch(t *testing.T) {
	nul := append(nonce(20), 0)
	for _, tt := range []struct {
		name    string
		payload []byte
		want    protocol.AuthSwitch
	}{
		{"nonce and its NUL", append([]byte("\xfex\x00"), nul...), protocol.AuthSwitch{Plugin: "x", Data: nonce(20)}},
		{"binary data", append([]byte("\xfex\x00"), append(nonce(31), 0)...), protocol.AuthSwitch{
			Plugin: "x", Data: append(nonce(31), 0),
		}},
		{"no data", []byte("\xfex\x00"), protocol.AuthSwitch{Plugin: "x"}},
	} {
		got, err := protocol.DecodeAuthSwitch(tt.payload)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: decoded (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.payload, got.Append(nil)); diff != "" {
			t.Errorf("%s: encoded (-want +got):\n%s", tt.name, diff)
		}
	}
	if got, err := protocol.DecodeAuthSwitch([]byte{0xfe}); err != nil || got.Plugin != "mysql_old_password" {
		t.Errorf("old form: %+v, %v", got, err)
	}
	for _, payload := range []string{"", "\x00", "\xfex"} {
		if _, err := protocol.DecodeAuthSwitch([]byte(payload)); !errors.Is(err, protocol.ErrMalformed) {
			t.Errorf("%q: %v", payload, err)
		}
	}
}

func TestAuthSwitchCapture(t *testing.T) {
	payload := readCapture(t, "mariadb-cli-ed25519")[2].payload
	got, err := protocol.DecodeAuthSwitch(payload)
	if err != nil {
		t.Fatal(err)
	}
	if got.Plugin != "client_ed25519" || len(got.Data) != 32 {
		t.Errorf("switch %+v", got)
	}
	if diff := cmp.Diff(payload, got.Append(nil)); diff != "" {
		t.Errorf("encoded (-want +got):\n%s", diff)
	}
}

func TestAuthMoreData(t *testing.T) {
	payload := protocol.AppendAuthMoreData(nil, protocol.AuthFull)
	if !bytes.Equal(payload, []byte{1, 4}) {
		t.Errorf("encoded % x", payload)
	}
	if data, err := protocol.DecodeAuthMoreData(payload); err != nil || !bytes.Equal(data, []byte{4}) {
		t.Errorf("decoded % x, %v", data, err)
	}
	for _, payload := range [][]byte{nil, {0}} {
		if _, err := protocol.DecodeAuthMoreData(payload); !errors.Is(err, protocol.ErrMalformed) {
			t.Errorf("% x: %v", payload, err)
		}
	}
}

func FuzzAuthSwitch(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte) {
		s, err := protocol.DecodeAuthSwitch(payload)
		if err != nil {
			return
		}
		again, err := protocol.DecodeAuthSwitch(s.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("decoded again (-first +second):\n%s", diff)
		}
	})
}
