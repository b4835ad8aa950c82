package protocol_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
)

var plugins = []string{protocol.NativePassword, protocol.CachingSha2Password}

func TestNewNonce(t *testing.T) {
	first := protocol.NewNonce()
	for range 1000 {
		b := protocol.NewNonce()
		if len(b) != protocol.NonceSize || bytes.ContainsAny(b, "\x00$") {
			t.Fatalf("nonce % x", b)
		}
		if i := slices.IndexFunc(b, func(r byte) bool { return r > 0x7f }); i >= 0 {
			t.Fatalf("nonce % x is not ASCII", b)
		}
		if bytes.Equal(b, first) {
			t.Fatal("the same nonce twice")
		}
	}
}

// TestAuthResponse compares with what the manual's formulas give in Python's hashlib.
func TestAuthResponse(t *testing.T) {
	for _, tt := range []struct{ plugin, password, nonce, want string }{
		{
			protocol.NativePassword, "secret", "46 2c 3d 2b 3a 28 0d 79 07 0e 5f 6a 30 6f 4a 65 2e 5c 6e 60",
			"ad6011eaea7c77d27610d9c68e4d82d9197945b2",
		},
		{
			protocol.CachingSha2Password, "secret", "46 2c 3d 2b 3a 28 0d 79 07 0e 5f 6a 30 6f 4a 65 2e 5c 6e 60",
			"52304373eb5de106601f8fb4d7652d5a137271323230cdd03b073bc3cc3e2fcb",
		},
		{protocol.NativePassword, "", "01 02", ""},
		{protocol.CachingSha2Password, "", "01 02", ""},
	} {
		got, ok := protocol.AuthResponse(tt.plugin, tt.password, unhex(t, tt.nonce))
		if want := unhex(t, tt.want); !ok || !bytes.Equal(got, want) {
			t.Errorf("%s %q: % x, %v; want % x", tt.plugin, tt.password, got, ok, want)
		}
	}
	if _, ok := protocol.AuthResponse("client_ed25519", "secret", nonce(20)); ok {
		t.Error("knows client_ed25519")
	}
}

func TestVerifyAuthResponse(t *testing.T) {
	for _, plugin := range plugins {
		right, _ := protocol.AuthResponse(plugin, "secret", nonce(20))
		for _, tt := range []struct {
			name, password string
			response       []byte
			want           bool
		}{
			{"right", "secret", right, true},
			{"another password", "Secret", right, false},
			{"cut short", "secret", right[:len(right)-1], false},
			{"nothing", "secret", nil, false},
			{"a NUL", "secret", []byte{0}, false},
			{"right for a user without a password", "", right, false},
			{"nothing for a user without a password", "", nil, true},
			{"a NUL for a user without a password", "", []byte{0}, plugin == protocol.CachingSha2Password},
		} {
			if got := protocol.VerifyAuthResponse(plugin, tt.password, nonce(20), tt.response); got != tt.want {
				t.Errorf("%s: %s: %v", plugin, tt.name, got)
			}
		}
		if protocol.VerifyAuthResponse(plugin, "secret", nonce(19), right) {
			t.Errorf("%s: right for another nonce", plugin)
		}
	}
	if protocol.VerifyAuthResponse("client_ed25519", "", nonce(20), nil) {
		t.Error("accepts a plugin it does not know")
	}
}

func TestVerifyClearPassword(t *testing.T) {
	for sent, want := range map[string]bool{
		"secret\x00": true, "secret": false, "other\x00": false, "\x00": false, "": false,
	} {
		if got := protocol.VerifyClearPassword("secret", []byte(sent)); got != want {
			t.Errorf("%q: %v", sent, got)
		}
	}
	if !protocol.VerifyClearPassword("", []byte{0}) {
		t.Error("empty password not recognised")
	}
}

func TestEncryptPassword(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := protocol.PublicKeyPEM(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(public, []byte("-----BEGIN PUBLIC KEY-----\n")) {
		t.Errorf("public key %s", public)
	}
	other := nonce(20) // differs from nonce(20) in every byte: a random one decrypts an empty password once in 127 times
	slices.Reverse(other)
	for _, password := range []string{"", "secret", strings.Repeat("längst ", 20)} {
		sent, err := protocol.EncryptPassword(password, nonce(20), public)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := protocol.DecryptPassword(sent, nonce(20), key); err != nil || got != password {
			t.Errorf("%q became %q, %v", password, got, err)
		}
		if got, err := protocol.DecryptPassword(sent, other, key); err == nil {
			t.Errorf("%q decrypted with another nonce as %q", password, got)
		}
	}
	for _, sent := range [][]byte{nil, {0}, make([]byte, 256), make([]byte, 300)} {
		if got, err := protocol.DecryptPassword(sent, nonce(20), key); err == nil {
			t.Errorf("%d bytes decrypted as %q", len(sent), got)
		}
	}
	if _, err := protocol.DecryptPassword(make([]byte, 256), nil, key); err == nil {
		t.Error("decrypted without a nonce")
	}
}

func TestEncryptPasswordBadKey(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&ec.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good, err := protocol.PublicKeyPEM(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, password string
		nonce, key     []byte
		want           string
	}{
		{"nothing", "secret", nonce(20), nil, "not PEM"},
		{"garbage", "secret", nonce(20), []byte("\x01\x02"), "not PEM"},
		{"not a key", "secret", nonce(20), publicKey([]byte{1}), "public key: "},
		{"not RSA", "secret", nonce(20), publicKey(der), "not an RSA key"},
		{"too long", "secret", nonce(20), make([]byte, 1<<20), "1048576 bytes"},
		{"no nonce", "secret", nil, good, "no nonce"},
		{"password longer than the key", strings.Repeat("x", 300), nonce(20), good, "too long"},
	} {
		_, err := protocol.EncryptPassword(tt.password, tt.nonce, tt.key)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func publicKey(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// Whatever a server sends for its key, it is used or refused.
func FuzzEncryptPassword(f *testing.F) {
	f.Fuzz(func(t *testing.T, password string, nonce, keyPEM []byte) {
		sent, err := protocol.EncryptPassword(password, nonce, keyPEM)
		if (err == nil) != (len(sent) > 0) {
			t.Errorf("%d bytes and %v", len(sent), err)
		}
	})
}
