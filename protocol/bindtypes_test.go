package protocol

import (
	"bytes"
	"testing"
)

func TestBindTypes(t *testing.T) {
	const attrs = ClientQueryAttributes
	for name, c := range map[string]struct {
		bound, unbound, want string
		params               int
		caps                 Capability
	}{
		"execute": {
			"\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00" + "\x00\x01\x03\x00\xfd\x80\x05\x00\x00\x00\x01a",
			"\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00" + "\x00\x00\x06\x00\x00\x00\x01b",
			"\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00" + "\x00\x01\x03\x00\xfd\x80\x06\x00\x00\x00\x01b", 2, 0,
		},
		"execute with attributes": {
			"\x17\x01\x00\x00\x00\x08\x01\x00\x00\x00" + "\x02\x00\x01" + "\x01\x00\x00" + "\xfd\x00\x01x" + "\x05\x01v",
			"\x17\x01\x00\x00\x00\x08\x01\x00\x00\x00" + "\x01\x00\x00" + "\x06",
			"\x17\x01\x00\x00\x00\x08\x01\x00\x00\x00" + "\x01\x00\x01" + "\x01\x00\x00" + "\x06", 1, attrs,
		},
		"bulk": {
			"\xfa\x01\x00\x00\x00\x80\x00" + "\x01\x00" + "\x00\x05",
			"\xfa\x01\x00\x00\x00\x00\x00" + "\x00\x06\x00\x07",
			"\xfa\x01\x00\x00\x00\x80\x00" + "\x01\x00" + "\x00\x06\x00\x07", 1, 0,
		},
	} {
		types, bound, ok := BoundTypes([]byte(c.bound), c.params, c.caps)
		if !bound || !ok || len(types) != 2*c.params {
			t.Errorf("%s: types %x, %v, %v", name, types, bound, ok)
		}
		if _, bound, ok := BoundTypes([]byte(c.unbound), c.params, c.caps); bound || !ok {
			t.Errorf("%s: one without types is %v, %v", name, bound, ok)
		}
		got, ok := BindTypes([]byte("before"), []byte(c.unbound), c.params, types, c.caps)
		if !ok || !bytes.Equal(got, []byte("before"+c.want)) {
			t.Errorf("%s: %x, %v, want %x", name, got, ok, c.want)
		}
		if _, ok := BindTypes(nil, []byte(c.bound), c.params, types, c.caps); ok {
			t.Errorf("%s: types were bound twice", name)
		}
		for n := range len(c.unbound) { // any beginning
			BindTypes(nil, []byte(c.unbound[:n]), c.params, types, c.caps)
			BoundTypes([]byte(c.bound[:n]), c.params, c.caps)
		}
	}
}
