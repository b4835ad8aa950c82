package pipeline

import (
	"crypto/subtle"
	"fmt"

	"github.com/weirproxy/weir/protocol"
)

// A credential is what a client sent to prove who it is.
type credential struct {
	user     string
	from     peer
	secure   bool   // the connection cannot be listened to, so a clear password may be asked for
	plugin   string // by which response was made
	response []byte
	greeted  string // the plugin that the nonce was first sent for
	nonce    []byte
	plugins  bool // the client knows how to switch plugins
	// do runs what takes long: where authenticate runs on a worker, it does so elsewhere.
	do func(func() error) error
}

// denied is MySQL's answer to a wrong name or password.
func (c *credential) denied() error {
	using := "NO"
	if len(c.response) > 0 {
		using = "YES"
	}
	return &protocol.SQLError{
		Code: protocol.ErAccessDenied, State: "28000",
		Message: fmt.Sprintf("Access denied for user '%s'@'%s' (using password: %s)", c.user, c.from.host(), using),
	}
}

// authenticate finds out whether the client is who it says it is, asking it more where that is needed, and returns
// its account. The last packet, OK or ERR, is the caller's to send. A *protocol.SQLError refuses the client; other
// errors mean that the conversation failed.
func (a *Accounts) authenticate(conn packetConn, c *credential) (*account, error) {
	known := c.plugin == protocol.NativePassword || c.plugin == protocol.CachingSha2Password
	switch {
	case !c.plugins: // the client knows no way to be asked for another
	case !known:
		if err := c.switchTo(conn, c.greeted); err != nil {
			return nil, err
		}
	case len(c.response) == 0 && c.plugin != c.greeted:
		// The client cannot do the plugin it was greeted with, and has not been given a nonce for its own.
		if err := c.switchTo(conn, c.plugin); err != nil {
			return nil, err
		}
	}
	acc := a.find(c.user, c.from)
	password := "" // of no account; compared all the same, so that time tells nothing
	if acc != nil {
		password = acc.password
	}
	right := protocol.VerifyAuthResponse(c.plugin, password, c.nonce, c.response)
	if c.plugin == protocol.CachingSha2Password && len(c.response) > 1 {
		var err error
		if right && acc != nil {
			err = conn.writePacket(protocol.AppendAuthMoreData(nil, protocol.AuthFastSuccess))
		} else {
			right, err = c.full(conn, password)
		}
		if err != nil {
			return nil, err
		}
	}
	if !right || acc == nil {
		return nil, c.denied()
	}
	return acc, nil
}

// switchTo asks the client to log in by another plugin.
func (c *credential) switchTo(conn packetConn, plugin string) error {
	c.plugin, c.nonce = plugin, protocol.NewNonce()
	request := protocol.AuthSwitch{Plugin: plugin, Data: c.nonce}
	if err := conn.writePacket(request.Append(nil)); err != nil {
		return err
	}
	response, err := conn.readPacket()
	if err != nil {
		return err
	}
	c.response = append([]byte(nil), response...)
	return nil
}

// full is caching_sha2_password's full authentication: the client sends the password itself, encrypted where the
// connection could be listened to.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
func (c *credential) full(conn packetConn, password string) (bool, error) {
	if err := conn.writePacket(protocol.AppendAuthMoreData(nil, protocol.AuthFull)); err != nil {
		return false, err
	}
	sent, err := conn.readPacket()
	if err != nil {
		return false, err
	}
	if c.secure {
		return protocol.VerifyClearPassword(password, sent), nil
	}
	if len(sent) == 1 && sent[0] == protocol.AuthRequestPublicKey {
		var pem []byte
		err := c.do(func() error {
			key, err := loginKey()
			if err == nil {
				pem, err = protocol.PublicKeyPEM(&key.PublicKey)
			}
			return err
		})
		if err != nil {
			return false, err
		}
		if err := conn.writePacket(protocol.AppendAuthMoreData(nil, pem...)); err != nil {
			return false, err
		}
		if sent, err = conn.readPacket(); err != nil {
			return false, err
		}
	}
	sentClear := ""
	err = c.do(func() error {
		key, err := loginKey()
		if err == nil {
			sentClear, err = protocol.DecryptPassword(sent, c.nonce, key)
		}
		return err
	})
	return err == nil && subtle.ConstantTimeCompare([]byte(sentClear), []byte(password)) == 1, nil
}

// logIn answers a server's authentication requests until it accepts. It returns the payload of its OK packet, a
// *protocol.SQLError where the server refuses, or another error where the conversation failed.
func logIn(conn packetConn, plugin, password string, nonce []byte, secure bool) (ok []byte, err error) {
	for {
		payload, err := conn.readPacket()
		if err != nil {
			return nil, err
		}
		if len(payload) == 0 {
			return nil, protocol.ErrMalformed
		}
		switch payload[0] {
		case 0x00:
			return append([]byte(nil), payload...), nil
		case 0xff:
			refused, err := protocol.DecodeErr(payload)
			if err != nil {
				return nil, err
			}
			return nil, refused
		case 0xfe:
			request, err := protocol.DecodeAuthSwitch(payload)
			if err != nil {
				return nil, err
			}
			plugin, nonce = request.Plugin, request.Data
			response, known := protocol.AuthResponse(plugin, password, nonce)
			if !known {
				return nil, fmt.Errorf("the server wants authentication plugin %q, and Weir knows only %s and %s",
					plugin, protocol.NativePassword, protocol.CachingSha2Password)
			}
			if err := conn.writePacket(response); err != nil {
				return nil, err
			}
		default:
			data, err := protocol.DecodeAuthMoreData(payload)
			if err != nil {
				return nil, err
			}
			if err := moreData(conn, plugin, password, nonce, secure, data); err != nil {
				return nil, err
			}
		}
	}
}

// moreData answers what a caching_sha2_password server asks for.
func moreData(conn packetConn, plugin, password string, nonce []byte, secure bool, data []byte) error {
	switch {
	case plugin != protocol.CachingSha2Password || len(data) != 1:
		return fmt.Errorf("more data for plugin %q: %w", plugin, protocol.ErrMalformed)
	case data[0] == protocol.AuthFastSuccess:
		return nil
	case data[0] != protocol.AuthFull:
		return fmt.Errorf("caching_sha2_password says 0x%02x: %w", data[0], protocol.ErrMalformed)
	case secure:
		return conn.writePacket(append([]byte(password), 0))
	}
	if err := conn.writePacket([]byte{protocol.AuthRequestPublicKey}); err != nil {
		return err
	}
	payload, err := conn.readPacket()
	if err != nil {
		return err
	}
	if len(payload) > 0 && payload[0] == 0xff {
		refused, err := protocol.DecodeErr(payload)
		if err != nil {
			return err
		}
		return refused
	}
	key, err := protocol.DecodeAuthMoreData(payload)
	if err != nil {
		return err
	}
	encrypted, err := protocol.EncryptPassword(password, nonce, key)
	if err != nil {
		return err
	}
	return conn.writePacket(encrypted)
}
