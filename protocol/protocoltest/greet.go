package protocoltest

import (
	"crypto/rsa"
	"fmt"

	"github.com/weirproxy/weir/protocol"
)

const family = protocol.ClientFoundRows | protocol.ClientLongFlag | protocol.ClientConnectWithDB |
	protocol.ClientLocalFiles | protocol.ClientProtocol41 | protocol.ClientTransactions |
	protocol.ClientSecureConnection | protocol.ClientMultiStatements | protocol.ClientMultiResults |
	protocol.ClientPSMultiResults | protocol.ClientPluginAuth | protocol.ClientConnectAttrs |
	protocol.ClientPluginAuthLenencClientData | protocol.ClientSessionTrack | protocol.ClientDeprecateEOF

// MariaDB returns a greeting like one of MariaDB 10.11, by mysql_native_password.
func MariaDB() protocol.Greeting {
	return protocol.Greeting{
		ServerVersion: "5.5.5-10.11.19-MariaDB", ConnectionID: 7, AuthData: protocol.NewNonce(),
		Capabilities: family | protocol.MariaDBClientProgress | protocol.MariaDBClientStmtBulkOperations |
			protocol.MariaDBClientExtendedMetadata | protocol.MariaDBClientCacheMetadata,
		Charset: 45, Status: protocol.StatusAutocommit, AuthPlugin: protocol.NativePassword,
	}
}

// MySQL returns a greeting like one of MySQL 9, by caching_sha2_password.
func MySQL() protocol.Greeting {
	return protocol.Greeting{
		ServerVersion: "9.7.0", ConnectionID: 8, AuthData: protocol.NewNonce(),
		Capabilities: family | protocol.ClientMySQL | protocol.ClientOptionalResultsetMetadata |
			protocol.ClientQueryAttributes,
		Charset: 255, Status: protocol.StatusAutocommit, AuthPlugin: protocol.CachingSha2Password,
	}
}

// Greet sends a greeting.
func Greet(g protocol.Greeting) Step {
	return func(c *Conn) error {
		c.Greeting, c.plugin, c.nonce = g, g.AuthPlugin, g.AuthData
		return c.WritePacket(0, g.Append(nil))
	}
}

// ReadLogin reads the client's login into Conn.Login.
func ReadLogin() Step {
	return func(c *Conn) error {
		payload, err := c.ReadPayload()
		if err != nil {
			return fmt.Errorf("login: %w", err)
		}
		if c.Login, err = protocol.DecodeLogin(payload); err != nil {
			return err
		}
		c.Caps = c.Login.Capabilities & c.Greeting.Capabilities
		c.response = c.Login.AuthResponse
		return nil
	}
}

// AcceptLogin reads a login and accepts it whoever it is.
func AcceptLogin() Step {
	return Script(ReadLogin(), ReplyOK(protocol.OK{Status: protocol.StatusAutocommit}))
}

// CheckLogin reads a login and accepts it from the user with the password, by the plugin of the greeting; a client
// that began with another one is made to switch. A wrong user or password is an error of the script.
func CheckLogin(user, password string) Step {
	return func(c *Conn) error {
		steps := []Step{ReadLogin(), checkUser(user)}
		if err := Script(steps...)(c); err != nil {
			return err
		}
		steps = steps[:0]
		if c.Login.AuthPlugin != c.plugin {
			steps = append(steps, SwitchAuth(c.plugin))
		}
		steps = append(steps, checkResponse(password))
		if c.plugin == protocol.CachingSha2Password && password != "" {
			steps = append(steps, Reply(protocol.AppendAuthMoreData(nil, protocol.AuthFastSuccess)))
		}
		return Script(append(steps, ReplyOK(protocol.OK{Status: protocol.StatusAutocommit}))...)(c)
	}
}

func checkUser(user string) Step {
	return func(c *Conn) error {
		if c.Login.User != user {
			return fmt.Errorf("login of %q, not of %q", c.Login.User, user)
		}
		return nil
	}
}

func checkResponse(password string) Step {
	return func(c *Conn) error {
		if !protocol.VerifyAuthResponse(c.plugin, password, c.nonce, c.response) {
			return fmt.Errorf("wrong password of %q by %s", c.Login.User, c.plugin)
		}
		return nil
	}
}

// SwitchAuth makes a client whose login has been read begin again by another plugin.
func SwitchAuth(plugin string) Step {
	return func(c *Conn) (err error) {
		c.plugin, c.nonce = plugin, protocol.NewNonce()
		s := protocol.AuthSwitch{Plugin: plugin, Data: c.nonce}
		if err := c.WritePacket(c.Seq, s.Append(nil)); err != nil {
			return err
		}
		c.response, err = c.ReadPayload()
		return err
	}
}

// FullAuth asks a client whose login has been read for the password itself, by caching_sha2_password, gives it
// key when asked for one, and accepts it if the password is right. A wrong one is an error of the script.
func FullAuth(password string, key *rsa.PrivateKey) Step {
	return func(c *Conn) error {
		if err := c.WritePacket(c.Seq, protocol.AppendAuthMoreData(nil, protocol.AuthFull)); err != nil {
			return err
		}
		sent, err := c.ReadPayload()
		if err != nil {
			return err
		}
		if len(sent) == 1 && sent[0] == protocol.AuthRequestPublicKey {
			pem, err := protocol.PublicKeyPEM(&key.PublicKey)
			if err != nil {
				return err
			}
			if err := c.WritePacket(c.Seq, protocol.AppendAuthMoreData(nil, pem...)); err != nil {
				return err
			}
			if sent, err = c.ReadPayload(); err != nil {
				return err
			}
		}
		got, err := protocol.DecryptPassword(sent, c.nonce, key)
		if err != nil {
			return err
		}
		if got != password {
			return fmt.Errorf("password is %q, not %q", got, password)
		}
		return ReplyOK(protocol.OK{Status: protocol.StatusAutocommit})(c)
	}
}
