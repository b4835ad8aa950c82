package protocol_test

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirproxy/weir/protocol"
)

func TestOK(t *testing.T) {
	const track = protocol.ClientProtocol41 | protocol.ClientSessionTrack
	for _, tt := range []struct {
		name string
		hex  string
		caps protocol.Capability
		want protocol.OK
	}{
		{"plain", "00 00 00 02 00 00 00", protocol.ClientProtocol41, protocol.OK{Status: 2}},
		{"plain with tracking agreed", "00 00 00 02 00 00 00", track, protocol.OK{Status: 2}},
		{
			"counts", "00 fc 2c 01 07 03 00 01 00", track,
			protocol.OK{AffectedRows: 300, LastInsertID: 7, Status: 3, Warnings: 1},
		},
		{
			"message", "00 01 00 02 00 00 00 07 52 6f 77 73 3a 20 31", protocol.ClientProtocol41,
			protocol.OK{AffectedRows: 1, Status: 2, Info: []byte("Rows: 1")},
		},
		{
			"message, length-encoded", "00 01 00 02 00 00 00 07 52 6f 77 73 3a 20 31", track,
			protocol.OK{AffectedRows: 1, Status: 2, Info: []byte("Rows: 1")},
		},
		{
			"MariaDB 10.11: UPDATE, told to a client without session tracking",
			"00 02 00 22 00 00 00 28" + hex.EncodeToString([]byte("Rows matched: 2  Changed: 2  Warnings: 0")), protocol.ClientProtocol41,
			protocol.OK{AffectedRows: 2, Status: 0x22, Info: []byte("Rows matched: 2  Changed: 2  Warnings: 0")},
		},
		{
			"MariaDB 10.11: USE shop", "00 00 00 02 40 00 00 00 0a 01 05 04 73 68 6f 70 02 01 31", track,
			protocol.OK{Status: 0x4002, SessionState: []byte("\x01\x05\x04shop\x02\x011")},
		},
		{
			"MariaDB 10.11: INSERT in a transaction", "00 01 00 03 c0 00 00 00 0b 05 09 08 54 5f 5f 5f 57 5f 5f 5f",
			track,
			protocol.OK{AffectedRows: 1, Status: 0xc003, SessionState: []byte("\x05\x09\x08T___W___")},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			payload := unhex(t, tt.hex)
			got, err := protocol.DecodeOK(payload, tt.caps)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(payload, got.Append(nil, tt.caps)); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOKMessageWithoutLength: the message may be the rest of the packet, as it is documented.
func TestOKMessageWithoutLength(t *testing.T) {
	got, err := protocol.DecodeOK([]byte("\x00\x01\x00\x02\x00\x00\x00Rows: 1"), protocol.ClientProtocol41)
	if want := (protocol.OK{AffectedRows: 1, Status: 2, Info: []byte("Rows: 1")}); err != nil || !cmp.Equal(want, got) {
		t.Errorf("DecodeOK = %+v, %v", got, err)
	}
}

func TestOKAtEndOfRows(t *testing.T) {
	got, err := protocol.DecodeOK(unhex(t, "fe 00 00 22 00 00 00"), protocol.ClientDeprecateEOF)
	if want := (protocol.OK{Status: 0x22}); err != nil || !cmp.Equal(want, got) {
		t.Errorf("DecodeOK = %+v, %v", got, err)
	}
}

func TestStatusAt(t *testing.T) {
	const eof = protocol.ClientDeprecateEOF
	for _, tt := range []struct {
		hex  string
		caps protocol.Capability
		want int
	}{
		{"00 00 00 02 00 00 00", 0, 3},
		{"00 fc 70 11 fd 01 02 03 02 00 00 00 04 61", eof, 8},
		{"00 00 00 02 00", 0, 3}, // cut off
		{"fe 00 00 22 00", 0, 3},
		{"fe 00 00 22 00", eof, 3},
		{"fe 00 00 22 00 00 00", eof, 3},
		{"fe fc 70 11 00 22 00 00 00", eof, 5},
		{"fe fb 00 22 00 00 00", eof, 3}, // no OK packet
		{"", 0, 0},
		{"00 00", eof, 0},
		{"00 fb 00 02 00 00 00", 0, 0},
		{"fe", 0, 0}, // as servers without protocol 4.1 have it
	} {
		if got := protocol.StatusAt(unhex(t, tt.hex), tt.caps); got != tt.want {
			t.Errorf("StatusAt(%s, %v) = %d, not %d", tt.hex, tt.caps, got, tt.want)
		}
	}
}

func TestOKMalformed(t *testing.T) {
	for _, hex := range []string{
		"", "00", "00 00", "00 fb 00 02 00 00 00", "00 00 00 02 00 00", "ff 00 00 02 00 00 00", "01 00 00 02 00 00 00",
		"00 00 00 02 00 00 00 05 61",       // message cut short
		"00 00 00 02 40 00 00 00 05 01 01", // session state cut short
	} {
		_, err := protocol.DecodeOK(unhex(t, hex), protocol.ClientSessionTrack)
		if !errors.Is(err, protocol.ErrMalformed) {
			t.Errorf("DecodeOK(%s): %v", hex, err)
		}
	}
}

// TestSessionTrackCapture walks what MariaDB 10.11 tracked of a SET, USE, CREATE, BEGIN, INSERT and COMMIT.
func TestSessionTrackCapture(t *testing.T) {
	type change struct {
		Kind byte
		Data string
	}
	var got []change
	caps := captureCaps(t, "mariadb-cli-session-track")
	for _, p := range readCapture(t, "mariadb-cli-session-track")[3:] {
		if p.from != "S" || p.payload[0] != 0 {
			continue
		}
		ok, err := protocol.DecodeOK(p.payload, caps)
		if err != nil {
			t.Fatalf("% x: %v", p.payload, err)
		}
		if diff := cmp.Diff(p.payload, ok.Append(nil, caps)); diff != "" {
			t.Errorf("encoded (-want +got):\n%s", diff)
		}
		for state := ok.SessionState; len(state) > 0; {
			kind, data, rest, err := protocol.NextStateChange(state)
			if err != nil {
				t.Fatal(err)
			}
			got, state = append(got, change{kind, string(data)}), rest
		}
	}
	want := []change{
		{protocol.SessionTrackSystemVariables, "\x1esession_track_system_variables\x01*"},
		{protocol.SessionTrackSystemVariables, "\x1esession_track_transaction_info\x0fCHARACTERISTICS"},
		{protocol.SessionTrackSystemVariables, "\x1asession_track_state_change\x02ON"},
		{protocol.SessionTrackStateChange, "1"},
		{protocol.SessionTrackTransactionState, "\x08________"},
		{protocol.SessionTrackTransactionCharacteristics, "\x00"},
		{protocol.SessionTrackSchema, "\x04shop"},
		{protocol.SessionTrackStateChange, "1"},
		{
			protocol.SessionTrackSystemVariables,
			"\x08sql_mode;REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ANSI",
		},
		{protocol.SessionTrackStateChange, "1"},
		{protocol.SessionTrackSystemVariables, "\x09last_gtid\x050-1-8"},
		{protocol.SessionTrackTransactionState, "\x08T_______"},
		{protocol.SessionTrackTransactionCharacteristics, "\x12START TRANSACTION;"},
		{protocol.SessionTrackTransactionState, "\x08T___W___"},
		{protocol.SessionTrackSystemVariables, "\x09last_gtid\x050-1-9"},
		{protocol.SessionTrackTransactionState, "\x08________"},
		{protocol.SessionTrackTransactionCharacteristics, "\x00"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func FuzzOK(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte, caps uint64) {
		ok, err := protocol.DecodeOK(payload, protocol.Capability(caps))
		if err != nil {
			return
		}
		again, err := protocol.DecodeOK(ok.Append(nil, protocol.Capability(caps)), protocol.Capability(caps))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ok, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("decoded again (-first +second):\n%s", diff)
		}
	})
}

func FuzzNextStateChange(f *testing.F) {
	f.Fuzz(func(t *testing.T, state []byte) {
		for len(state) > 0 {
			kind, data, rest, err := protocol.NextStateChange(state)
			if err != nil {
				return
			}
			if len(rest) >= len(state) {
				t.Fatal("no progress")
			}
			enc := protocol.AppendLenencString([]byte{kind}, data)
			kind2, data2, rest2, err := protocol.NextStateChange(enc)
			if err != nil || kind2 != kind || string(data2) != string(data) || len(rest2) != 0 {
				t.Fatalf("%d %q became %d %q, %q left, %v", kind, data, kind2, data2, rest2, err)
			}
			state = rest
		}
	})
}
