package pipeline

import "github.com/weirproxy/weir/protocol"

// A replica that replicates semi-synchronously acknowledges events while the reply to its COM_BINLOG_DUMP goes on: the one
// case where a client speaks unasked. The server numbers its packets on from the acknowledgement, as the replica expects.
// https://dev.mysql.com/doc/refman/8.4/en/replication-semisync.html

const (
	ackMagic = 0xef // what every acknowledgement begins with
	maxAck   = 1 << 10
)

// errNotAck ends a session whose client sends anything else: the server could take it for a command.
var errNotAck = &protocol.SQLError{
	Code: protocol.ErNetPacketsOutOfOrder, State: "08S01", Message: "Got a packet that acknowledges no event during a binlog dump",
}

// acks passes a client's acknowledgements on to the server that dumps. It is a loop.Runner, and runs beside the session's
// own task.
type acks struct {
	l       *Link
	buf     []byte // borrowed
	have    int
	running bool
}

// passAcks begins to pass on what a client sends during a dump, until stop is called.
func (l *Link) passAcks() (stop func()) {
	if l.s.branch != nil {
		return func() {}
	}
	a := &acks{l: l}
	l.s.acks = a
	return func() {
		l.s.acks = nil
		if a.running { // in the middle of one
			l.conn.Close()
		}
		if a.buf != nil && !a.running {
			l.s.worker.PutSmall(a.buf)
		}
	}
}

// isDump reports whether a command's reply is one that is acknowledged.
func isDump(com byte) bool { return com == protocol.ComBinlogDump || com == protocol.ComBinlogDumpGTID }

// ready is what the session says when its client speaks.
func (a *acks) ready() {
	if !a.running {
		a.running = true
		a.l.s.worker.Go(a)
	}
}

// Run is loop.Runner's. Where the client has hung up, or the server has closed, the session's own task learns of it.
func (a *acks) Run() {
	defer func() { a.running = false }()
	s := a.l.s
	if a.buf == nil {
		a.buf = s.worker.Small()
	}
	for {
		n, err := s.client.conn.ReadNow(a.buf[a.have:])
		if n == 0 || err != nil {
			return
		}
		a.have += n
		s.tally.received += uint64(n)
		whole, err := wholeAcks(a.buf[:a.have])
		if err != nil {
			s.interrupt(err)
			return
		}
		if whole == 0 {
			continue
		}
		if a.l.conn.Write(a.buf[:whole], 0) != nil {
			return
		}
		a.l.traffic().sent += uint64(whole)
		a.have = copy(a.buf, a.buf[whole:a.have])
	}
}

// wholeAcks returns the length of the whole acknowledgements at the front of b.
func wholeAcks(b []byte) (whole int, err error) {
	for len(b)-whole > protocol.HeaderSize {
		length := protocol.PayloadLen(b[whole:])
		if length == 0 || length > maxAck || b[whole+protocol.HeaderSize] != ackMagic {
			return whole, errNotAck
		}
		if len(b)-whole < protocol.HeaderSize+length {
			break
		}
		whole += protocol.HeaderSize + length
	}
	return whole, nil
}
