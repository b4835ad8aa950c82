package protocol

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// NonceSize is the length of the random bytes a server challenges a password login with.
const NonceSize = 20

const (
	greetingVersion = 10
	noncePart1      = 8  // bytes of the nonce that stand before the capabilities
	noncePart2      = 13 // bytes that stand behind them at least, the closing NUL included
)

// Greeting is a server's first packet, protocol version 10.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
// and https://mariadb.com/kb/en/connection/#initial-handshake-packet.
type Greeting struct {
	ServerVersion string // as sent: MariaDB before 11 puts "5.5.5-" in front
	ConnectionID  uint32
	// AuthData is the nonce for AuthPlugin, without the NUL that closes it on the wire: NonceSize bytes for the
	// password plugins of both families.
	AuthData     []byte
	Capabilities Capability
	Charset      uint8 // the low byte of the server's default collation id
	Status       uint16
	AuthPlugin   string
}

// DecodeGreeting decodes the payload of a server's first packet. A server that turns the client away sends an
// ERR packet in its place: DecodeGreeting then returns that as an error of type *SQLError. The fields of the
// result are copies.
func DecodeGreeting(payload []byte) (g Greeting, err error) {
	if len(payload) == 0 {
		return g, fmt.Errorf("empty greeting: %w", ErrMalformed)
	}
	switch payload[0] {
	case greetingVersion:
	case 0xff:
		refused, err := DecodeErr(payload)
		if err != nil {
			return g, err
		}
		return g, refused
	default:
		return g, fmt.Errorf("greeting of protocol version %d, not %d: %w", payload[0], greetingVersion, ErrMalformed)
	}
	version, n := nulString(payload[1:])
	b := payload[1+n:]
	if n == 0 || len(b) < 4+noncePart1+1+2 {
		return g, fmt.Errorf("greeting cut short: %w", ErrMalformed)
	}
	g.ServerVersion = string(version)
	g.ConnectionID = binary.LittleEndian.Uint32(b)
	part1 := b[4 : 4+noncePart1]
	b = b[4+noncePart1+1:]
	g.Capabilities, b = Capability(binary.LittleEndian.Uint16(b)), b[2:]
	if len(b) == 0 {
		return g, fmt.Errorf("greeting of a server older than 4.1: %w", ErrMalformed)
	}
	if len(b) < 1+2+2+1+10 {
		return g, fmt.Errorf("greeting cut short: %w", ErrMalformed)
	}
	g.Charset, g.Status = b[0], binary.LittleEndian.Uint16(b[1:])
	g.Capabilities |= Capability(binary.LittleEndian.Uint16(b[3:])) << 16
	nonceLen := int(b[5])
	if g.Capabilities&ClientMySQL == 0 {
		g.Capabilities |= Capability(binary.LittleEndian.Uint32(b[12:])) << 32
	}
	if err := g.decodeAuth(part1, nonceLen, b[16:]); err != nil {
		return g, err
	}
	return g, nil
}

// decodeAuth decodes what stands behind the reserved bytes. nonceLen counts the closing NUL.
func (g *Greeting) decodeAuth(part1 []byte, nonceLen int, b []byte) error {
	g.AuthData = append(g.AuthData, part1...)
	if !g.Capabilities.Has(ClientPluginAuth) {
		nonceLen = 0
	}
	if g.Capabilities.Has(ClientSecureConnection) {
		n := max(noncePart2, nonceLen-noncePart1)
		if len(b) < n {
			return fmt.Errorf("greeting cut short in its nonce: %w", ErrMalformed)
		}
		g.AuthData = append(g.AuthData, b[:n-1]...)
		b = b[n:]
	}
	if g.Capabilities.Has(ClientPluginAuth) {
		g.AuthPlugin = nulStringOrRest(b) // MySQL 5.5.7 to 5.5.9 forgot the NUL: bug 59453
	}
	return nil
}

// Append appends the greeting's payload. What Capabilities does not announce is left out: the plugin name
// without ClientPluginAuth, all of AuthData but its first 8 bytes without ClientSecureConnection. ServerVersion
// and AuthPlugin must hold no NUL, AuthData at most 254 bytes.
func (g *Greeting) Append(dst []byte) []byte {
	var nonce [255]byte // one more than copied: the closing NUL
	nonceLen := max(noncePart1+noncePart2, copy(nonce[:254], g.AuthData)+1)
	if !g.Capabilities.Has(ClientPluginAuth) {
		nonceLen = noncePart1 + noncePart2
	}

	dst = append(append(dst, greetingVersion), g.ServerVersion...)
	dst = binary.LittleEndian.AppendUint32(append(dst, 0), g.ConnectionID)
	dst = append(append(dst, nonce[:noncePart1]...), 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(g.Capabilities&0xffff))
	dst = binary.LittleEndian.AppendUint16(append(dst, g.Charset), g.Status)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(g.Capabilities>>16&0xffff))
	if g.Capabilities.Has(ClientPluginAuth) {
		dst = append(dst, byte(nonceLen))
	} else {
		dst = append(dst, 0)
	}
	dst = append(dst, 0, 0, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, g.Capabilities.extended())
	if g.Capabilities.Has(ClientSecureConnection) {
		dst = append(dst, nonce[noncePart1:nonceLen]...)
	}
	if g.Capabilities.Has(ClientPluginAuth) {
		dst = append(append(dst, g.AuthPlugin...), 0)
	}
	return dst
}

// MariaDB reports whether the server is of the MariaDB family. One that announces ClientMySQL (MariaDB before
// 10.2, or one behind a proxy) tells by its version.
func (g *Greeting) MariaDB() bool {
	return g.Capabilities&ClientMySQL == 0 || strings.Contains(strings.ToLower(g.ServerVersion), "mariadb")
}

// extended returns MariaDB's extended capabilities as they stand in bytes that MySQL keeps zero: only an end
// that leaves ClientMySQL unset has any.
func (c Capability) extended() uint32 {
	if c&ClientMySQL != 0 {
		return 0
	}
	return uint32(c >> 32)
}
