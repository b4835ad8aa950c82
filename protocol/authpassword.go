package protocol

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // both plugins prescribe SHA-1 where it is used
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// maxKeyPEM bounds the key a server may send: RSA of 16384 bits takes half of it, and longer ones only cost time.
const maxKeyPEM = 8 << 10

// NewNonce returns NonceSize fresh random bytes to greet a client with. None is NUL, which would end the nonce on
// the wire, or '$', which separates fields where servers store it; all are ASCII, as servers' are.
func NewNonce() []byte {
	nonce := make([]byte, 0, NonceSize)
	var random [2 * NonceSize]byte
	for len(nonce) < NonceSize {
		_, _ = rand.Read(random[:]) // never fails: see crypto/rand
		for _, r := range random {
			if r &= 0x7f; r != 0 && r != '$' && len(nonce) < NonceSize {
				nonce = append(nonce, r)
			}
		}
	}
	return nonce
}

// AuthResponse computes what a client sends to prove that it knows the password: nothing where the password is
// empty. ok is false for a plugin that is neither NativePassword nor CachingSha2Password.
func AuthResponse(plugin, password string, nonce []byte) (response []byte, ok bool) {
	switch plugin {
	case NativePassword:
		return mysql.CalcNativePassword(nonce, []byte(password)), true
	case CachingSha2Password:
		return mysql.CalcCachingSha2Password(nonce, []byte(password)), true
	}
	return nil, false
}

// VerifyAuthResponse reports whether a client's response to nonce proves that it knows the password, in a time
// that tells nothing of either. It is false for a plugin AuthResponse does not know.
func VerifyAuthResponse(plugin, password string, nonce, response []byte) bool {
	want, ok := AuthResponse(plugin, password, nonce)
	if plugin == CachingSha2Password && len(response) == 1 && response[0] == 0 {
		response = nil // what MySQL's own clients send for an empty password
	}
	return ok && subtle.ConstantTimeCompare(want, response) == 1
}

// VerifyClearPassword reports whether sent, the password and a NUL as a client sends them where nobody can listen,
// is the password, in a time that tells only its length.
func VerifyClearPassword(password string, sent []byte) bool {
	return subtle.ConstantTimeCompare(append([]byte(password), 0), sent) == 1
}

// EncryptPassword computes what a client sends for full authentication by caching_sha2_password over a connection
// that is not secure: the password and a NUL, XORed with the nonce, encrypted with the server's public key in PEM.
func EncryptPassword(password string, nonce, keyPEM []byte) ([]byte, error) {
	if len(nonce) == 0 {
		return nil, errors.New("no nonce")
	}
	if len(keyPEM) > maxKeyPEM {
		return nil, fmt.Errorf("server's public key is %d bytes long", len(keyPEM))
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New("server's public key is not PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("server's public key: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("server's public key is a %T, not an RSA key", parsed)
	}
	return mysql.EncryptPassword(password, nonce, key)
}

// DecryptPassword undoes EncryptPassword at the server's end.
func DecryptPassword(sent, nonce []byte, key *rsa.PrivateKey) (password string, err error) {
	if len(nonce) == 0 {
		return "", errors.New("no nonce")
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, key, sent, nil) //nolint:gosec // prescribed
	if err != nil {
		return "", fmt.Errorf("encrypted password: %w", err)
	}
	plain = mysql.Xor(plain, nonce)
	if len(plain) == 0 || plain[len(plain)-1] != 0 {
		return "", errors.New("encrypted password does not end with a NUL: made with another nonce")
	}
	return string(plain[:len(plain)-1]), nil
}

// PublicKeyPEM encodes a server's public key as clients expect it in the answer to AuthRequestPublicKey.
func PublicKeyPEM(key *rsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
