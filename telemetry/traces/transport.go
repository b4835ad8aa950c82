package traces

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// A transport posts the payload that is being sent in the place of the body that the library's client has made.
type transport struct {
	e    *Exporter
	next *http.Transport
}

// newTransport makes a transport as the library's client has it by itself.
func (e *Exporter) newTransport() *transport {
	next := http.DefaultTransport.(*http.Transport).Clone()
	next.TLSClientConfig = tlsFromEnvironment()
	dial := next.DialContext
	next.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return conn{c}, nil
	}
	return &transport{e, next}
}

// RoundTrip is http.RoundTripper's.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	_ = r.Body.Close()
	p := t.e.sending
	r = r.Clone(r.Context())
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.ContentLength, r.Body = int64(p.size), p.body()
	r.GetBody = func() (io.ReadCloser, error) { return p.body(), nil }
	if r.Header.Get("Content-Encoding") == "gzip" {
		packed, err := packed(r.Body)
		if err != nil {
			return nil, err
		}
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil }
		r.ContentLength = int64(len(packed))
		r.Body, _ = r.GetBody()
	}
	return t.next.RoundTrip(r)
}

// A conn sends the whole body of a request in one system call, where the network takes so much: net/http copies it, piece
// by piece, and wakes the collector for each.
type conn struct{ net.Conn }

// ReadFrom is io.ReaderFrom's. net/http calls it with what it is to send of a body.
func (c conn) ReadFrom(r io.Reader) (n int64, err error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if b, ok := limited.R.(*body); ok && limited.N == int64(b.p.size) {
			n, err = b.rest.WriteTo(c.Conn)
			limited.N -= n
			return n, err
		}
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// packed compresses and closes a body.
func packed(body io.ReadCloser) ([]byte, error) {
	defer func() { _ = body.Close() }()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.Copy(w, body); err != nil {
		return nil, err
	}
	err := w.Close()
	return b.Bytes(), err
}

// tlsFromEnvironment returns what the environment says of certificates. The library reads it as well, but for a
// transport of its own; it logs what cannot be used.
func tlsFromEnvironment() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"} {
		path := func(name string) string { return strings.TrimSpace(os.Getenv(prefix + name)) }
		if pem, err := os.ReadFile(path("CERTIFICATE")); err == nil {
			if pool := x509.NewCertPool(); pool.AppendCertsFromPEM(pem) {
				c.RootCAs = pool
			}
		}
		if pair, err := tls.LoadX509KeyPair(path("CLIENT_CERTIFICATE"), path("CLIENT_KEY")); err == nil {
			c.Certificates = []tls.Certificate{pair}
		}
	}
	return c
}
