package pipeline

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// peer is where a client comes from.
type peer struct {
	addr netip.Addr // invalid for a Unix socket
	text string     // "host:port", "localhost" for a Unix socket
}

func peerOf(c net.Conn) peer {
	if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
		return peer{ap.Addr(), ap.String()}
	}
	return peer{text: "localhost"}
}

// host is the peer's host as error messages name it.
func (p peer) host() string {
	if p.addr.IsValid() {
		return p.addr.String()
	}
	return p.text
}

// hostPattern is the host part of an account name:
// https://dev.mysql.com/doc/refman/8.4/en/account-names.html.
type hostPattern struct {
	text   string
	prefix netip.Prefix // valid for one address, or a net of them
	local  bool         // localhost
}

// parseHostPattern reads a pattern: an address, address/netmask, address/length, "localhost", or text with the
// wildcards % and _ that is compared with the client's address. Host names are not looked up.
func parseHostPattern(s string) (hostPattern, error) {
	h := hostPattern{text: strings.ToLower(s)}
	if s == "" {
		h.text = "%"
	}
	if h.text == "localhost" {
		h.local = true
		return h, nil
	}
	addr, mask, hasMask := strings.Cut(h.text, "/")
	// What netip takes for the zone of an IPv6 address is a wildcard here.
	if !hasMask && strings.ContainsAny(h.text, "%_") {
		return h, nil
	}
	a, err := netip.ParseAddr(addr)
	switch {
	case err != nil && !hasMask:
		return h, fmt.Errorf("%q is neither an address, nor localhost, nor a pattern with %% or _ "+
			"(host names are not looked up)", s)
	case err != nil || a.Zone() != "":
		return h, fmt.Errorf("%q: %q is no address", s, addr)
	case !hasMask:
		h.prefix = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		return h, nil
	}
	bits, ok := maskBits(a, mask)
	if !ok {
		return h, fmt.Errorf("%q: %q is no netmask", s, mask)
	}
	h.prefix = netip.PrefixFrom(a, bits).Masked()
	return h, nil
}

// maskBits is the length of the prefix of a that mask means: a netmask of IPv4, or the length itself.
func maskBits(a netip.Addr, mask string) (bits int, ok bool) {
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() && a.Is4() {
		b := m.As4()
		ones, size := net.IPv4Mask(b[0], b[1], b[2], b[3]).Size()
		return ones, size == 32 // 0 where the ones are not all in front
	}
	n, err := strconv.ParseUint(mask, 10, 8)
	return int(n), err == nil && int(n) <= a.BitLen()
}

// match reports whether a client from p is meant. A client on this machine, over a Unix socket or a loopback
// address, also goes by the name localhost.
func (h hostPattern) match(p peer) bool {
	switch {
	case h.local:
		return !p.addr.IsValid() || p.addr.IsLoopback()
	case h.prefix.IsValid():
		return p.addr.IsValid() && h.prefix.Contains(p.addr.WithZone(""))
	}
	return like(h.text, strings.ToLower(p.host()))
}

// rank orders patterns: the higher, the more specific.
func (h hostPattern) rank() int {
	switch {
	case h.local:
		return 1000
	case h.prefix.IsValid():
		return 200 + h.prefix.Bits()
	}
	// The later the first wildcard, the more specific.
	return min(strings.IndexAny(h.text, "%_"), 100)
}

// like is SQL's LIKE without an escape character.
func like(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '%':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '_' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "%") == ""
}
