package pipeline_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
)

// refused expects an ERR packet in place of whatever the server would say next, and then the end.
func refused(code uint16, message string) pt.Step {
	return pt.Script(pt.ExpectError(code, message), pt.ExpectClosed())
}

func TestLoginRefused(t *testing.T) {
	srv := serving(t, pipelinetest.AnswerOK())
	r := run(t, srv.Addr, pipelinetest.Options{Users: []pipeline.UserConfig{
		user("app", "secret"), user("nobody", ""), {Name: "far", Host: "10.%", Password: "secret"},
	}})
	login := func(user, plugin, password string) pt.Step {
		return func(c *pt.Conn) error {
			if err := pt.ReadGreeting()(c); err != nil {
				return err
			}
			l := protocol.Login{
				User: user, Capabilities: c.Greeting.Capabilities | protocol.ClientMySQL, AuthPlugin: plugin,
			}
			l.Capabilities &^= protocol.ClientConnectAttrs
			l.AuthResponse, _ = protocol.AuthResponse(plugin, password, c.Greeting.AuthData)
			return c.WritePacket(c.Seq, l.Append(nil))
		}
	}
	const native = protocol.NativePassword
	cases := map[string]struct {
		user, password string
		using          string
	}{
		"wrong password":        {"app", "wrong", "YES"},
		"no password":           {"app", "", "NO"},
		"a password too many":   {"nobody", "x", "YES"},
		"unknown user":          {"mallory", "secret", "YES"},
		"unknown user, none":    {"mallory", "", "NO"},
		"user of another host":  {"far", "secret", "YES"},
		"the empty user":        {"", "secret", "YES"},
		"the empty user, empty": {"", "", "NO"},
	}
	for name, l := range cases {
		t.Run(name, func(t *testing.T) {
			pt.Dial(t, r.Addr).Run(t, login(l.user, native, l.password), refused(1045, fmt.Sprintf(
				"Access denied for user '%s'@'127.0.0.1' (using password: %s)", l.user, l.using)))
		})
	}
	t.Run("wrong password by caching_sha2_password", func(t *testing.T) {
		c := pt.Dial(t, r.Addr)
		c.Run(t, login("app", protocol.CachingSha2Password, "wrong"), pt.Expect([]byte{1, protocol.AuthFull}))
		c.Run(t, pt.Reply([]byte{protocol.AuthRequestPublicKey}), func(c *pt.Conn) error {
			pem, err := c.ReadPayload()
			if err != nil {
				return err
			}
			sent, err := protocol.EncryptPassword("wrong", c.Greeting.AuthData, pem[1:])
			if err != nil {
				return err
			}
			return pt.Reply(sent)(c)
		}, pt.ExpectError(1045), pt.ExpectClosed())
	})
	t.Run("rubbish in full authentication", func(t *testing.T) {
		c := pt.Dial(t, r.Addr)
		c.Run(t, login("app", protocol.CachingSha2Password, "wrong"), pt.Expect([]byte{1, protocol.AuthFull}),
			pt.Reply([]byte("secret\x00")), pt.ExpectError(1045), pt.ExpectClosed())
	})
	if n := srv.Accepted(); n != 1 {
		t.Errorf("%d connections to the server for clients that were refused", n-1)
	}
}

func TestBadLogin(t *testing.T) {
	srv := serving(t, pipelinetest.AnswerOK())
	r := run(t, srv.Addr, pipelinetest.Options{Listener: func(c *pipeline.ListenerConfig) { c.LoginTimeout = 500 * time.Millisecond }})
	badHandshake := refused(1043, "Bad handshake")
	cases := map[string][]pt.Step{
		"garbage":             {pt.Lie(30, []byte("GET / HTTP/1.1\r\nHost: example")), pt.ExpectClosed()},
		"an HTTP request":     {pt.Raw([]byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")), pt.ExpectError(1156), pt.ExpectClosed()},
		"short":               {pt.Packet(1, []byte{1, 2, 3}), badHandshake},
		"empty":               {pt.Packet(1, nil), badHandshake},
		"random":              {pt.Packet(1, []byte(strings.Repeat("\xff\x00\x81", 50))), badHandshake},
		"too long":            {pt.Lie(1<<24-2, nil), badHandshake},
		"TLS where none is":   {pt.Packet(1, append([]byte{0x00, 0x8a, 0x0f, 0}, make([]byte, 28)...)), badHandshake},
		"older than 4.1":      {pt.Packet(1, []byte("\x05\x00\x00\x00\x00user\x00")), badHandshake},
		"half, then silence":  {pt.Lie(100, []byte("half")), pt.ExpectClosed()},
		"silence":             {pt.ExpectClosed()},
		"wrong number":        {pt.Packet(7, make([]byte, 40)), func(c *pt.Conn) error { c.Seq = 8; return nil }, refused(1156, "Got packets out of order")},
		"gone at once":        {pt.Close()},
		"gone inside a login": {pt.CloseInside(make([]byte, 100), 50)},
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			c := pt.Dial(t, r.Addr)
			c.Run(t, pt.ReadGreeting())
			if name == "an HTTP request" {
				c.Seq = 'T' + 1 // its fourth byte stands where the number does
				c.Seq = ' ' + 1
			}
			c.Run(t, steps...)
		})
	}
	r.Session().Run(t, pt.Query("still there"), pt.ExpectOK())
	r.AwaitLog("login took too long")
}

// TestLoginPlugins logs in at both ends by every way there is.
func TestLoginPlugins(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	servers := map[string]struct {
		greeting protocol.Greeting
		login    []pt.Step
	}{
		"native":        {pt.MariaDB(), []pt.Step{pt.CheckLogin("app", "secret")}},
		"sha2, fast":    {pt.MySQL(), []pt.Step{pt.CheckLogin("app", "secret")}},
		"sha2, full":    {pt.MySQL(), []pt.Step{pt.ReadLogin(), pt.FullAuth("secret", key)}},
		"switch, sha2":  {pt.MariaDB(), []pt.Step{pt.ReadLogin(), pt.SwitchAuth(protocol.CachingSha2Password), pt.FullAuth("secret", key)}},
		"unknown first": {withPlugin(pt.MariaDB(), "client_ed25519"), []pt.Step{pt.ReadLogin(), pt.SwitchAuth(protocol.NativePassword), pt.ReplyOK(protocol.OK{})}},
	}
	for name, s := range servers {
		t.Run("server "+name, func(t *testing.T) {
			srv := pt.NewServer(t, func(n int) []pt.Step {
				if n == 0 {
					return []pt.Step{pt.Greet(s.greeting), pt.ExpectClosed()}
				}
				return append(append([]pt.Step{pt.Greet(s.greeting)}, s.login...), pipelinetest.AnswerOK())
			})
			run(t, srv.Addr, pipelinetest.Options{}).Session().Run(t, pt.Query("x"), pt.ExpectOK())
		})
	}
	t.Run("server wants a plugin that Weir does not know", func(t *testing.T) {
		srv := pt.NewServer(t, func(n int) []pt.Step {
			if n == 0 {
				return []pt.Step{pt.Greet(pt.MariaDB()), pt.ExpectClosed()}
			}
			return []pt.Step{pt.Greet(pt.MariaDB()), pt.ReadLogin(), pt.Reply((&protocol.AuthSwitch{Plugin: "dialog"}).Append(nil)), pt.ExpectClosed()}
		})
		err := pt.Login("app", "secret")(pt.Dial(t, run(t, srv.Addr, pipelinetest.Options{}).Addr))
		if err == nil || !strings.Contains(err.Error(), `"dialog"`) {
			t.Errorf("the client is told %v", err)
		}
	})
	t.Run("client's own plugin", func(t *testing.T) {
		srv := pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK())
		addr := run(t, srv.Addr, pipelinetest.Options{}).Addr
		for _, l := range []protocol.Login{
			{AuthPlugin: protocol.CachingSha2Password}, // no response: it was greeted for the other
			{AuthPlugin: "dialog", AuthResponse: []byte("whatever")},
		} {
			l.User, l.Capabilities = "app", 1<<32-1&^protocol.ClientSSL&^protocol.ClientConnectWithDB
			pt.Dial(t, addr).Run(t, pt.LoginAs(l, "secret"), pt.Query("x"), pt.ExpectOK())
		}
	})
	t.Run("client, full authentication", func(t *testing.T) {
		srv := pipelinetest.Backend(t, pt.MySQL(), pipelinetest.AnswerOK())
		c := pt.Dial(t, run(t, srv.Addr, pipelinetest.Options{}).Addr)
		// A response that is wrong, and a right password afterwards: as after a change of password.
		c.Run(t, pt.LoginAs(protocol.Login{
			User: "app", Capabilities: 1<<32 - 1&^protocol.ClientSSL&^protocol.ClientConnectWithDB,
			AuthPlugin: protocol.CachingSha2Password, AuthResponse: make([]byte, 32),
		}, "secret"), pt.Query("x"), pt.ExpectOK())
	})
	t.Run("empty password", func(t *testing.T) {
		for _, g := range []protocol.Greeting{pt.MariaDB(), pt.MySQL()} {
			srv := pipelinetest.Backend(t, g, pipelinetest.AnswerOK())
			pt.Dial(t, run(t, srv.Addr, pipelinetest.Options{}).Addr).Run(t, pt.Login("nobody", ""), pt.Query("x"), pt.ExpectOK())
		}
	})
}

func withPlugin(g protocol.Greeting, plugin string) protocol.Greeting {
	g.AuthPlugin = plugin
	return g
}

// TestCapabilities: what the client gets is what it, Weir and the server can do, and the server is logged in to with
// just that.
func TestCapabilities(t *testing.T) {
	got := make(chan *pt.Conn, 1)
	g := pt.MariaDB()
	g.Capabilities |= protocol.ClientCompress | protocol.ClientSSL | protocol.MariaDBClientBulkUnitResults
	srv := pipelinetest.Backend(t, g, func(c *pt.Conn) error { got <- c; return nil }, pipelinetest.AnswerOK())
	c := pt.Dial(t, run(t, srv.Addr, pipelinetest.Options{}).Addr)
	c.Run(t, pt.ReadGreeting())
	if extra := c.Greeting.Capabilities & (protocol.ClientCompress | protocol.ClientSSL); extra != 0 {
		t.Errorf("the client is offered %v", extra)
	}
	if !c.Greeting.Capabilities.Has(protocol.MariaDBClientBulkUnitResults | protocol.MariaDBClientProgress) {
		t.Errorf("the client is not offered all: %v", c.Greeting.Capabilities)
	}
	if c.Greeting.ConnectionID < 1<<31 {
		t.Errorf("connection id %d could be a server's", c.Greeting.ConnectionID)
	}
	c.Run(t, pt.SendLogin(protocol.Login{
		User: "app", Schema: "shop", Collation: 33, MaxPacket: 12345, ConnectAttrs: []byte("\x01k\x01v"),
		Capabilities: protocol.ClientProtocol41 | protocol.ClientSecureConnection | protocol.ClientPluginAuth |
			protocol.ClientConnectWithDB | protocol.ClientConnectAttrs | protocol.MariaDBClientProgress |
			protocol.ClientFoundRows | protocol.ClientTransactions,
	}, "secret"), pt.FinishLogin("secret"))
	l := (<-got).Login
	if l.Schema != "shop" || l.Collation != 33 || l.MaxPacket != 12345 || string(l.ConnectAttrs) != "\x01k\x01v" {
		t.Errorf("the server is logged in to as %+v", l)
	}
	wanted := protocol.MariaDBClientProgress | protocol.ClientFoundRows | protocol.ClientConnectAttrs
	if !l.Capabilities.Has(wanted) {
		t.Errorf("capabilities %v are missing", wanted&^l.Capabilities)
	}
	if extra := l.Capabilities & (protocol.ClientDeprecateEOF | protocol.ClientSessionTrack |
		protocol.MariaDBClientCacheMetadata | protocol.ClientCompress | protocol.ClientSSL); extra != 0 {
		t.Errorf("the server would answer by %v, which the client does not know", extra)
	}
}

func TestNoServer(t *testing.T) {
	t.Run("nobody there", func(t *testing.T) {
		err := pt.Login("app", "secret")(pt.Dial(t, run(t, freeAddress(t), pipelinetest.Options{}).Addr))
		if err == nil || !strings.Contains(err.Error(), "ERROR 1429 (08001): Can't connect to any server") ||
			!strings.Contains(err.Error(), "db1") {
			t.Errorf("the client is told %v", err)
		}
	})
	t.Run("too many connections", func(t *testing.T) {
		srv := pt.NewServer(t, func(int) []pt.Step {
			return []pt.Step{pt.Packet(0, (&protocol.SQLError{Code: 1040, Message: "Too many connections"}).Append(nil))}
		})
		pt.Dial(t, run(t, srv.Addr, pipelinetest.Options{}).Addr).Run(t, pt.ExpectError(1040, "Too many connections"))
	})
	t.Run("the server refuses the user", func(t *testing.T) {
		srv := pt.NewServer(t, func(n int) []pt.Step {
			if n == 0 {
				return []pt.Step{pt.Greet(pt.MariaDB()), pt.ExpectClosed()}
			}
			return []pt.Step{pt.Greet(pt.MariaDB()), pt.ReadLogin(), pt.ReplyError(1049, "42000", "Unknown database 'x'")}
		})
		c := pt.Dial(t, run(t, srv.Addr, pipelinetest.Options{}).Addr)
		err := pt.Login("app", "secret")(c)
		if err == nil || !strings.Contains(err.Error(), "ERROR 1049 (42000): Unknown database 'x'") {
			t.Errorf("the client is told %v", err)
		}
	})
	t.Run("rubbish for a greeting", func(t *testing.T) {
		srv := pt.NewServer(t, func(int) []pt.Step { return []pt.Step{pt.Raw([]byte("SSH-2.0-OpenSSH_9.2p1\r\n"))} })
		c := pt.Dial(t, run(t, srv.Addr, pipelinetest.Options{}).Addr)
		if err := pt.ReadGreeting()(c); err == nil || !strings.Contains(err.Error(), "db1") {
			t.Errorf("the client is told %v", err)
		}
	})
}

func TestMaxConnections(t *testing.T) {
	srv := serving(t, pipelinetest.AnswerOK())
	r := run(t, srv.Addr, pipelinetest.Options{Listener: func(c *pipeline.ListenerConfig) { c.MaxConnections = 2 }})
	first := r.Session()
	r.Session()
	pt.Dial(t, r.Addr).Run(t, refused(1040, "Too many connections"))
	_ = first.Close()
	err := errors.New("not tried")
	pipelinetest.Eventually(t, func() bool {
		c := pt.Dial(t, r.Addr)
		if err = pt.Login("app", "secret")(c); err != nil {
			_ = c.Close()
		}
		return err == nil
	}, func() string { return "a client that has left is still counted: " + err.Error() + r.Log.String() })
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.sock")
	// A socket that nobody listens on any more is replaced.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	srv := serving(t, pipelinetest.AnswerOK())
	run(t, srv.Addr, pipelinetest.Options{
		Listener: func(c *pipeline.ListenerConfig) { c.Address, c.Socket, c.SocketMode = "", path, "0600" },
		Users:    []pipeline.UserConfig{{Name: "app", Host: "localhost", Password: "secret"}},
	})
	pt.Dial(t, path).Run(t, pt.Login("app", "secret"), pt.Query("x"), pt.ExpectOK())
}
