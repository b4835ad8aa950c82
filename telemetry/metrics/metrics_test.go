package metrics_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/google/go-cmp/cmp"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/pipeline/pipelinetest"
	"github.com/weirproxy/weir/protocol"
	pt "github.com/weirproxy/weir/protocol/protocoltest"
	"github.com/weirproxy/weir/telemetry/metrics"
)

// single is a target that opens each session on one server.
type single struct{ srv *pipeline.Server }

func (d single) Open(s *pipeline.Session) (pipeline.Handler, error) {
	return s.Connect(d.srv)
}

func (d single) Greeting(ctx context.Context) (*protocol.Greeting, error) {
	return pipeline.MergeGreetings(ctx, []*pipeline.Server{d.srv})
}

func (d single) Servers() []*pipeline.Server { return []*pipeline.Server{d.srv} }

// served is a process that runs, with its metrics address.
type served struct {
	*pipelinetest.Front
	*metrics.Server
	t testing.TB
}

func serve(t testing.TB, address string, c pipeline.MetricsConfig) *served {
	t.Helper()
	f := pipelinetest.NewFront(t, pipelinetest.Options{
		Servers: []string{address},
		Target:  func(servers []*pipeline.Server) pipeline.Target { return single{servers[0]} },
	})
	c.Address = "127.0.0.1:0"
	f.Process.Telemetry.Metrics = &c
	s, err := metrics.Start(f.Process, metrics.Build{Version: "v1.2.3", Revision: "abc"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return &served{f, s, t}
}

// get returns status and body of an answer, in the format that accept names.
func (s *served) get(path, accept string) (int, http.Header, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.Server.Addr().String()+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

// scrape returns the figures by name and labels, as the text format writes them.
func (s *served) scrape() map[string]float64 {
	s.t.Helper()
	status, _, body := s.get("/metrics", "text/plain")
	if status != http.StatusOK {
		s.t.Fatalf("status %d: %s", status, body)
	}
	all := map[string]float64{}
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[i+1:]), 64)
		if err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		all[line[:i]] = v
	}
	return all
}

func answering(t testing.TB) string {
	return pipelinetest.Backend(t, pt.MariaDB(), pipelinetest.AnswerOK()).Addr
}

// refused logs in with a wrong password.
func refused(code uint16) pt.Step {
	return func(c *pt.Conn) error {
		err := pt.Login(pipelinetest.User, "wrong")(c)
		if e, ok := errors.AsType[*protocol.SQLError](err); !ok || e.Code != code {
			return fmt.Errorf("not refused by %d: %w", code, err)
		}
		return nil
	}
}

// TestFigures counts what a client does.
func TestFigures(t *testing.T) {
	const inTransaction = protocol.StatusAutocommit | protocol.StatusInTrans
	s := serve(t, pipelinetest.Backend(t, pt.MariaDB(),
		pt.ExpectQuery("good"), pt.ReplyRows([]string{"n"}, []string{"1"}, []string{"2"}),
		pt.ExpectQuery("bad"), pt.ReplyError(1213, "40001", "deadlock"),
		pt.ExpectQuery("BEGIN"), pt.ReplyOK(protocol.OK{Status: inTransaction}),
		pt.ExpectQuery("COMMIT"), pt.ReplyOK(protocol.OK{Status: protocol.StatusAutocommit}),
		pt.ExpectQuery("BEGIN"), pt.ReplyOK(protocol.OK{Status: inTransaction}),
		pt.ExpectQuery("INSERT 1"), pt.ReplyOK(protocol.OK{Status: inTransaction}),
		pt.ExpectCommand(protocol.ComPing), pt.ReplyOK(protocol.OK{Status: inTransaction}),
		pt.ExpectCommand(0x99), pt.ReplyError(1047, "08S01", "unknown"),
		pt.Silence()).Addr, pipeline.MetricsConfig{})
	c := s.Session()
	c.Run(t, pt.Query("good"), pt.ExpectRows([]string{"1"}, []string{"2"}), pt.Query("bad"), pt.ExpectError(1213),
		pt.Query("BEGIN"), pt.ExpectOK(), pt.Query("COMMIT"), pt.ExpectOK(),
		pt.Query("BEGIN"), pt.ExpectOK(), pt.Query("INSERT 1"), pt.ExpectOK(), // and left open
		pt.Send(protocol.ComPing, ""), pt.ExpectOK(), pt.Send(0x99, ""), pt.ExpectError(1047))
	wrong := s.Dial()
	wrong.Run(t, refused(1045))
	c.Run(t, pt.Send(protocol.ComQuit, ""), pt.ExpectClosed())

	want := map[string]float64{
		`db_client_operation_duration_seconds_count{db_operation_name="unknown",db_system_name="mariadb",outcome="ok",pipeline="app",server="db1",session="client"}`:       1,
		`db_client_operation_duration_seconds_count{db_operation_name="unknown",db_system_name="mariadb",outcome="deadlock",pipeline="app",server="db1",session="client"}`: 1,
		`weir_commands_total{command="COM_QUERY",pipeline="app",session="client"}`:                                                                                         6,
		`weir_commands_total{command="COM_PING",pipeline="app",session="client"}`:                                                                                          1,
		`weir_commands_total{command="COM_UNKNOWN",pipeline="app",session="client"}`:                                                                                       1,
		`weir_rows_total{pipeline="app",session="client"}`:                                                                                                                 2,
		`weir_statements_unknown_total{pipeline="app",session="client"}`:                                                                                                   2,
		`weir_transactions_total{access_mode="read_only",pipeline="app",session="client"}`:                                                                                 1,
		`weir_transactions_total{access_mode="read_write",pipeline="app",session="client"}`:                                                                                1,
		`weir_session_duration_seconds_count{listener="app"}`:                                                                                                              1,
		`weir_session_duration_seconds_bucket{listener="app",le="86400"}`:                                                                                                  1,
		`weir_sessions{listener="app"}`:                                       0,
		`weir_sessions_opened_total{listener="app"}`:                          1,
		`weir_sessions_ended_total{listener="app",reason="quit"}`:             1,
		`weir_sessions_ended_total{listener="app",reason="client_gone"}`:      0,
		`weir_logins_refused_total{listener="app",reason="access"}`:           1,
		`weir_listener_connections{listener="app"}`:                           0,
		`weir_server_connections{server="db1"}`:                               0,
		`weir_server_connects_total{server="db1"}`:                            1,
		`weir_server_connect_errors_total{reason="unreachable",server="db1"}`: 0,
		`weir_server_suspect{server="db1"}`:                                   0,
		`weir_worker_responding{worker="0"}`:                                  1,
		`weir_worker_responding{worker="1"}`:                                  1,
		`weir_build_info{revision="abc",version="v1.2.3"}`:                    1,
		`promhttp_metric_handler_errors_total{cause="gathering"}`:             0,
	}
	var got map[string]float64
	pipelinetest.Eventually(t, func() bool {
		all := s.scrape()
		got = map[string]float64{}
		for name := range want {
			if v, ok := all[name]; ok {
				got[name] = v
			}
		}
		for _, name := range []string{
			`weir_client_received_bytes_total{pipeline="app",session="client"}`, `weir_client_sent_bytes_total{pipeline="app",session="client"}`,
			`weir_server_received_bytes_total{server="db1"}`, `weir_server_sent_bytes_total{server="db1"}`,
			`go_goroutines`, `process_resident_memory_bytes`,
		} {
			if all[name] < 8 {
				t.Errorf("%s is %v", name, all[name])
			}
		}
		return t.Failed() || cmp.Equal(want, got)
	}, func() string { return "-want +got:\n" + cmp.Diff(want, got) })
}

// Every figure of Weir's own is in the manual.
func TestFiguresAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/telemetry.md")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, answering(t), pipeline.MetricsConfig{})
	c := s.Session()
	for range 500 { // so that some are timed
		c.Run(t, pt.Query("q"), pt.ExpectOK())
	}
	_, _, body := s.get("/metrics", "text/plain")
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^# TYPE ((?:weir|db)_\w+) `).FindAllStringSubmatch(body, -1) {
		found++
		if !strings.Contains(string(page), "`"+m[1]+"`") {
			t.Errorf("docs/telemetry.md does not have %s", m[1])
		}
	}
	if found < 30 {
		t.Errorf("only %d figures were found", found)
	}
}

// TestFormats: text, OpenMetrics, and protocol buffers with native histograms, each by what the client can read.
func TestFormats(t *testing.T) {
	s := serve(t, answering(t), pipeline.MetricsConfig{})
	c := s.Session()
	for range 3 {
		c.Run(t, pt.Query("q"), pt.ExpectOK())
	}
	_, header, body := s.get("/metrics", "application/openmetrics-text; version=1.0.0")
	if !strings.HasPrefix(header.Get("Content-Type"), "application/openmetrics-text") || !strings.HasSuffix(body, "# EOF\n") {
		t.Errorf("OpenMetrics is %s, and ends in %q", header.Get("Content-Type"), body[max(0, len(body)-20):])
	}
	_, _, body = s.get("/metrics", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
	found := false
	for r := strings.NewReader(body); r.Len() > 0; {
		var f dto.MetricFamily
		if err := protodelim.UnmarshalFrom(r, &f); err != nil {
			t.Fatal(err)
		}
		if f.GetName() != "db_client_operation_duration_seconds" {
			continue
		}
		found = true
		h := f.Metric[0].Histogram
		native := h.GetZeroCount()
		count, at := int64(0), 0
		for _, span := range h.PositiveSpan {
			for range span.GetLength() {
				count += h.PositiveDelta[at]
				at++
				native += uint64(count)
			}
		}
		last := h.Bucket[len(h.Bucket)-1]
		if h.GetSampleCount() != 3 || native != 3 || last.GetUpperBound() != 60 || last.GetCumulativeCount() != 3 {
			t.Errorf("%d statements, %d in native buckets, %d of 60 s or less", h.GetSampleCount(), native, last.GetCumulativeCount())
		}
	}
	if !found {
		t.Error("no statements in the protocol buffers")
	}
}

func TestHealth(t *testing.T) {
	s := serve(t, answering(t), pipeline.MetricsConfig{})
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, header, body := s.get(path, ""); status != http.StatusOK || strings.TrimSpace(body) != `{"ok":true}` ||
			header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	s.Front.Stop()
	if status, _, body := s.get("/readyz", ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "shutting down") {
		t.Errorf("after the end: %d %s", status, body)
	}
	if status, _, body := s.get("/healthz", ""); status != http.StatusOK {
		t.Errorf("after the end: %d %s", status, body)
	}
	s.scrape()
}

func TestNotReadyWithoutAServer(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()
	s := serve(t, nobody.Addr().String(), pipeline.MetricsConfig{})
	status, _, body := s.get("/readyz", "")
	var report struct {
		OK      bool
		Reasons []string
	}
	if err := json.Unmarshal([]byte(body), &report); err != nil {
		t.Fatal(err)
	}
	want := []string{"pipeline app: none of its servers could be reached"}
	if status != http.StatusServiceUnavailable || report.OK || !slices.Equal(report.Reasons, want) {
		t.Errorf("%d %s", status, body)
	}
	if n := s.scrape()[`weir_server_connect_errors_total{reason="unreachable",server="db1"}`]; n != 1 {
		t.Errorf("%v attempts were made, want one", n)
	}
}

// TestStuckWorker: what a worker does not say in time is missed, and said to be.
func TestStuckWorker(t *testing.T) {
	stuck, free := make(chan struct{}), make(chan struct{})
	f := pipelinetest.NewFront(t, pipelinetest.Options{
		Servers: []string{answering(t)},
		Target:  func(servers []*pipeline.Server) pipeline.Target { return single{servers[0]} },
		Filters: []pipeline.Filter{blocking{stuck, free}},
	})
	f.Process.Telemetry.Metrics = &pipeline.MetricsConfig{Address: "127.0.0.1:0"}
	server, err := metrics.Start(f.Process, metrics.Build{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	s := &served{f, server, t}
	c := s.Session()
	c.Run(t, pt.Query("block"))
	<-stuck
	status, _, body := s.get("/healthz", "")
	all := s.scrape()
	close(free)
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "does not respond") {
		t.Errorf("%d %s", status, body)
	}
	if all[`weir_worker_responding{worker="0"}`]+all[`weir_worker_responding{worker="1"}`] != 1 {
		t.Error("one worker of two is stuck, and the figures say otherwise")
	}
	c.Run(t, pt.ExpectOK())
	if status, _, body := s.get("/healthz", ""); status != http.StatusOK {
		t.Errorf("afterwards: %d %s", status, body)
	}
}

// blocking does to a worker what no filter may.
type blocking struct{ stuck, free chan struct{} }

func (b blocking) Open(_ *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	return pipeline.HandlerFunc(func(ctx context.Context, w pipeline.ReplyWriter, c *pipeline.Command) error {
		close(b.stuck)
		<-b.free
		return next.Serve(ctx, w, c)
	}), nil
}

func TestStepsFiguresAndPages(t *testing.T) {
	s := serve(t, answering(t), pipeline.MetricsConfig{})
	env := s.Process.Env("app", "filter top 2")
	env.Expose(pipeline.Metric{Name: "weir_top_digests", Help: "Digests.", Read: func() float64 { return 7 }})
	env.Page("digests", func() any { return map[string]string{"statement": "a < b"} })
	env.Page("bad", func() any { return func() {} })
	if n := s.scrape()[`weir_top_digests{pipeline="app",step="filter top 2"}`]; n != 7 {
		t.Errorf("the step's figure is %v", n)
	}
	for path, want := range map[string]string{
		"/pipelines/app/filter-top-2/digests": `"statement": "a < b"`,
		"/":                                   `<a href="/pipelines/app/filter-top-2/digests">`,
	} {
		if status, _, body := s.get(path, ""); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for path, want := range map[string]int{
		"/pipelines/app/filter-top-2/bad": http.StatusInternalServerError, "/pipelines/app/filter-top/digests": http.StatusNotFound,
		"/pipelines/app": http.StatusNotFound, "/nothing": http.StatusNotFound, "/debug/pprof/": http.StatusNotFound,
	} {
		if status, _, body := s.get(path, ""); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestManyWantADocument: making documents takes time and memory, which is not everybody's at once.
func TestManyWantADocument(t *testing.T) {
	s := serve(t, answering(t), pipeline.MetricsConfig{})
	var making atomic.Int32
	free := make(chan struct{})
	s.Process.Env("app", "filter top").Page("top", func() any {
		making.Add(1)
		<-free
		return "done"
	})
	statuses := make(chan int, 20)
	for range cap(statuses) {
		go func() {
			response, err := http.Get("http://" + s.Server.Addr().String() + "/pipelines/app/filter-top/top") //nolint:noctx // it is answered
			if err != nil {
				statuses <- 0
				return
			}
			_ = response.Body.Close()
			statuses <- response.StatusCode
		}()
	}
	got := map[int]int{}
	for range cap(statuses) - 4 {
		select {
		case status := <-statuses:
			got[status]++
		case <-time.After(pt.Timeout):
			t.Fatalf("%d documents are being made", making.Load())
		}
	}
	close(free)
	for range 4 {
		got[<-statuses]++
	}
	if want := map[int]int{http.StatusOK: 4, http.StatusServiceUnavailable: cap(statuses) - 4}; !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestProfilesWhereAskedFor(t *testing.T) {
	s := serve(t, answering(t), pipeline.MetricsConfig{PProf: true})
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/profile?seconds=1"} {
		if status, _, body := s.get(path, ""); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if _, _, body := s.get("/", ""); !strings.Contains(body, "/debug/pprof/") {
		t.Errorf("not listed: %s", body)
	}
}

func TestAddressInUse(t *testing.T) {
	s := serve(t, answering(t), pipeline.MetricsConfig{})
	s.Process.Telemetry.Metrics.Address = s.Server.Addr().String()
	if _, err := metrics.Start(s.Process, metrics.Build{}); err == nil ||
		!strings.HasPrefix(err.Error(), "telemetry: metrics: address: ") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
}

// TestManyConnections: more clients than there are slots wait for their turn, and Stop does not.
func TestManyConnections(t *testing.T) {
	s := serve(t, answering(t), pipeline.MetricsConfig{})
	for range 100 {
		c, err := net.Dial("tcp", s.Server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	stopped := make(chan struct{})
	go func() {
		s.Server.Stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(pt.Timeout):
		t.Error("it does not stop")
	}
}

// TestScrapeUnderLoad: nothing is counted twice or lost, however many scrapes come meanwhile.
func TestScrapeUnderLoad(t *testing.T) {
	s := serve(t, answering(t), pipeline.MetricsConfig{})
	const clients, each = 8, 300
	done := make(chan struct{})
	var scraping, serving sync.WaitGroup
	for range 2 {
		scraping.Go(func() {
			before := 0.0
			for {
				all := s.scrape()
				now := all[`weir_commands_total{command="COM_QUERY",pipeline="app",session="client"}`]
				if now < before {
					t.Errorf("a counter went from %v to %v", before, now)
				}
				before = now
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range clients {
		c := s.Session()
		serving.Go(func() {
			for n := range each {
				c.Run(t, pt.Query(fmt.Sprintf("q%d %d", i, n)), pt.ExpectOK())
			}
		})
	}
	serving.Wait()
	close(done)
	scraping.Wait()
	statements := 0.0
	all := s.scrape()
	for name, n := range all {
		if strings.HasPrefix(name, "db_client_operation_duration_seconds_count{") {
			statements += n
		}
	}
	if statements != clients*each {
		t.Errorf("%v statements were counted, want %d", statements, clients*each)
	}
	steps := all[`weir_step_duration_seconds_count{pipeline="app",session="client",step="router"}`]
	if steps < clients*each/64/4 || steps > clients*each/64*4 {
		t.Errorf("%v commands were timed of %d", steps, clients*each)
	}
}
