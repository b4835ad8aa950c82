package pipeline

import "time"

// ServerConfig is a server block.
type ServerConfig struct {
	Name string `hcl:"name,label"`
	// Address is "host:port" or the path of a Unix socket, which starts with a slash.
	Address string `hcl:"address"`
	// Weight is the server's share of connections among its peers: a server of weight 2 gets twice those of
	// one of weight 1. At least 1.
	Weight int `hcl:"weight,optional"`
	// Rank orders the server among its peers: those of a higher rank are used only where none of a lower one can be.
	// At least 1.
	Rank int `hcl:"rank,optional"`
	// ConnectTimeout bounds connecting and logging in.
	ConnectTimeout time.Duration `hcl:"connect_timeout,optional"`
}

// ServerDefaults are the settings of a server block that names only its address.
var ServerDefaults = ServerConfig{Weight: 1, Rank: 1, ConnectTimeout: 10 * time.Second}

// AccountsConfig is an accounts block: who may log in.
type AccountsConfig struct {
	Name  string       `hcl:"name,label"`
	Users []UserConfig `hcl:"user,block"`
}

// UserConfig is a user block of accounts.
type UserConfig struct {
	Name string `hcl:"name,label"`
	// Host is a host pattern as in MySQL's account names: % and _ are wildcards, an address may have a
	// netmask or a prefix length.
	Host string `hcl:"host,optional"`
	// Password is the user's password in clear, for the client's login here and Weir's own at the servers.
	Password string `hcl:"password"`
}

// UserDefaults are the settings of a user block that names only its password.
var UserDefaults = UserConfig{Host: "%"}

// ListenerConfig is a listener block. Exactly one of Address and Socket is set.
type ListenerConfig struct {
	Name string `hcl:"name,label"`
	// Address is "host:port".
	Address string `hcl:"address,optional"`
	// Socket is the path of a Unix socket to make.
	Socket string `hcl:"socket,optional"`
	// SocketMode is the socket's permissions, in octal.
	SocketMode string `hcl:"socket_mode,optional"`
	// Accounts says who may log in.
	Accounts *Accounts `hcl:"accounts"`
	// Pipeline is what sessions are opened on.
	Pipeline *Pipeline `hcl:"pipeline"`
	// LoginTimeout closes a connection that has not logged in by then.
	LoginTimeout time.Duration `hcl:"login_timeout,optional"`
	// WriteTimeout closes a session whose client takes nothing of a waiting reply for so long.
	WriteTimeout time.Duration `hcl:"write_timeout,optional"`
	// MaxConnections is the number of clients at one time; more are refused with error 1040. 0: no limit.
	MaxConnections int `hcl:"max_connections,optional"`
}

// ListenerDefaults are the settings of a listener block that does not name them.
var ListenerDefaults = ListenerConfig{
	SocketMode: "0777", LoginTimeout: 10 * time.Second, WriteTimeout: 60 * time.Second,
}

// ProcessConfig is the process block.
type ProcessConfig struct {
	// Workers is the number of event loops. 0: one per processor the process may use.
	Workers int `hcl:"workers,optional"`
	// WorkerLoad is the processor time, in percent of one processor, that each event loop in use may take before
	// another one is put to use. 0: all are used from the start, and sessions are spread evenly.
	WorkerLoad int `hcl:"worker_load,optional"`
	// IOUring has what is small be sent to several sockets in one system call, where the kernel lets the process do so.
	IOUring bool `hcl:"io_uring,optional"`
	// ShutdownTimeout is how long running statements may take to end after SIGTERM.
	ShutdownTimeout time.Duration `hcl:"shutdown_timeout,optional"`
	Log             *LogConfig    `hcl:"log,block"`
}

// LogConfig is the log block of process.
type LogConfig struct {
	Format string `hcl:"format,optional"` // text or json
	Level  string `hcl:"level,optional"`  // debug, info, warn or error
}

// TelemetryConfig is the telemetry block.
type TelemetryConfig struct {
	Traces  *TracesConfig  `hcl:"traces,block"`
	Metrics *MetricsConfig `hcl:"metrics,block"`
}

// TracesConfig is the traces block of telemetry.
type TracesConfig struct {
	// Endpoint is the URL of an OpenTelemetry collector. Where it has no path, that of the protocol is added.
	Endpoint string `hcl:"endpoint"`
	Protocol string `hcl:"protocol,optional"` // http/protobuf or grpc
	// Headers go with each request: "Name: value".
	Headers     []string `hcl:"headers,optional"`
	Compression string   `hcl:"compression,optional"` // none or gzip; empty is what the environment says, or none
	// SampleRatio is how many of the traces that begin at Weir are kept.
	SampleRatio float64 `hcl:"sample_ratio,optional"`
	// Slow has the spans of statements that took so long be kept in any case. 0: no such thing.
	Slow time.Duration `hcl:"slow,optional"`
	// Errors has those of statements that failed be kept in any case.
	Errors bool `hcl:"errors,optional"`
	// QueryText says how statements are shown: canonical, raw or none.
	QueryText string `hcl:"query_text,optional"`
	// ClientContext says what becomes of a client's trace context on the way to a server: pass, strip or replace.
	ClientContext string `hcl:"client_context,optional"`
	// ServiceName is what Weir is called in traces. Empty: what the environment says, or weir.
	ServiceName string `hcl:"service_name,optional"`
	// Timeout bounds how long spans are tried to be sent before they are dropped.
	Timeout time.Duration `hcl:"timeout,optional"`
	// Queue is how many bytes of spans may wait for the collector.
	Queue int `hcl:"queue,optional"`
}

// TracesDefaults are the settings of a traces block that names only its endpoint.
var TracesDefaults = TracesConfig{
	Protocol: "http/protobuf", SampleRatio: 1, QueryText: "canonical", ClientContext: "pass", Timeout: 10 * time.Second,
	Queue: 16 << 20,
}

// MetricsConfig is the metrics block of telemetry.
type MetricsConfig struct {
	// Address is "host:port".
	Address string `hcl:"address"`
	// PProf adds the Go runtime's profiles to what the address has.
	PProf bool `hcl:"pprof,optional"`
}

// ProcessDefaults are the settings of a file without a process block, LogDefaults of one without a log block.
var (
	ProcessDefaults = ProcessConfig{WorkerLoad: 70, IOUring: true, ShutdownTimeout: 30 * time.Second}
	LogDefaults     = LogConfig{Format: "text", Level: "info"}
)
