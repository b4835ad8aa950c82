package protocoltest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
)

// forever makes every connection play the same steps.
func forever(steps ...Step) func(int) []Step { return func(int) []Step { return steps } }

func TestLogin(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, password string
		server         []Step
	}{
		{"native", "secret", []Step{Greet(MariaDB()), CheckLogin("app", "secret")}},
		{"native, no password", "", []Step{Greet(MariaDB()), CheckLogin("app", "")}},
		{"caching_sha2", "secret", []Step{Greet(MySQL()), CheckLogin("app", "secret")}},
		{"caching_sha2, no password", "", []Step{Greet(MySQL()), CheckLogin("app", "")}},
		{"caching_sha2 in full", "secret", []Step{Greet(MySQL()), ReadLogin(), FullAuth("secret", key)}},
		{"switch to native", "secret", []Step{
			Greet(MySQL()), ReadLogin(), SwitchAuth(protocol.NativePassword), ReplyOK(protocol.OK{}),
		}},
		{"switch to caching_sha2 in full", "secret", []Step{
			Greet(MariaDB()), ReadLogin(), SwitchAuth(protocol.CachingSha2Password), FullAuth("secret", key),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := NewServer(t, forever(append(tt.server,
				ExpectQuery("SELECT 1"), ReplyRows([]string{"a", "b"}, []string{"1", ""}, []string{"2", "x"}),
				ExpectCommand(protocol.ComPing), ReplyOK(protocol.OK{}),
				ExpectCommand(protocol.ComInitDB, "nope"), ReplyError(1049, "42000", "Unknown database 'nope'"),
				ExpectCommand(protocol.ComQuit))...))
			Dial(t, server.Addr).Run(t, Login("app", tt.password),
				Query("SELECT 1"), ExpectRows([]string{"1", ""}, []string{"2", "x"}),
				Send(protocol.ComPing, ""), ExpectOK(),
				Send(protocol.ComInitDB, "nope"), ExpectError(1049, "Unknown database 'nope'"),
				Send(protocol.ComQuit, ""), ExpectClosed())
			server.Wait(1)
		})
	}
}

// TestCapabilities reads a result set in every form that capabilities give it.
func TestCapabilities(t *testing.T) {
	const old = protocol.ClientProtocol41 | protocol.ClientSecureConnection | protocol.ClientPluginAuth
	for _, tt := range []struct {
		greeting protocol.Greeting
		caps     protocol.Capability
	}{
		{MariaDB(), old},
		{MariaDB(), old | protocol.ClientDeprecateEOF | protocol.ClientSessionTrack},
		{MariaDB(), old | protocol.MariaDBClientCacheMetadata},
		{MariaDB(), old | protocol.MariaDBClientExtendedMetadata},
		{MySQL(), old | protocol.ClientMySQL | protocol.ClientQueryAttributes},
		{MySQL(), old | protocol.ClientMySQL | protocol.ClientOptionalResultsetMetadata},
		{MySQL(), old}, // a MariaDB client at a MySQL server
	} {
		server := NewServer(t, forever(Greet(tt.greeting), CheckLogin("app", "secret"),
			ExpectQuery("SELECT 1"), ReplyRows([]string{"1"}, []string{"1"})))
		client := Dial(t, server.Addr)
		client.Run(t, LoginAs(protocol.Login{User: "app", Capabilities: tt.caps}, "secret"),
			Query("SELECT 1"), ExpectRows([]string{"1"}), ExpectClosed())
		if client.Caps != tt.caps {
			t.Errorf("agreed on %s, not on %s", client.Caps, tt.caps)
		}
		server.Wait(1)
	}
}

func TestSwitchFromUnknownPlugin(t *testing.T) {
	server := NewServer(t, forever(Greet(MariaDB()), CheckLogin("app", "secret")))
	Dial(t, server.Addr).Run(t, LoginAs(protocol.Login{
		User: "app", Capabilities: MariaDB().Capabilities, AuthPlugin: "auth_gssapi_client",
	}, "secret"))
	server.Wait(1)
}

func TestRefusals(t *testing.T) {
	server := NewServer(t, func(n int) []Step {
		return [][]Step{
			{ReplyError(protocol.ErConCount, "", "Too many connections")},
			{Greet(MariaDB()), ReadLogin(), ReplyError(protocol.ErAccessDenied, "28000", "Access denied")},
		}[n]
	})
	for _, code := range []uint16{protocol.ErConCount, protocol.ErAccessDenied} {
		var refused *protocol.SQLError
		if err := Login("app", "secret")(Dial(t, server.Addr)); !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("refused with %v, not %d", err, code)
		}
	}
	server.Wait(2)
	if n := server.Accepted(); n != 2 {
		t.Errorf("accepted %d", n)
	}
}

func TestFaults(t *testing.T) {
	ok := []byte{0, 0, 0, 2, 0, 0, 0}
	for _, tt := range []struct {
		name string
		step Step
		want string
	}{
		{"wrong sequence number", Packet(5, ok), "numbered 5, not 1"},
		{"lying length, too long", Script(Lie(9, ok), Close()), "closed after 7 of a packet's 9 bytes"},
		{"lying length, too short", Lie(3, ok), "packet is 00 00 00, not OK"},
		{"closed inside a header", CloseInside(ok, 3), "unexpected EOF"},
		{"closed inside a payload", CloseInside(ok, 8), "closed after 4 of a packet's 7 bytes"},
		{"closed", Close(), "OK: EOF"},
		{"reset", Reset(), "connection reset"},
		{"raw", Script(Raw([]byte("GET /")), Close()), "closed after 1 of a packet's"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := NewServer(t, forever(ExpectCommand(protocol.ComPing), tt.step))
			err := Script(Send(protocol.ComPing, ""), ExpectOK())(Dial(t, server.Addr))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			server.Wait(1)
		})
	}
}

func TestExpectations(t *testing.T) {
	for _, tt := range []struct {
		name   string
		send   []byte
		expect Step
		want   string
	}{
		{"another command", []byte{protocol.ComPing}, ExpectCommand(protocol.ComQuit), "not COM_QUIT"},
		{"another argument", []byte("\x02a"), ExpectCommand(protocol.ComInitDB, "b"), `is "a", not "b"`},
		{"another statement", []byte("\x03a"), ExpectQuery("b"), `"a", not "b"`},
		{"no statement", []byte{protocol.ComPing}, ExpectQuery("b"), "not a COM_QUERY"},
		{"other bytes", []byte("a"), Expect([]byte("b")), "payload 0: 1 bytes, want 1; at 0: 61, want 62"},
		{"more before the end", []byte("a"), ExpectClosed(), "more before the end: 01 00 00 00 61"},
		{"no OK", []byte("a"), ExpectOK(), "not OK"},
		{"an error", []byte("\xff\x01\x00no"), ExpectOK(), "ERROR 1"},
		{"no error", []byte("a"), ExpectError(1), "not ERR 1"},
		{"another error", []byte("\xff\x01\x00no"), ExpectError(2), "expected 2"},
		{"another message", []byte("\xff\x01\x00no"), ExpectError(1, "yes"), "expected 1 [yes]"},
		{"no rows", []byte("\xff\x01\x00no"), ExpectRows(), "ERROR 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := net.Pipe()
			done := make(chan error, 1)
			go func() { done <- Script(Packet(0, tt.send), Close())(NewConn(a)) }()
			if err := tt.expect(NewConn(b)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			_ = b.Close()
		})
	}
}

func TestPipelining(t *testing.T) {
	server := NewServer(t, forever(Greet(MariaDB()), AcceptLogin(),
		Repeat(Answer(func(_ *Conn, command []byte) [][]byte {
			if command[0] == protocol.ComStmtClose {
				return nil
			}
			return [][]byte{append([]byte("answer to "), command...)}
		}))))
	Dial(t, server.Addr).Run(t, Login("app", ""),
		Send(protocol.ComPing, "1"), Send(protocol.ComStmtClose, "1"), Send(protocol.ComPing, "2"),
		func(c *Conn) error { c.Seq = 1; return nil }, Expect([]byte("answer to \x0e1")),
		func(c *Conn) error { c.Seq = 1; return nil }, Expect([]byte("answer to \x0e2")),
		Send(protocol.ComQuit, ""), ExpectClosed())
	server.Wait(1)
}

// TestLongPayloads sends what takes several packets both ways over a Unix socket.
func TestLongPayloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	long := bytes.Repeat([]byte{'x'}, protocol.MaxPayload)
	server := Serve(t, ln, forever(ExpectCommand(protocol.ComQuery, string(long)), Reply(long, []byte("end"))))
	if server.Addr != path {
		t.Errorf("server at %q", server.Addr)
	}
	Dial(t, path).Run(t, Send(protocol.ComQuery, string(long)), Expect(long, []byte("end")))
	server.Wait(1)
}

// TestClose leaves a script waiting: closing the server ends it, and that is no failure.
func TestClose(t *testing.T) {
	started := make(chan struct{})
	server := NewServer(t, forever(Greet(MariaDB()), func(*Conn) error { close(started); return nil }, ReadLogin()))
	client := Dial(t, server.Addr)
	client.Run(t, ReadGreeting())
	<-started
	server.Close()
	if err := ExpectOK()(client); !errors.Is(err, io.EOF) {
		t.Errorf("client sees %v", err)
	}
}

func TestSilence(t *testing.T) {
	server := NewServer(t, forever(Silence()))
	Dial(t, server.Addr).Run(t, Raw([]byte("anybody?")), Close())
	server.Wait(1)
}
