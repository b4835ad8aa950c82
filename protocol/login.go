package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// loginHead is the length of the fixed part of a login, and all of an SSLRequest: capabilities, packet size,
// collation and 23 bytes of filler, whose last four are MariaDB's extended capabilities.
const loginHead = 4 + 4 + 1 + 19 + 4

// Login is a client's answer to a Greeting, the manual's HandshakeResponse41.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html
// and https://mariadb.com/kb/en/connection/#client-handshake-response.
type Login struct {
	Capabilities Capability
	MaxPacket    uint32
	Collation    uint8 // its low byte is all that the packet has room for
	User         string
	AuthResponse []byte
	Schema       string // with ClientConnectWithDB
	AuthPlugin   string // with ClientPluginAuth
	// ConnectAttrs holds the connection attributes, as sent but without the total length in front. Walk
	// them with NextAttr. With ClientConnectAttrs.
	ConnectAttrs []byte
	ZstdLevel    byte // with ClientZstdCompression
}

// DecodeLogin decodes the payload of a login. The fields of the result are copies. What stands at the end is
// taken as empty where a client announces it and leaves it out: servers do the same.
func DecodeLogin(payload []byte) (l Login, err error) {
	if len(payload) < loginHead {
		if len(payload) >= 2 && !Capability(payload[1]).Has(ClientProtocol41>>8) {
			return l, fmt.Errorf("login of a client older than 4.1: %w", ErrMalformed)
		}
		return l, fmt.Errorf("login cut short: %w", ErrMalformed)
	}
	l.decodeHead(payload)
	if !l.Capabilities.Has(ClientProtocol41) {
		return l, fmt.Errorf("login of a client older than 4.1: %w", ErrMalformed)
	}
	b := payload[loginHead:]
	user, n := nulString(b)
	if n == 0 {
		return l, fmt.Errorf("login without a whole user name: %w", ErrMalformed)
	}
	b = b[n:]
	response, n := l.authResponse(b)
	if n == 0 {
		return l, fmt.Errorf("login without a whole auth response: %w", ErrMalformed)
	}
	b = b[n:]
	l.User, l.AuthResponse = string(user), bytes.Clone(response)
	if l.Capabilities.Has(ClientConnectWithDB) {
		schema, n := nulString(b)
		if n == 0 && len(b) > 0 {
			return l, fmt.Errorf("login without a whole schema name: %w", ErrMalformed)
		}
		l.Schema, b = string(schema), b[n:]
	}
	if l.Capabilities.Has(ClientPluginAuth) {
		l.AuthPlugin = nulStringOrRest(b)
		b = b[min(len(l.AuthPlugin)+1, len(b)):]
	}
	if l.Capabilities.Has(ClientConnectAttrs) && len(b) > 0 {
		attrs, n := LenencString(b)
		if n == 0 {
			return l, fmt.Errorf("login without whole connection attributes: %w", ErrMalformed)
		}
		l.ConnectAttrs, b = bytes.Clone(attrs), b[n:]
	}
	if l.Capabilities.Has(ClientZstdCompression) && len(b) > 0 {
		l.ZstdLevel = b[0]
	}
	return l, nil
}

func (l *Login) decodeHead(b []byte) {
	l.Capabilities = Capability(binary.LittleEndian.Uint32(b))
	l.MaxPacket, l.Collation = binary.LittleEndian.Uint32(b[4:]), b[8]
	if l.Capabilities&ClientMySQL == 0 {
		l.Capabilities |= Capability(binary.LittleEndian.Uint32(b[28:])) << 32
	}
}

// authResponse cuts the auth response in the form the capabilities say. n counts its length or its NUL too.
func (l *Login) authResponse(b []byte) (response []byte, n int) {
	switch {
	case l.Capabilities.Has(ClientPluginAuthLenencClientData):
		return LenencString(b)
	case l.Capabilities.Has(ClientSecureConnection):
		return shortString(b)
	}
	return nulString(b)
}

// Append appends the login's payload. Capabilities decide which fields it holds and in which form. Strings must
// hold no NUL, and AuthResponse at most 255 bytes without ClientPluginAuthLenencClientData, and no NUL without
// ClientSecureConnection either.
func (l *Login) Append(dst []byte) []byte {
	dst = append(append(l.AppendSSLRequest(dst), l.User...), 0)
	switch {
	case l.Capabilities.Has(ClientPluginAuthLenencClientData):
		dst = AppendLenencString(dst, l.AuthResponse)
	case l.Capabilities.Has(ClientSecureConnection):
		dst = appendShortString(dst, l.AuthResponse)
	default:
		dst = append(append(dst, l.AuthResponse...), 0)
	}
	if l.Capabilities.Has(ClientConnectWithDB) {
		dst = append(append(dst, l.Schema...), 0)
	}
	if l.Capabilities.Has(ClientPluginAuth) {
		dst = append(append(dst, l.AuthPlugin...), 0)
	}
	if l.Capabilities.Has(ClientConnectAttrs) {
		dst = AppendLenencString(dst, l.ConnectAttrs)
	}
	if l.Capabilities.Has(ClientZstdCompression) {
		dst = append(dst, l.ZstdLevel)
	}
	return dst
}

// IsSSLRequest reports whether the payload is a client's request to go on in TLS: the fixed part of a login
// alone, after which the same login comes whole, encrypted.
func IsSSLRequest(payload []byte) bool {
	return len(payload) == loginHead && Capability(binary.LittleEndian.Uint32(payload)).Has(ClientProtocol41|ClientSSL)
}

// AppendSSLRequest appends the payload of the SSLRequest that goes before the login. Capabilities must include
// ClientSSL.
func (l *Login) AppendSSLRequest(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(l.Capabilities&0xffffffff))
	dst = binary.LittleEndian.AppendUint32(dst, l.MaxPacket)
	dst = append(dst, l.Collation)
	dst = append(dst, make([]byte, 19)...)
	return binary.LittleEndian.AppendUint32(dst, l.Capabilities.extended())
}

// NextAttr cuts the first attribute from Login.ConnectAttrs (or from what an earlier call left of it). All three
// slices lie in attrs. It returns ErrMalformed where attrs does not hold a whole one; callers stop at an empty
// rest.
func NextAttr(attrs []byte) (key, value, rest []byte, err error) {
	key, n := LenencString(attrs)
	if n == 0 {
		return nil, nil, nil, ErrMalformed
	}
	rest = attrs[n:]
	if value, n = LenencString(rest); n == 0 {
		return nil, nil, nil, ErrMalformed
	}
	return key, value, rest[n:], nil
}
