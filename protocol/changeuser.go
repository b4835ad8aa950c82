package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// ChangeUser is a COM_CHANGE_USER: a login in a session that already has one.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html
type ChangeUser struct {
	User         string
	AuthResponse []byte
	Schema       string
	Collation    uint16 // 0 where the client left it out
	AuthPlugin   string // with ClientPluginAuth
	ConnectAttrs []byte // with ClientConnectAttrs; see Login
}

// DecodeChangeUser decodes the payload of a COM_CHANGE_USER, command code included. caps are the capabilities
// both ends agreed on at login. The fields of the result are copies.
func DecodeChangeUser(payload []byte, caps Capability) (c ChangeUser, err error) {
	if len(payload) == 0 || payload[0] != ComChangeUser {
		return c, ErrMalformed
	}
	user, n := nulString(payload[1:])
	if n == 0 {
		return c, fmt.Errorf("change of user without a whole user name: %w", ErrMalformed)
	}
	b := payload[1+n:]
	cut := nulString
	if caps.Has(ClientSecureConnection) { // one byte of length, even with CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
		cut = shortString
	}
	response, n := cut(b)
	if n == 0 {
		return c, fmt.Errorf("change of user without a whole auth response: %w", ErrMalformed)
	}
	b = b[n:]
	schema, n := nulString(b)
	if n == 0 {
		return c, fmt.Errorf("change of user without a whole schema name: %w", ErrMalformed)
	}
	b = b[n:]
	c.User, c.AuthResponse, c.Schema = string(user), bytes.Clone(response), string(schema)
	if len(b) < 2 {
		return c, nil
	}
	c.Collation, b = binary.LittleEndian.Uint16(b), b[2:]
	if caps.Has(ClientPluginAuth) {
		c.AuthPlugin = nulStringOrRest(b)
		b = b[min(len(c.AuthPlugin)+1, len(b)):]
	}
	if caps.Has(ClientConnectAttrs) && len(b) > 0 {
		attrs, n := LenencString(b)
		if n == 0 {
			return c, fmt.Errorf("change of user without whole connection attributes: %w", ErrMalformed)
		}
		c.ConnectAttrs = bytes.Clone(attrs)
	}
	return c, nil
}

// Append appends the payload, command code included, for ends that agreed on caps. What is said of Login.Append
// holds for the fields; AuthResponse has at most 255 bytes.
func (c *ChangeUser) Append(dst []byte, caps Capability) []byte {
	dst = append(append(append(dst, ComChangeUser), c.User...), 0)
	if caps.Has(ClientSecureConnection) {
		dst = appendShortString(dst, c.AuthResponse)
	} else {
		dst = append(append(dst, c.AuthResponse...), 0)
	}
	dst = append(append(dst, c.Schema...), 0)
	dst = binary.LittleEndian.AppendUint16(dst, c.Collation)
	if caps.Has(ClientPluginAuth) {
		dst = append(append(dst, c.AuthPlugin...), 0)
	}
	if caps.Has(ClientConnectAttrs) {
		dst = AppendLenencString(dst, c.ConnectAttrs)
	}
	return dst
}
