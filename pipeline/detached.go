package pipeline

import (
	"context"
	"log/slog"
	"net/netip"

	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// SessionInfo is what a Detached session says of itself.
type SessionInfo struct {
	ID           uint32
	User         string
	ClientAddr   string
	Schema       string
	Capabilities protocol.Capability
	// Dialect is that of the servers, sqlscan.MariaDB or 0, and Status the server status flags last seen.
	Dialect sqlscan.Mode
	Status  uint16
	Log     *slog.Logger // nil: slog.DiscardHandler
}

// Detached returns a session without a client and a worker, for explanations, and for tests of filters and routers: Do
// runs its function in place, Sleep waits on the calling goroutine, and Close runs what OnClose has registered.
func Detached(info SessionInfo) *Session {
	s := &Session{
		id: info.ID, life: 1, user: info.User, from: peer{text: info.ClientAddr}, schema: info.Schema,
		caps: info.Capabilities, logger: info.Log, mode: info.Dialect, greeted: greeted{dialect: info.Dialect},
	}
	if addr, err := netip.ParseAddrPort(info.ClientAddr); err == nil {
		s.from.addr = addr.Addr()
	}
	s.noteStatus(info.Status)
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Close ends a Detached session.
func (s *Session) Close() {
	s.cancel()
	s.close()
}
