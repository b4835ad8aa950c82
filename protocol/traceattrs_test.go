package protocol_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/weirproxy/weir/protocol"
)

// attr is a query attribute of type VARCHAR, without its value.
func attrType(name string) string { return fmt.Sprintf("fe00 %02x %x", len(name), name) }

func attrValue(value string) string { return fmt.Sprintf("%02x %x", len(value), value) }

func TestFindTraceAttrs(t *testing.T) {
	parent, state, other := attrType("traceparent"), attrType("tracestate"), attrType("other")
	for _, tt := range []struct{ name, hex, state, without string }{
		{"by go-mysql", fromGoMySQL, "", "03 01 01 00 01 0880 01 6e 2a00000000000000 53454c4543542031"},
		{"alone", "03 01 01 00 01" + parent + attrValue(parent1) + "53", "", "03 00 01 53"},
		{
			"with its state", "03 02 01 00 01" + parent + state + attrValue(parent1) + attrValue("a=b") + "53", "a=b",
			"03 00 01 53",
		},
		{
			"behind NULLs", "03 03 01 03 01" + other + state + parent + attrValue(parent1) + "53", "",
			"03 01 01 01 01" + other + "53",
		},
		{
			"before NULLs", "03 03 01 06 01" + parent + other + other + attrValue(parent1) + "53", "",
			"03 02 01 03 01" + other + other + "53",
		},
		{
			"the ninth", "03 09 01 8000 01" + eight(other) + parent + seven(attrValue("x")) + attrValue(parent1) + "53", "",
			"03 08 01 80 01" + eight(other) + seven(attrValue("x")) + "53",
		},
		{
			"twice", "03 02 01 00 01" + parent + parent + attrValue("nonsense") + attrValue(parent1) + "53", "", "03 00 01 53",
		},
	} {
		payload := unhex(t, tt.hex)
		c, ok := protocol.FindTraceAttrs(payload, protocol.ClientQueryAttributes)
		if !ok || string(c.Parent.Of(payload)) != parent1 || string(c.State.Of(payload)) != tt.state {
			t.Errorf("%s: %+v, %v", tt.name, c, ok)
		}
		if _, ok := protocol.FindTraceAttrs(payload, protocol.ClientProtocol41); ok {
			t.Errorf("%s: found where no attributes were agreed on", tt.name)
		}
		for n := range len(payload) - 8 {
			protocol.FindTraceAttrs(payload[:n], protocol.ClientQueryAttributes)
		}
		got := protocol.RemoveTraceAttrs(payload, protocol.ClientQueryAttributes)
		if want := unhex(t, tt.without); !bytes.Equal(got, want) {
			t.Errorf("%s, without it:\n% x\nwant\n% x", tt.name, got, want)
		}
	}
}

func eight(s string) string { return s + seven(s) }

func seven(s string) string { return s + s + s + s + s + s + s }

func TestNoTraceAttrs(t *testing.T) {
	for name, hex := range map[string]string{
		"empty":      "03",
		"none":       "03 00 01 53",
		"other":      "03 01 01 00 01" + attrType("other") + attrValue(parent1) + "53",
		"NULL":       "03 01 01 01 01" + attrType("traceparent") + "53",
		"a number":   "03 01 01 00 01 0800 0b 7472616365706172656e74 0102030405060708 53",
		"cut off":    "03 01 01 00 01" + attrType("traceparent") + "37 30302d",
		"zero id":    "03 01 01 00 01" + attrType("traceparent") + attrValue("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
		"no types":   "03 01 01 00 00" + attrType("traceparent") + attrValue(parent1),
		"many and 0": "03 fd ff ff ff 01 00",
	} {
		payload := unhex(t, hex)
		if c, ok := protocol.FindTraceAttrs(payload, protocol.ClientQueryAttributes); ok {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestFindExecuteTrace(t *testing.T) {
	parent := attrType("traceparent")
	head := "17 01000000 08 01000000"
	for _, tt := range []struct {
		name, hex string
		params    int
		long      []uint64
		ok        bool
	}{
		{"no parameters", head + "01 00 01" + parent + attrValue(parent1), 0, nil, true},
		{"one parameter", head + "02 00 01 0800 00" + parent + "0102030405060708" + attrValue(parent1), 1, nil, true},
		{"a NULL one", head + "02 01 01 0800 00" + parent + attrValue(parent1), 1, nil, true},
		{"one sent ahead", head + "02 00 01 fc00 00" + parent + attrValue(parent1), 1, []uint64{5}, true},
		{"no attributes", head + "01 00 01 0800 00 0102030405060708", 1, nil, false},
		{"no types", head + "01 00 00" + attrValue(parent1), 0, nil, false},
		{"cut off", head + "01 00 01" + parent + "37 3030", 0, nil, false},
		{"no flag", "17 01000000 00 01000000 01 00 01" + parent + attrValue(parent1), 0, nil, false},
	} {
		payload := unhex(t, tt.hex)
		c, ok := protocol.FindExecuteTrace(payload, tt.params, tt.long, protocol.ClientQueryAttributes)
		if ok != tt.ok || ok && string(c.Parent.Of(payload)) != parent1 {
			t.Errorf("%s: %+v, %v", tt.name, c, ok)
		}
	}
}

func FuzzTraceAttrs(f *testing.F) {
	f.Add(unhex(f, fromGoMySQL), 0)
	f.Add(unhex(f, "03 02 01 00 01"+attrType("traceparent")+attrType("tracestate")+attrValue(parent1)+attrValue("a=b")+"53"), 0)
	f.Add(unhex(f, "17 01000000 08 01000000 02 00 01 0800 00"+attrType("traceparent")+"0102030405060708"+attrValue(parent1)), 1)
	f.Fuzz(func(t *testing.T, payload []byte, params int) {
		const caps = protocol.ClientQueryAttributes
		if c, ok := protocol.FindExecuteTrace(payload, params&0xff, nil, caps); ok {
			if _, ok := protocol.ParseTraceparent(c.Parent.Of(payload)); !ok {
				t.Fatalf("% x: %+v", payload, c)
			}
		}
		before := bytes.Clone(payload)
		at, fine := protocol.QueryTextOffset(payload, caps)
		c, ok := protocol.FindTraceAttrs(payload, caps)
		if ok {
			if again, ok := protocol.ParseTraceparent(c.Parent.Of(payload)); !ok || again != c.Context || !fine {
				t.Fatalf("% x: %+v", payload, c)
			}
		}
		got := protocol.RemoveTraceAttrs(payload, caps)
		if !fine {
			return
		}
		gotAt, gotFine := protocol.QueryTextOffset(got, caps)
		if !gotFine || !bytes.Equal(got[gotAt:], before[at:]) {
			t.Fatalf("% x: the text of % x is % x", before, got, got[gotAt:])
		}
		if _, ok := protocol.FindTraceAttrs(got, caps); ok && len(before) > 1 && before[1] <= 64 {
			t.Fatalf("% x: still there in % x", before, got)
		}
	})
}
