package protocoltest

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
)

// Dial connects to "host:port", or to a Unix socket whose path begins with a slash. The test's end closes the
// connection.
func Dial(t testing.TB, addr string) *Conn {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	nc, err := net.DialTimeout(network, addr, Timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return NewConn(nc)
}

// ReadGreeting reads the server's greeting into Conn.Greeting. An ERR packet in its place is a *protocol.SQLError.
func ReadGreeting() Step {
	return func(c *Conn) error {
		payload, err := c.ReadPayload()
		if err != nil {
			return fmt.Errorf("greeting: %w", err)
		}
		if c.Greeting, err = protocol.DecodeGreeting(payload); err != nil {
			return err
		}
		c.plugin, c.nonce = c.Greeting.AuthPlugin, c.Greeting.AuthData
		return nil
	}
}

// Login reads the greeting and logs in, as a client that knows all that the greetings of this package announce.
func Login(user, password string) Step {
	return LoginAs(protocol.Login{
		User: user, Capabilities: family | protocol.ClientMySQL, MaxPacket: 1 << 24, Collation: 45,
		ConnectAttrs: []byte("\x0c_client_name\x0cprotocoltest"),
	}, password)
}

// LoginAs is Login as any client: l.Capabilities the greeting lacks are left out, and l.AuthPlugin and
// l.AuthResponse are filled in unless l names a plugin. It follows the server to other plugins. A refusal is a
// *protocol.SQLError.
func LoginAs(l protocol.Login, password string) Step {
	return Script(ReadGreeting(), SendLogin(l, password), FinishLogin(password))
}

// SendLogin sends the login of LoginAs to a server whose greeting has been read, and does not wait for an answer.
func SendLogin(l protocol.Login, password string) Step {
	return func(c *Conn) error {
		const mariaDBOnly = protocol.Capability(0xffffffff) << 32
		announced := c.Greeting.Capabilities | protocol.ClientMySQL
		if l.Capabilities&protocol.ClientMySQL != 0 {
			announced &^= mariaDBOnly
		}
		l.Capabilities &= announced
		c.Login, c.Caps = l, l.Capabilities&c.Greeting.Capabilities
		if l.AuthPlugin == "" {
			c.Login.AuthPlugin = c.plugin
			response, ok := protocol.AuthResponse(c.plugin, password, c.nonce)
			if !ok {
				return fmt.Errorf("greeting by plugin %q", c.plugin)
			}
			c.Login.AuthResponse = response
		}
		c.plugin = c.Login.AuthPlugin
		return c.WritePacket(c.Seq, c.Login.Append(nil))
	}
}

// FinishLogin goes on after a login or COM_CHANGE_USER until the server accepts it or refuses.
func FinishLogin(password string) Step {
	return func(c *Conn) error {
		for {
			payload, err := c.ReadPayload()
			if err != nil {
				return fmt.Errorf("answer to login: %w", err)
			}
			if len(payload) == 0 {
				return errors.New("answer to login is empty")
			}
			var answer []byte
			switch payload[0] {
			case 0x00:
				return nil
			case 0x01:
				answer, err = c.moreAuth(payload, password)
			case 0xfe:
				answer, err = c.switchAuth(payload, password)
			case 0xff:
				return sqlError(payload)
			default:
				return fmt.Errorf("answer to login is % x", payload)
			}
			if err != nil {
				return err
			}
			if answer == nil { // fast authentication: an OK packet follows
				continue
			}
			if err := c.WritePacket(c.Seq, answer); err != nil {
				return err
			}
		}
	}
}

// switchAuth returns the answer to an AuthSwitchRequest, never nil: an empty password is an empty packet.
func (c *Conn) switchAuth(payload []byte, password string) ([]byte, error) {
	s, err := protocol.DecodeAuthSwitch(payload)
	if err != nil {
		return nil, err
	}
	c.plugin, c.nonce = s.Plugin, s.Data
	response, ok := protocol.AuthResponse(c.plugin, password, c.nonce)
	if !ok {
		return nil, fmt.Errorf("switch to plugin %q", c.plugin)
	}
	return append([]byte{}, response...), nil
}

// moreAuth returns the answer to an AuthMoreData packet, nil where none is expected.
func (c *Conn) moreAuth(payload []byte, password string) ([]byte, error) {
	data, err := protocol.DecodeAuthMoreData(payload)
	if err != nil {
		return nil, err
	}
	switch {
	case len(data) == 1 && data[0] == protocol.AuthFastSuccess:
		return nil, nil
	case len(data) == 1 && data[0] == protocol.AuthFull:
		return []byte{protocol.AuthRequestPublicKey}, nil
	}
	return protocol.EncryptPassword(password, c.nonce, data)
}

// Send sends a command and does not wait for its reply: that is also how a client pipelines.
func Send(com byte, rest string) Step {
	return func(c *Conn) error { return c.WritePacket(0, append([]byte{com}, rest...)) }
}

// Query sends a COM_QUERY, without attributes.
func Query(text string) Step {
	return func(c *Conn) error {
		if c.Caps.Has(protocol.ClientQueryAttributes) {
			text = "\x00\x01" + text
		}
		return Send(protocol.ComQuery, text)(c)
	}
}
