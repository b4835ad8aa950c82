package protocol_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/protocol"
)

func TestErr(t *testing.T) {
	for _, tt := range []struct {
		hex  string
		want protocol.SQLError
	}{
		{"ff 48 04 23 48 59 30 30 30 4e 6f", protocol.SQLError{Code: 1096, State: "HY000", Message: "No"}},
		{"ff 48 04 23 48 59 30 30 30", protocol.SQLError{Code: 1096, State: "HY000"}},
		{"ff 10 04 54 6f 6f", protocol.SQLError{Code: protocol.ErConCount, Message: "Too"}}, // before the greeting
		{"ff 10 04 23 31", protocol.SQLError{Code: protocol.ErConCount, Message: "#1"}},
		{"ff 10 04", protocol.SQLError{Code: protocol.ErConCount}},
	} {
		payload := unhex(t, tt.hex)
		got, err := protocol.DecodeErr(payload)
		if err != nil {
			t.Fatalf("%s: %v", tt.hex, err)
		}
		if diff := cmp.Diff(&tt.want, got); diff != "" {
			t.Errorf("%s decoded (-want +got):\n%s", tt.hex, diff)
		}
		if diff := cmp.Diff(payload, got.Append(nil)); diff != "" {
			t.Errorf("%s encoded (-want +got):\n%s", tt.hex, diff)
		}
	}
	for _, hex := range []string{"", "ff", "ff 10", "00 10 04"} {
		if _, err := protocol.DecodeErr(unhex(t, hex)); !errors.Is(err, protocol.ErrMalformed) {
			t.Errorf("DecodeErr(%s): %v", hex, err)
		}
	}
}

func TestErrCapture(t *testing.T) {
	packets := readCapture(t, "mariadb-cli-wrong-password")
	got, err := protocol.DecodeErr(packets[len(packets)-1].payload)
	if err != nil {
		t.Fatal(err)
	}
	const want = "ERROR 1045 (28000): Access denied for user 'app'@'localhost' (using password: YES)"
	if got.Code != protocol.ErAccessDenied || got.Error() != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzErr(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := protocol.DecodeErr(payload)
		if err != nil {
			return
		}
		again, err := protocol.DecodeErr(e.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("decoded again (-first +second):\n%s", diff)
		}
	})
}
