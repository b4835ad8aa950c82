package traces

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
)

// newClient makes the library's client. What the settings leave open, it takes from the environment, as
// OTEL_EXPORTER_OTLP_HEADERS and OTEL_EXPORTER_OTLP_CERTIFICATE. It is handed no spans: it addresses requests, sends them
// again and reads the answers, and what it would encode is put in its place as it goes out.
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/
func (e *Exporter) newClient() otlptrace.Client {
	c := &e.config
	endpoint := withPath(c.Endpoint)
	headers := headersOf(c.Headers)
	retry := otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: firstPause, MaxInterval: maxPause, MaxElapsedTime: c.Timeout,
	}
	if c.Protocol == "grpc" {
		calls := []grpc.CallOption{grpc.ForceCodecV2(codec{e})}
		if c.Compression == "none" { // WithCompressor knows of gzip alone, and cannot take back what the environment says
			calls = append(calls, grpc.UseCompressor(encoding.Identity))
		}
		options := []otlptracegrpc.Option{
			otlptracegrpc.WithEndpointURL(c.Endpoint), otlptracegrpc.WithTimeout(c.Timeout),
			otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig(retry)),
			otlptracegrpc.WithDialOption(grpc.WithDefaultCallOptions(calls...)),
		}
		if len(headers) > 0 {
			options = append(options, otlptracegrpc.WithHeaders(headers))
		}
		if c.Compression == "gzip" {
			options = append(options, otlptracegrpc.WithCompressor("gzip"))
		}
		return otlptracegrpc.NewClient(options...)
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(endpoint), otlptracehttp.WithTimeout(c.Timeout), otlptracehttp.WithRetry(retry),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: e.newTransport(), Timeout: c.Timeout}),
	}
	if len(headers) > 0 {
		options = append(options, otlptracehttp.WithHeaders(headers))
	}
	switch c.Compression {
	case "gzip":
		options = append(options, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	case "none":
		options = append(options, otlptracehttp.WithCompression(otlptracehttp.NoCompression))
	}
	return otlptracehttp.NewClient(options...)
}

// withPath adds the path that the protocol over HTTP has to a URL without one.
func withPath(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || strings.Trim(u.Path, "/") != "" {
		return endpoint
	}
	u.Path = "/v1/traces"
	return u.String()
}

func headersOf(lines []string) map[string]string {
	headers := make(map[string]string)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return headers
}

// resourceOf says who sends the spans: by OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME too, where the settings do not
// say otherwise. An error says what of that could not be used.
func resourceOf(ctx context.Context, service, version string) (*resourcepb.Resource, error) {
	options := []resource.Option{
		resource.WithAttributes(semconv.ServiceName("weir"), semconv.ServiceVersion(version)),
		resource.WithHost(), resource.WithFromEnv(),
	}
	if service != "" {
		options = append(options, resource.WithAttributes(semconv.ServiceName(service)))
	}
	found, err := resource.New(ctx, options...)
	r := &resourcepb.Resource{}
	for _, kv := range found.Attributes() {
		r.Attributes = append(r.Attributes, keyValue(kv))
	}
	return r, err
}

func keyValue(kv attribute.KeyValue) *commonpb.KeyValue {
	value := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: kv.Value.String()}}
	if kv.Value.Type() == attribute.INT64 {
		value.Value = &commonpb.AnyValue_IntValue{IntValue: kv.Value.AsInt64()}
	}
	return &commonpb.KeyValue{Key: string(kv.Key), Value: value}
}

// useLog has the library log where Weir does, and no more than once in a while.
func useLog(log *slog.Logger) {
	otel.SetLogger(logr.FromSlogHandler(log.Handler()))
	var last atomic.Int64
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		now := time.Now().Unix()
		if before := last.Load(); now-before >= 60 && last.CompareAndSwap(before, now) {
			log.Warn("OpenTelemetry", "error", err)
		}
	}))
}
