package traces

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
)

// A collector takes spans over both protocols, and decodes them with the generated types.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer

	mu       sync.Mutex
	requests []*collectorpb.ExportTraceServiceRequest
	header   string // authorization of the last request
	encoding string
	answer   func() int // the status to answer with; nil: 200
}

func (c *collector) take(r *collectorpb.ExportTraceServiceRequest, header string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header = header
	if c.answer != nil {
		if code := c.answer(); code != http.StatusOK {
			return code
		}
	}
	c.requests = append(c.requests, r)
	return http.StatusOK
}

func (c *collector) spans() (all []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.requests {
		for _, rs := range r.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				all = append(all, ss.Spans...)
			}
		}
	}
	return all
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	c.encoding = r.Header.Get("Content-Encoding")
	if c.encoding == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	b, err := io.ReadAll(body)
	request := &collectorpb.ExportTraceServiceRequest{}
	if err == nil {
		err = proto.Unmarshal(b, request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, fmt.Sprint(err), http.StatusNotFound)
		return
	}
	w.WriteHeader(c.take(request, r.Header.Get("Authorization")))
}

func (c *collector) Export(ctx context.Context, r *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if code := c.take(r, strings.Join(md.Get("authorization"), "")); code != http.StatusOK {
		return nil, status.Error(codes.InvalidArgument, "not today")
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// serveHTTP and serveGRPC start the collector and return its URL.
func (c *collector) serveHTTP(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return s.URL
}

func (c *collector) serveGRPC(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(s, c)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return "http://" + l.Addr().String()
}

// start starts an exporter.
func start(t *testing.T, endpoint string, change func(*pipeline.TracesConfig)) (*Exporter, *pipelinetest.Log, func()) {
	t.Helper()
	log := &pipelinetest.Log{}
	c := pipeline.TracesDefaults
	c.Endpoint = endpoint
	if change != nil {
		change(&c)
	}
	p := &pipeline.Process{Telemetry: pipeline.TelemetryConfig{Traces: &c}, Log: slog.New(slog.NewTextHandler(log, nil))}
	if err := p.Telemetry.Check(); err != nil {
		t.Fatal(err)
	}
	e, err := Start(p, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(e.Stop)
	t.Cleanup(stop)
	return e, log, stop
}

// traced writes n traces of two spans each and flushes.
func traced(t *testing.T, e *Exporter, n int) {
	t.Helper()
	w := e.writer()
	tr := example(t, protocol.ComQuery, "SELECT 1", selectStatement())
	for range n {
		w.WriteTrace(tr)
	}
	w.Flush()
}

func TestExport(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=not-this")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=from the environment")
	for _, tt := range []struct {
		name   string
		serve  func(*collector, *testing.T) string
		change func(*pipeline.TracesConfig)
	}{
		{"http", (*collector).serveHTTP, func(*pipeline.TracesConfig) {}},
		{"http, gzip", (*collector).serveHTTP, func(c *pipeline.TracesConfig) { c.Compression = "gzip" }},
		{"grpc", (*collector).serveGRPC, func(c *pipeline.TracesConfig) { c.Protocol = "grpc" }},
		{"grpc, gzip", (*collector).serveGRPC, func(c *pipeline.TracesConfig) { c.Protocol, c.Compression = "grpc", "gzip" }},
		{"grpc, none", (*collector).serveGRPC, func(c *pipeline.TracesConfig) { c.Protocol, c.Compression = "grpc", "none" }},
		{"headers", (*collector).serveHTTP, func(c *pipeline.TracesConfig) { c.Headers = []string{"Authorization: from the file"} }},
		{"grpc, headers", (*collector).serveGRPC, func(c *pipeline.TracesConfig) {
			c.Protocol, c.Headers = "grpc", []string{"authorization: from the file"}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &collector{}
			e, log, stop := start(t, tt.serve(c, t), func(config *pipeline.TracesConfig) {
				config.ServiceName = "weir-test"
				tt.change(config)
			})
			traced(t, e, 1000) // some batches
			stop()
			all := c.spans()
			if len(all) != 2000 || e.exported.Load() != 2000 || e.dropped.Load() != 0 || e.queued.Load() != 0 || e.waiting.Load() != 0 {
				t.Fatalf("%d spans arrived; %d exported, %d dropped: %s", len(all), e.exported.Load(), e.dropped.Load(), log.String())
			}
			for i, s := range all {
				if want := [2]string{"SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"}[i%2]; s.Kind.String() != want || s.Name != "SELECT orders" {
					t.Fatalf("span %d is %v", i, s)
				}
			}
			want := "from the environment"
			if strings.Contains(tt.name, "headers") {
				want = "from the file"
			}
			if c.header != want {
				t.Errorf("authorization is %q", c.header)
			}
			if strings.HasPrefix(tt.name, "http") && (c.encoding == "gzip") != strings.HasSuffix(tt.name, "gzip") {
				t.Errorf("encoding is %q", c.encoding)
			}
			rs := c.requests[0].ResourceSpans[0]
			var resource []string
			for _, kv := range rs.Resource.Attributes {
				resource = append(resource, kv.Key+"="+kv.Value.GetStringValue())
			}
			for _, want := range []string{"service.name=weir-test", "service.version=1.2.3", "deployment.environment.name=test"} {
				if !slices.Contains(resource, want) {
					t.Errorf("resource is %q", resource)
				}
			}
			if scope := rs.ScopeSpans[0].Scope; scope.Name != "github.com/weirproxy/weir" || scope.Version != "1.2.3" {
				t.Errorf("scope is %v", scope)
			}
		})
	}
}

// await polls.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	pipelinetest.Eventually(t, ok, func() string { return "it is not so that " + what })
}

// A collector that comes late gets what has waited; while it is away, what waits too long is dropped and counted, and
// that is said once.
func TestCollectorAway(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := l.Addr().String()
			_ = l.Close()
			e, log, _ := start(t, "http://"+address, func(c *pipeline.TracesConfig) {
				c.Protocol, c.Timeout = protocol, 400*time.Millisecond
			})
			for i := range uint64(3) {
				traced(t, e, 1)
				await(t, "spans are dropped", func() bool { return e.dropped.Load() == 2*(i+1) })
			}
			await(t, "it is logged", func() bool { return strings.Count(log.String(), "cannot send spans") == 1 })

			c := &collector{}
			if l, err = net.Listen("tcp", address); err != nil {
				t.Fatal(err)
			}
			if protocol == "grpc" {
				s := grpc.NewServer()
				collectorpb.RegisterTraceServiceServer(s, c)
				go func() { _ = s.Serve(l) }()
				t.Cleanup(s.Stop)
			} else {
				s := &http.Server{Handler: c, ReadHeaderTimeout: time.Minute}
				go func() { _ = s.Serve(l) }()
				t.Cleanup(func() { _ = s.Close() })
			}
			await(t, "spans arrive", func() bool {
				traced(t, e, 1)
				time.Sleep(20 * time.Millisecond)
				return len(c.spans()) > 0
			})
			await(t, "it is logged", func() bool { return strings.Count(log.String(), "can be sent to the collector again") == 1 })
			if strings.Count(log.String(), "cannot send spans") != 1 {
				t.Error(log.String())
			}
		})
	}
}

// A collector that does not answer holds nobody up: what does not fit the queue is dropped at once.
func TestCollectorHangs(t *testing.T) {
	asked, release := make(chan struct{}, 100), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-release
	}))
	defer s.Close()
	defer close(release)
	e, log, stop := start(t, s.URL, func(c *pipeline.TracesConfig) { c.Queue, c.Timeout = 1<<20, 300*time.Millisecond })
	traced(t, e, 1)
	<-asked
	before := time.Now()
	traced(t, e, 10_000) // some ten megabytes
	if took := time.Since(before); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if e.dropped.Load() < 10_000 || e.queued.Load() > 1<<20 {
		t.Errorf("%d dropped, %d bytes queued", e.dropped.Load(), e.queued.Load())
	}
	await(t, "it is logged", func() bool { return strings.Contains(log.String(), "cannot send spans") })
	before = time.Now()
	stop()
	if took := time.Since(before); took > stopFailingFor+time.Second {
		t.Errorf("stopping took %v", took)
	}
	if e.dropped.Load() != 20_002 || e.exported.Load() != 0 || e.queued.Load() != 0 {
		t.Errorf("%d dropped, %d exported", e.dropped.Load(), e.exported.Load())
	}
}

// What is less than a request waits for more, or for whoever is in a hurry.
func TestRequestsAreWhole(t *testing.T) {
	e := &Exporter{
		config: pipeline.TracesDefaults, full: make(chan *batch, 1000), free: make(chan *batch, 1), wake: make(chan struct{}, 1),
	}
	w := e.writer()
	tr := example(t, protocol.ComQuery, "SELECT 1", selectStatement())
	for len(e.wake) == 0 {
		w.WriteTrace(tr)
	}
	if n := e.queued.Load(); n < requestSize || n > requestSize+2*batchSize {
		t.Errorf("%d bytes wait", n)
	}
	batches := e.gather()
	if len(e.full) > 0 {
		t.Errorf("%d of %d batches are left", len(e.full), len(e.full)+len(batches))
	}
	<-e.wake
	e.queued.Store(0)
	w.Flush()
	if len(e.wake) > 0 || e.hurry.Load() {
		t.Error("there is nothing to send")
	}
	w.WriteTrace(tr)
	w.Flush()
	if len(e.wake) == 0 || !e.hurry.Load() {
		t.Error("nothing is to be sent")
	}
}

// Over TLS, the certificates are those the environment names.
func TestCertificates(t *testing.T) {
	c := &collector{}
	s := httptest.NewUnstartedServer(c)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	pair := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"CERTIFICATE": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "TRACES_CLIENT_KEY": {Type: "PRIVATE KEY", Bytes: key},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("OTEL_EXPORTER_OTLP_"+name, file)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", filepath.Join(dir, "CERTIFICATE"))
	e, log, stop := start(t, s.URL, nil)
	traced(t, e, 1)
	stop()
	if len(c.spans()) != 2 {
		t.Errorf("%d spans arrived: %s", len(c.spans()), log.String())
	}
}

// The bytes of a request are not used again before nobody reads them.
func TestBodiesAreLent(t *testing.T) {
	v := envelope{[]byte("r"), []byte("s")}
	p := v.seal([]*batch{{spans: []byte("first")}, {spans: []byte("second")}})
	one, two := p.body(), p.body()
	for _, b := range []io.ReadCloser{one, two} {
		if got, err := io.ReadAll(b); err != nil || string(got) != "\x0a\x0fr\x12\x0csfirstsecond" || len(got) != p.size {
			t.Errorf("%q of %d bytes, %v", got, p.size, err)
		}
	}
	_, _ = one.Close(), one.Close()
	if n := p.lent.Load(); n != 1 {
		t.Errorf("%d bodies are lent", n)
	}
	if _ = two.Close(); p.lent.Load() != 0 {
		t.Error("a body is lent")
	}
}

// writes is a connection that notes what is written to it.
type writes struct {
	net.Conn
	all []string
}

func (w *writes) Write(b []byte) (int, error) {
	w.all = append(w.all, string(b))
	return len(b), nil
}

// A body is not copied on its way out, but where somebody has begun to read it.
func TestBodiesAreNotCopied(t *testing.T) {
	v := envelope{[]byte("r"), []byte("s")}
	p := v.seal([]*batch{{spans: []byte("first")}, {spans: []byte("second")}})
	for _, begun := range []int{0, 8} {
		to, from := &writes{}, p.body()
		if _, err := io.CopyN(io.Discard, from, int64(begun)); err != nil {
			t.Fatal(err)
		}
		rest := int64(p.size - begun)
		if n, err := (conn{to}).ReadFrom(io.LimitReader(from, rest)); n != rest || err != nil {
			t.Errorf("%d of %d bytes were sent, %v", n, rest, err)
		}
		want := []string{"\x0a\x0fr\x12\x0cs", "first", "second"}
		if begun > 0 {
			want, to.all = []string{"rstsecond"}, []string{strings.Join(to.all, "")}
		}
		if !slices.Equal(to.all, want) {
			t.Errorf("%q were written, want %q", to.all, want)
		}
	}
}

// What the collector refuses is dropped without another try; one that is busy is asked again.
func TestCollectorRefuses(t *testing.T) {
	tries := 0
	c := &collector{answer: func() int {
		tries++
		return http.StatusBadRequest
	}}
	e, log, _ := start(t, c.serveHTTP(t), nil)
	traced(t, e, 1)
	await(t, "spans are dropped", func() bool { return e.dropped.Load() == 2 })
	await(t, "it is logged", func() bool { return strings.Contains(log.String(), "400 Bad Request") })
	c.mu.Lock()
	if tries != 1 {
		t.Errorf("%d tries", tries)
	}
	c.answer = func() int {
		if tries++; tries == 2 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}
	c.mu.Unlock()
	traced(t, e, 1)
	await(t, "spans arrive", func() bool { return len(c.spans()) == 2 })
	if e.dropped.Load() != 2 {
		t.Errorf("%d dropped", e.dropped.Load())
	}
}

func TestCollectorOverGRPCRefuses(t *testing.T) {
	c := &collector{answer: func() int { return http.StatusBadRequest }}
	e, log, _ := start(t, c.serveGRPC(t), func(c *pipeline.TracesConfig) { c.Protocol = "grpc" })
	traced(t, e, 1)
	await(t, "it is logged", func() bool { return strings.Contains(log.String(), "not today") })
	if e.dropped.Load() != 2 {
		t.Errorf("%d dropped", e.dropped.Load())
	}
}

func TestWithPath(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://c:4318": "http://c:4318/v1/traces", "http://c:4318/": "http://c:4318/v1/traces",
		"https://c/otlp/v1/traces": "https://c/otlp/v1/traces",
	} {
		if got := withPath(endpoint); got != want {
			t.Errorf("%s: %s", endpoint, got)
		}
	}
}

// BenchmarkExport is all it takes to write two spans and send them over HTTP, at the pace of a process that serves 25,000
// statements a second: the faster spans come, the less each costs. The processor time includes a receiver's that reads and
// does not decode, and that of keeping the pace, which "discarding" shows.
func BenchmarkExport(b *testing.B) {
	for _, bb := range []struct {
		name  string
		queue int
	}{{"sending", pipeline.TracesDefaults.Queue}, {"discarding", 0}} {
		b.Run(bb.name, func(b *testing.B) { benchmarkExport(b, bb.queue) })
	}
}

func benchmarkExport(b *testing.B, queue int) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go swallow(c)
		}
	}()
	c := pipeline.TracesDefaults
	c.Endpoint, c.Queue = "http://"+l.Addr().String(), queue
	p := &pipeline.Process{Telemetry: pipeline.TelemetryConfig{Traces: &c}, Log: slog.New(slog.DiscardHandler)}
	e, err := Start(p, "1.2.3")
	if err != nil {
		b.Fatal(err)
	}
	w := e.writer()
	tr := example(b, protocol.ComQuery, "SELECT 1", selectStatement())
	const atOnce, pause = 50, 2 * time.Millisecond
	b.ReportAllocs()
	user, system := cpu(b)
	next, n := time.Now(), 0
	for b.Loop() {
		w.WriteTrace(tr)
		if n++; n%atOnce == 0 {
			next = next.Add(pause)
			time.Sleep(time.Until(next))
		}
	}
	userAfter, systemAfter := cpu(b)
	b.ReportMetric(float64(userAfter-user)/float64(b.N), "user-ns/op")
	b.ReportMetric(float64(systemAfter-system)/float64(b.N), "system-ns/op")
	w.Flush()
	e.Stop()
	if queue > 0 && e.dropped.Load() > 0 {
		b.Errorf("%d of %d spans were dropped", e.dropped.Load(), e.dropped.Load()+e.exported.Load())
	}
}

// cpu is the processor time the process has used.
func cpu(b *testing.B) (user, system time.Duration) {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
}

// swallow answers every request of a connection without decoding it.
func swallow(c net.Conn) {
	defer func() { _ = c.Close() }()
	buf := make([]byte, 1<<20)
	left := 0
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		for b := buf[:n]; len(b) > 0; {
			if left == 0 {
				head, rest, ok := bytes.Cut(b, []byte("\r\n\r\n"))
				if !ok {
					return
				}
				_, after, _ := strings.Cut(string(head), "Content-Length: ")
				_, _ = fmt.Sscan(after, &left)
				b = rest
			}
			take := min(left, len(b))
			left -= take
			b = b[take:]
			if left == 0 {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}
	}
}
