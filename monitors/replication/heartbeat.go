package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/weirproxy/weir/monitors/internal/poll"
	"github.com/weirproxy/weir/pipeline"
)

// HeartbeatConfig is a heartbeat block.
type HeartbeatConfig struct {
	// Schema and Table say where the heartbeat is written. Both are made where they are missing.
	Schema string `hcl:"schema,optional"`
	Table  string `hcl:"table,optional"`
	// Writer tells several Weirs that watch the same servers apart. Empty: the name of this host.
	Writer string `hcl:"writer,optional"`
}

// maxWriter is the size of the column for it.
const maxWriter = 190

// remembered is how many heartbeats are remembered. One that is older is measured by when it was written.
const remembered = 1024

// A heartbeat is written on the primary at each of its polls, and looked for on the others at each of theirs. What is
// written is this program's own time, so that no two clocks are compared.
type heartbeat struct {
	table, writer string // as they are written in a statement
	schema        string
	timeout       time.Duration
	log           *slog.Logger
	now           func() time.Time
	pens          []pen // one for each server

	ctx     context.Context // of writes
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	written []int64 // the last heartbeats that have been written, in microseconds
	failing string  // what was last logged
}

// A pen writes heartbeats on one server, over a connection of its own, and one at a time: a write that waits, for a lock or
// until a replica has acknowledged it, waits at the server whether or not its connection is there, and a further one with it.
type pen struct {
	open func() (poll.Conn, error)
	busy sync.Mutex // held while it writes
	conn poll.Conn  // nil: none
}

// newHeartbeat makes one of servers that open opens connections to.
func newHeartbeat(c HeartbeatConfig, timeout time.Duration, log *slog.Logger, open ...func() (poll.Conn, error)) (*heartbeat, error) {
	if c.Schema == "" {
		c.Schema = "weir"
	}
	if c.Table == "" {
		c.Table = "heartbeat"
	}
	if c.Writer == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, pipeline.Invalid("heartbeat: writer", fmt.Errorf("this host has no name to take for it: %w", err))
		}
		c.Writer = host
	}
	if len(c.Writer) > maxWriter || strings.IndexFunc(c.Writer, strange) >= 0 {
		return nil, pipeline.Invalid("heartbeat: writer", fmt.Errorf("a writer has up to %d letters, digits and -._:/@", maxWriter))
	}
	h := &heartbeat{
		table: quote(c.Schema) + "." + quote(c.Table), schema: quote(c.Schema), writer: "'" + c.Writer + "'",
		timeout: timeout, log: log, now: time.Now, pens: make([]pen, len(open)),
	}
	for i := range open {
		h.pens[i].open = open[i]
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h, nil
}

// stop ends writes that wait, and closes their connections.
func (h *heartbeat) stop() {
	h.cancel()
	h.running.Wait()
	for i := range h.pens {
		h.pens[i].put()
	}
}

// strange says that a character would need more than quotes.
func strange(r rune) bool {
	return !strings.ContainsRune("-._:/@", r) && (r > 'z' || !slices.Contains(
		[]bool{'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9'}, true))
}

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// ask writes a heartbeat on the i-th server where primary is set, and otherwise returns how far it is behind, UnknownLag where
// that cannot be told. It has a time of its own: a table that is locked, for a backup perhaps, does not make a server down.
func (h *heartbeat) ask(i int, conn poll.Conn, primary bool) time.Duration {
	ctx, cancel := context.WithTimeout(h.ctx, h.timeout)
	defer cancel()
	if !primary {
		if p := &h.pens[i]; p.busy.TryLock() {
			p.put()
			p.busy.Unlock()
		}
		return h.lag(h.read(ctx, conn))
	}
	h.beat(ctx, &h.pens[i])
	return pipeline.UnknownLag
}

// errWaiting says that a heartbeat has not been written when the next was due.
var errWaiting = errors.New("the server has not answered the last one")

// beat has a heartbeat be written, and waits for that until ctx is done.
func (h *heartbeat) beat(ctx context.Context, p *pen) {
	if !p.busy.TryLock() {
		h.wrote(0, errWaiting)
		return
	}
	done := make(chan struct{})
	h.running.Go(func() {
		defer close(done)
		defer p.busy.Unlock()
		at := h.now().UnixMicro()
		err := p.take()
		if err == nil {
			err = h.write(h.ctx, p.conn, at)
		}
		if h.ctx.Err() == nil {
			h.wrote(at, err)
		}
	})
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// take opens the pen's connection.
func (p *pen) take() (err error) {
	if p.conn == nil {
		p.conn, err = p.open()
	}
	return err
}

// put closes it.
func (p *pen) put() {
	if p.conn != nil {
		_ = p.conn.Close() // nothing is lost with it
		p.conn = nil
	}
}

// wrote takes note of a heartbeat that has been written, or has not.
func (h *heartbeat) wrote(at int64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		if h.failing != err.Error() {
			h.log.Warn("heartbeat cannot be written: lag is what the servers say", "error", err)
		}
		h.failing = err.Error()
		return
	}
	h.failing = ""
	if len(h.written) == remembered {
		h.written = slices.Delete(h.written, 0, remembered/2)
	}
	h.written = append(h.written, at)
}

const (
	errNoSchema = 1049 // ER_BAD_DB_ERROR
	errNoTable  = 1146 // ER_NO_SUCH_TABLE
)

func (h *heartbeat) write(ctx context.Context, conn poll.Conn, at int64) error {
	insert := fmt.Sprintf("INSERT INTO %s (writer, at) VALUES (%s, %d) ON DUPLICATE KEY UPDATE at = VALUES(at)", h.table, h.writer, at)
	_, err := conn.Query(ctx, insert)
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok || refused.Number != errNoSchema && refused.Number != errNoTable {
		return err
	}
	for _, query := range []string{
		"CREATE DATABASE IF NOT EXISTS " + h.schema,
		"CREATE TABLE IF NOT EXISTS " + h.table + " (writer VARCHAR(190) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, " +
			"at BIGINT NOT NULL) ENGINE=InnoDB",
		insert,
	} {
		if _, err := conn.Query(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// read returns 0 where there is none, for whatever reason.
func (h *heartbeat) read(ctx context.Context, conn poll.Conn) int64 {
	rows, err := conn.Query(ctx, "SELECT at FROM "+h.table+" WHERE writer = "+h.writer)
	if err != nil || len(rows) != 1 {
		return 0
	}
	at, err := strconv.ParseInt(rows[0].First("at"), 10, 64)
	if err != nil {
		return 0
	}
	return at
}

// lag is how far a server is behind that has the heartbeat seen: as long as it lacks the next one.
func (h *heartbeat) lag(seen int64) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if seen == 0 || len(h.written) == 0 || h.failing != "" {
		return pipeline.UnknownLag
	}
	now := h.now().UnixMicro()
	if seen < h.written[0] {
		return micros(now - seen)
	}
	for _, at := range h.written {
		if at > seen {
			return micros(now - at)
		}
	}
	return 0
}

func micros(n int64) time.Duration { return time.Duration(max(n, 0)) * time.Microsecond }
