package protocol_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/protocol"
)

// execHead is what a COM_STMT_EXECUTE of statement 1 begins with, flags left out; execTail is the iteration count.
const (
	execHead = "17 01000000 "
	execTail = " 01000000 "
)

// decode is Params.Decode, of a new one.
func decode(payload []byte, params int, bound []byte, long []uint64, caps protocol.Capability) (*protocol.Params, error) {
	var p protocol.Params
	return &p, p.Decode(payload, params, bound, long, caps)
}

// shown reads all values, and shows each as its text, with what is special about it.
func shown(p *protocol.Params) (all []string, err error) {
	for p.More() {
		v, err := p.Next()
		if err != nil {
			return all, err
		}
		var s string
		switch v.State {
		case protocol.ParamValue:
			s = string(v.AppendText(nil))
		case protocol.ParamLong:
			s = fmt.Sprintf("long %d", v.Sent)
		default:
			s = []string{"", "null", "default", "ignore"}[v.State]
		}
		if len(v.Name) > 0 {
			s = string(v.Name) + "=" + s
		}
		all = append(all, s)
	}
	return all, nil
}

func TestDecodeExecute(t *testing.T) {
	double := fmt.Sprintf("%x", binary.LittleEndian.AppendUint64(nil, math.Float64bits(-2.5e300)))
	float := fmt.Sprintf("%x", binary.LittleEndian.AppendUint32(nil, math.Float32bits(0.1)))
	for _, tt := range []struct {
		name, hex string
		params    int
		bound     string
		attrs     bool
		long      []uint64
		want      []string
	}{
		{"no parameters", execHead + "00" + execTail, 0, "", false, nil, nil},
		{"one bound", execHead + "00" + execTail + "00 01 0300 2a000000", 1, "", false, nil, []string{"42"}},
		{"bound earlier", execHead + "00" + execTail + "00 00 2a000000", 1, "0300", false, nil, []string{"42"}},
		{"null", execHead + "00" + execTail + "01 01 0300", 1, "", false, nil, []string{"null"}},
		{"null by type", execHead + "00" + execTail + "00 01 0600", 1, "", false, nil, []string{"null"}},
		{
			"integers", execHead + "00" + execTail + "0000 01 0100 0180 0200 0280 0300 0380 0800 0880 0d80 0900" +
				"ff ff ffff ffff ffffffff ffffffff ffffffffffffffff ffffffffffffffff ea07 f6ffffff", 10, "", false, nil,
			[]string{"-1", "255", "-1", "65535", "-1", "4294967295", "-1", "18446744073709551615", "2026", "-10"},
		},
		{
			"floats", execHead + "00" + execTail + "00 01 0400 0500" + float + double, 2, "", false, nil,
			[]string{"0.1", "-2.5e+300"},
		},
		{
			"dates", execHead + "00" + execTail + "00 01 0a00 0a00 0c00 0700 0c00 0c00" +
				"04 ea070b14 00 00 04 ea070b14 07 ea070b14 122e07 0b ea070b14 122e07 d2040000", 6, "", false, nil,
			[]string{
				"2026-11-20", "0000-00-00", "0000-00-00 00:00:00", "2026-11-20 00:00:00", "2026-11-20 18:46:07",
				"2026-11-20 18:46:07.001234",
			},
		},
		{
			"times", execHead + "00" + execTail + "00 01 0b00 0b00 0b00" +
				"00 08 01 22000000 16 3b3b 0c 00 00000000 010203 0a000000", 3, "", false, nil,
			[]string{"00:00:00", "-838:59:59", "01:02:03.000010"},
		},
		{
			"strings", execHead + "00" + execTail + "00 01 fe00 fc00 f600 0f00" + "03 616263 02 ff00 04 31322e35 00", 4, "",
			false, nil,
			[]string{"abc", "\xff\x00", "12.5", ""},
		},
		{
			"the ninth null", execHead + "00" + execTail + "0001 01" + strings.Repeat("0100", 10) + strings.Repeat("07", 9), 10,
			"", false, nil,
			[]string{"7", "7", "7", "7", "7", "7", "7", "7", "null", "7"},
		},
		{
			"long data", execHead + "00" + execTail + "00 01 fc00 0100 fc00 05 01 61", 3, "", false,
			[]uint64{1001},
			[]string{"long 1000", "5", "a"},
		},
		{"empty long data", execHead + "00" + execTail + "00 01 fc00", 1, "", false, []uint64{1}, []string{"long 0"}},
		{
			"attributes", execHead + "08" + execTail + "02 00 01 0300 00 fe00 01 6b 2a000000 01 76", 1, "", true, nil,
			[]string{"42", "k=v"},
		},
		{"attributes alone", execHead + "08" + execTail + "01 00 01 fe00 01 6b 01 76", 0, "", true, nil, []string{"k=v"}},
		{"attributes, none", execHead + "08" + execTail + "00", 0, "", true, nil, nil},
		{"attributes, bound earlier", execHead + "08" + execTail + "01 00 00 2a000000", 1, "0300", true, nil, []string{"42"}},
		{"attributes agreed, not sent", execHead + "00" + execTail + "00 01 0300 2a000000", 1, "", true, nil, []string{"42"}},
		{"attributes not agreed", execHead + "08" + execTail + "00 01 0300 2a000000", 1, "", false, nil, []string{"42"}},
		{
			"bulk", "fa 01000000 8000 0300 fe00 00 01000000 00 01 61 01 03 00 03000000 02", 2, "", false, nil,
			[]string{"1", "a", "null", "ignore", "3", "default"},
		},
		{"bulk, bound earlier", "fa 01000000 0000 00 05 00 06", 1, "0100", false, nil, []string{"5", "6"}},
		{"bulk without rows", "fa 01000000 8000 0100", 1, "", false, nil, nil},
	} {
		caps := protocol.ClientProtocol41
		if tt.attrs {
			caps |= protocol.ClientQueryAttributes
		}
		payload := unhex(t, tt.hex)
		p, err := decode(payload, tt.params, unhex(t, tt.bound), tt.long, caps)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got, err := shown(p)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
		p.Rewind()
		if again, err := shown(p); err != nil || !slices.Equal(got, again) {
			t.Errorf("%s: read again: %q, %v", tt.name, again, err)
		}
		types := p.AppendTypes(nil)
		if len(types) != 2*p.Count {
			t.Errorf("%s: types %x of %d values", tt.name, types, p.Count)
		}
		for n := range payload { // cut off, it never has more, or others
			p, err := decode(payload[:n:n], tt.params, unhex(t, tt.bound), tt.long, caps)
			if err != nil {
				continue
			}
			part, _ := shown(p)
			if len(part) > len(got) || !slices.Equal(part, got[:len(part)]) {
				t.Errorf("%s, cut at %d: %q", tt.name, n, part)
			}
		}
	}
}

func TestDecodeExecuteMalformed(t *testing.T) {
	for _, tt := range []struct {
		name, hex string
		params    int
	}{
		{"no types, none bound", execHead + "00" + execTail + "00 00 2a000000", 1},
		{"fewer values than parameters", execHead + "08" + execTail + "01 00 01 0300 00 2a000000", 2},
		{"too many values", execHead + "08" + execTail + "fe ffffffffffffffff 00 01 0300 00 2a000000", 1},
		{"half a type", execHead + "00" + execTail + "00 01 03", 1},
		{"bulk without types", "fa 01000000 0000 00 05", 1},
		{"nothing", "", 1},
	} {
		if p, err := decode(unhex(t, tt.hex), tt.params, nil, nil, protocol.ClientQueryAttributes); err == nil {
			t.Errorf("%s: %+v", tt.name, p)
		}
	}
	for _, hex := range []string{execHead + "00" + execTail + "00 01 f300 00", "fa 01000000 8000 0100 04 00", "fa 01000000 8000 0100 00"} {
		p, err := decode(unhex(t, hex), 1, nil, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := p.Next(); err == nil {
			t.Errorf("%s: %+v", hex, v)
		}
	}
}

// Types that were bound once serve the next command.
func TestAppendTypes(t *testing.T) {
	caps := protocol.ClientQueryAttributes
	p, err := decode(unhex(t, execHead+"08"+execTail+"02 00 01 0380 00 fe00 01 6b 2a000000 01 76"), 1, nil, nil, caps)
	if err != nil {
		t.Fatal(err)
	}
	types := p.AppendTypes(nil)
	if !bytes.Equal(types, unhex(t, "0380 fe00")) {
		t.Fatalf("types %x", types)
	}
	p, err = decode(unhex(t, execHead+"08"+execTail+"02 00 00 ffffffff 01 77"), 1, types, nil, caps)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := shown(p); err != nil || !cmp.Equal(got, []string{"4294967295", "w"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLongData(t *testing.T) {
	packet := protocol.AppendPacket(nil, 0, unhex(t, "18 02000000 0300 616263"))
	if st, param, n, ok := protocol.LongData(packet); !ok || st != 2 || param != 3 || n != 3 {
		t.Errorf("statement %d, parameter %d, %d bytes, %v", st, param, n, ok)
	}
	if _, _, n, ok := protocol.LongData(packet[:12]); !ok || n != 3 { // only the beginning has come
		t.Errorf("%d bytes, %v", n, ok)
	}
	if _, _, _, ok := protocol.LongData(packet[:10]); ok {
		t.Error("too short, and read")
	}
}

func FuzzDecodeExecute(f *testing.F) {
	for _, s := range []string{
		execHead + "00" + execTail + "00 01 0300 2a000000", execHead + "08" + execTail + "02 00 01 0300 00 fe00 01 6b 2a000000 01 76",
		"fa 01000000 8000 0300 fe00 00 01000000 00 01 61 01 03", execHead + "00" + execTail + "00 01 0c00 07 ea070b14 122e07",
	} {
		f.Add(unhex(f, s), 2, []byte{3, 0, 0xfe, 0}, true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, params int, bound []byte, attrs bool) {
		caps := protocol.ClientProtocol41
		if attrs {
			caps |= protocol.ClientQueryAttributes
		}
		whole := bytes.Clone(payload)
		p, err := decode(slices.Clip(payload), int(uint16(params)), bound, []uint64{0, 5}, caps)
		if err != nil {
			return
		}
		if types := p.AppendTypes(nil); len(types) != 2*p.Count {
			t.Fatalf("%d bytes of types for %d values", len(types), p.Count)
		}
		for n := 0; p.More(); n++ {
			v, err := p.Next()
			if err != nil {
				break
			}
			if v.State == protocol.ParamValue && len(v.AppendText(nil)) > 32+len(v.Value) {
				t.Fatalf("%+v is %q", v, v.AppendText(nil))
			}
			if n > len(payload)+p.Count {
				t.Fatal("more values than bytes")
			}
		}
		if !bytes.Equal(payload, whole) {
			t.Fatal("the payload was changed")
		}
	})
}
