package pipeline

import (
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// from is a client at an address, or on a Unix socket where it is empty.
func from(addr string) peer {
	if addr == "" {
		return peer{text: "localhost"}
	}
	a := netip.MustParseAddr(addr)
	return peer{a, netip.AddrPortFrom(a, 40000).String()}
}

func TestHostPattern(t *testing.T) {
	const socket = ""
	for _, c := range []struct {
		pattern string
		match   []string
		not     []string
	}{
		{"%", []string{socket, "127.0.0.1", "10.1.2.3", "::1", "2001:db8::1"}, nil},
		{"", []string{socket, "10.1.2.3", "2001:db8::1"}, nil},
		{"10.0.%", []string{"10.0.0.1", "10.0.255.255"}, []string{"10.1.0.0", "110.0.0.1", socket}},
		{"%.7", []string{"10.0.0.7", "192.168.7.7"}, []string{"10.0.0.17", "10.0.7.1"}},
		{"10.%.%.4", []string{"10.2.3.4", "10.4.4.4"}, []string{"10.4.4.5", "11.2.3.4"}},
		{"10.0.0._", []string{"10.0.0.1", "10.0.0.9"}, []string{"10.0.0.10", "10.0.0.12"}},
		{"1_.%", []string{"10.0.0.1", "19.9.9.9"}, []string{"1.0.0.1", "100.0.0.1", "20.0.0.1"}},
		{"local%", []string{socket}, []string{"127.0.0.1", "::1"}},
		{"10.0.0.1", []string{"10.0.0.1"}, []string{"10.0.0.2", "10.0.0.11", socket}},
		{"::ffff:10.0.0.1", []string{"10.0.0.1"}, []string{"10.0.0.2"}},
		{"10.0.0.0/255.0.0.0", []string{"10.0.0.0", "10.255.255.255"}, []string{"11.0.0.0", "9.255.255.255", "::1", socket}},
		{"10.1.2.3/255.255.0.0", []string{"10.1.0.0", "10.1.255.255"}, []string{"10.2.0.0"}},
		{"10.0.0.0/8", []string{"10.0.0.0", "10.255.255.255"}, []string{"11.0.0.0"}},
		{"10.0.0.7/32", []string{"10.0.0.7"}, []string{"10.0.0.6", "10.0.0.8"}},
		{"0.0.0.0/0", []string{"10.0.0.7", "127.0.0.1"}, []string{"::1", socket}},
		{"0.0.0.0/0.0.0.0", []string{"10.0.0.7"}, []string{"::1"}},
		{"2001:db8::1", []string{"2001:db8::1"}, []string{"2001:db8::2", "10.0.0.1"}},
		{"2001:DB8:0::1", []string{"2001:db8::1"}, []string{"2001:db8::2"}},
		{"2001:db8::/32", []string{"2001:db8::1", "2001:db8:ffff::"}, []string{"2001:db9::", "10.0.0.1"}},
		{"2001:DB8:%", []string{"2001:db8::1", "2001:db8:1::2"}, []string{"2001:db9::1"}},
		{"fe80::1%2", []string{"fe80::12", "fe80::1:2"}, []string{"fe80::1"}},
		{"fe80::1", []string{"fe80::1", "fe80::1%eth0"}, nil},
		{"localhost", []string{socket, "127.0.0.1", "127.9.9.9", "::1"}, []string{"10.0.0.1", "2001:db8::1"}},
		{"LocalHost", []string{socket, "127.0.0.1"}, []string{"10.0.0.1"}},
		{"127.0.0.1", []string{"127.0.0.1"}, []string{"127.0.0.2", socket}},
	} {
		h, err := parseHostPattern(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		for _, addr := range c.match {
			if !h.match(from(addr)) {
				t.Errorf("%q does not match %q", c.pattern, addr)
			}
		}
		for _, addr := range c.not {
			if h.match(from(addr)) {
				t.Errorf("%q matches %q", c.pattern, addr)
			}
		}
	}
}

func TestBadHostPatterns(t *testing.T) {
	for _, pattern := range []string{
		"db1", "db1.example.com", "10.0.0", "10.0.0.256", "10.0.0.0/8abc", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8",
		"10.0.0.0/33", "10.0.0.0/ 8", "10.0.0.0/8/8", "10.0.0.0/255.0.255.0", "10.0.0.0/255.0.0", "10.0.%/8", "/8", "%/8",
		"2001:db8::/129", "2001:db8::/255.0.0.0", "fe80::1%eth0/64", "localhost/8", " 10.0.0.1",
	} {
		if h, err := parseHostPattern(pattern); err == nil {
			t.Errorf("%q is taken for %+v", pattern, h)
		} else if !strings.Contains(err.Error(), pattern) {
			t.Errorf("%q: the error does not name it: %v", pattern, err)
		}
	}
}

// The most specific of the blocks that match decides alone, in whatever order they are written.
func TestMostSpecificHostDecides(t *testing.T) {
	patterns := []string{
		"%", "10.%", "10.0.0._", "10.0.0.0/8", "10.0.0.0/255.255.255.0", "10.0.0.1", "localhost", "2001:db8::/32", "2001:db8::1",
	}
	for _, reverse := range []bool{false, true} {
		c := AccountsConfig{Name: "main"}
		for i := range patterns {
			if reverse {
				i = len(patterns) - 1 - i
			}
			u := UserDefaults
			u.Name, u.Host, u.Password = "app", patterns[i], "secret"
			c.Users = append(c.Users, u)
		}
		a, err := NewAccounts(c)
		if err != nil {
			t.Fatal(err)
		}
		for addr, want := range map[string]string{
			"10.0.0.1": "10.0.0.1", "10.0.0.2": "10.0.0.0/255.255.255.0", "10.9.9.9": "10.0.0.0/8", "11.0.0.1": "%",
			"127.0.0.1": "localhost", "": "localhost", "2001:db8::1": "2001:db8::1", "2001:db8::2": "2001:db8::/32", "::2": "%",
		} {
			if acc := a.find("app", from(addr)); acc == nil || acc.host.text != want {
				t.Errorf("%q: %+v decides, want %s", addr, acc, want)
			}
		}
		if acc := a.find("App", from("10.0.0.1")); acc != nil {
			t.Errorf("users are told apart by case; found %+v", acc)
		}
	}
	var c AccountsConfig
	for _, host := range []string{"10.0.0._", "10.%", "10.0.%"} {
		u := UserDefaults
		u.Name, u.Host = "app", host
		c.Users = append(c.Users, u)
	}
	a, err := NewAccounts(c)
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{"10.0.0.1": "10.0.0._", "10.0.0.12": "10.0.%", "10.1.0.1": "10.%"} {
		if acc := a.find("app", from(addr)); acc == nil || acc.host.text != want {
			t.Errorf("%q: %+v decides, want %s", addr, acc, want)
		}
	}
	if acc := a.find("app", from("11.0.0.1")); acc != nil {
		t.Errorf("%+v lets in who matches no block", acc)
	}
}

func TestPeerOf(t *testing.T) {
	for addr, want := range map[net.Addr]peer{
		&net.TCPAddr{IP: net.ParseIP("::ffff:10.0.0.1"), Port: 7}:      {netip.MustParseAddr("10.0.0.1"), "10.0.0.1:7"},
		&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 7}:          {netip.MustParseAddr("2001:db8::1"), "[2001:db8::1]:7"},
		&net.UnixAddr{Name: "", Net: "unix"}:                           {text: "localhost"},
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: 40000}:    from("127.0.0.1"),
		&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 7, Zone: "eth"}: {netip.MustParseAddr("fe80::1%eth"), "[fe80::1%eth]:7"},
	} {
		if got := peerOf(remote{addr: addr}); got != want {
			t.Errorf("%v: %+v, want %+v", addr, got, want)
		}
	}
}

// remote is a connection of which only the other end's address is known.
type remote struct {
	net.Conn
	addr net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.addr }

// like means what the regular expression does.
func FuzzLike(f *testing.F) {
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 100 || len(s) > 1000 || !ascii(pattern+s) {
			return // like compares bytes, regexp runes
		}
		expr := strings.NewReplacer("%", "(?s:.*)", "_", "(?s:.)").Replace(regexp.QuoteMeta(pattern))
		if want := regexp.MustCompile(`\A` + expr + `\z`).MatchString(s); like(pattern, s) != want {
			t.Errorf("%q like %q: %v", s, pattern, !want)
		}
	})
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// A pattern is refused or has a rank, and an address that is a pattern matches itself and nothing else.
func FuzzHostPattern(f *testing.F) {
	f.Fuzz(func(t *testing.T, pattern, addr string) {
		h, err := parseHostPattern(pattern)
		if err != nil {
			return
		}
		if h.rank() < 0 {
			t.Errorf("%q has rank %d", pattern, h.rank())
		}
		a, err := netip.ParseAddr(addr)
		if err != nil {
			return
		}
		got := h.match(peer{a.Unmap(), addr})
		if p, err := netip.ParseAddr(pattern); err == nil && p.Zone() == "" {
			if want := p.Unmap() == a.Unmap().WithZone(""); got != want {
				t.Errorf("%q and %q: %v", pattern, addr, got)
			}
		}
	})
}
