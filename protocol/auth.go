package protocol

import "bytes"

// The authentication plugins Weir knows both ends of.
const (
	NativePassword      = "mysql_native_password"
	CachingSha2Password = "caching_sha2_password"
	oldPassword         = "mysql_old_password"
)

// What the two ends of caching_sha2_password tell each other in one byte: the server as AuthMoreData, the client
// as a packet of its own.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
const (
	AuthRequestPublicKey byte = 0x02 // client: send me the key to encrypt the password with
	AuthFastSuccess      byte = 0x03 // server: the scramble was right, an OK packet follows
	AuthFull             byte = 0x04 // server: I need the password itself
)

const (
	authMoreData = 0x01
	authSwitch   = 0xfe
)

// AuthSwitch is a server's request to log in by another plugin, the manual's AuthSwitchRequest.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_auth_switch_request.html
type AuthSwitch struct {
	Plugin string
	// Data is what the plugin begins with: a nonce for the password plugins, without the NUL that closes it
	// on the wire.
	Data []byte
}

// DecodeAuthSwitch decodes the payload of an AuthSwitchRequest. The fields of the result are copies. The form
// that is its first byte alone, from before plugins, asks for mysql_old_password.
func DecodeAuthSwitch(payload []byte) (s AuthSwitch, err error) {
	if len(payload) == 0 || payload[0] != authSwitch {
		return s, ErrMalformed
	}
	if len(payload) == 1 {
		return AuthSwitch{Plugin: oldPassword}, nil
	}
	plugin, n := nulString(payload[1:])
	if n == 0 {
		return s, ErrMalformed
	}
	data := payload[1+n:]
	if len(data) == NonceSize+1 && data[NonceSize] == 0 { // other lengths are binary, and a NUL is theirs
		data = data[:NonceSize]
	}
	return AuthSwitch{string(plugin), bytes.Clone(data)}, nil
}

// Append appends the AuthSwitchRequest's payload. Plugin must hold no NUL.
func (s *AuthSwitch) Append(dst []byte) []byte {
	dst = append(append(append(dst, authSwitch), s.Plugin...), 0)
	dst = append(dst, s.Data...)
	if len(s.Data) == NonceSize {
		dst = append(dst, 0)
	}
	return dst
}

// DecodeAuthMoreData returns what an AuthMoreData packet of the server carries. data lies in payload.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_auth_more_data.html
func DecodeAuthMoreData(payload []byte) (data []byte, err error) {
	if len(payload) == 0 || payload[0] != authMoreData {
		return nil, ErrMalformed
	}
	return payload[1:], nil
}

// AppendAuthMoreData appends the payload of an AuthMoreData packet that carries data.
func AppendAuthMoreData(dst []byte, data ...byte) []byte {
	return append(append(dst, authMoreData), data...)
}
