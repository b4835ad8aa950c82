package readwritesplit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// connectPause is how long the router waits before it tries a server again that does not take connections, while
// monitors think that it is up.
const connectPause = 50 * time.Millisecond

// place finds the server for a command, and connects it. errAgain says that it is to be asked again.
func (x *session) place(j *job) (*member, error) {
	m, err := x.pick(j)
	switch {
	case err != nil:
		return nil, err
	case x.s.Killed(): // before it came to be served, or while something was asked for it
		return nil, errKilled
	case m.connected():
		return m, nil
	}
	if m == x.trx || m == j.only || x.needs(m) != "" {
		return nil, x.lostAt(m, j, &pipeline.LostError{Server: m.server(), Err: errors.New("the connection is closed"), Unsent: true})
	}
	if err = m.connect(); err == nil && j.leaves != nil {
		j.leaves.link.Close()
	}
	switch {
	case x.s.Killed():
		return nil, errKilled
	case err == nil:
		return m, nil
	}
	if context.Cause(x.ctx) != nil {
		return nil, err
	}
	j.tried |= 1 << m.index
	if j.depends(m) {
		return nil, x.await(j, fmt.Errorf("%w: %w", errNoPrimary, err))
	}
	j.failed = err
	if !m.lacksSchema(err) {
		x.s.Log().Warn("server passed over", "error", err)
	}
	return nil, errAgain
}

// depends reports whether the command has to wait for m, which has failed it: no other server may serve it.
func (j *job) depends(m *member) bool {
	return m.server().State().Role == pipeline.Primary && j.d.target != toReplica && j.d.target != toAll
}

// pick says which server is to serve a command.
func (x *session) pick(j *job) (*member, error) {
	j.leaves = nil
	switch {
	case j.only != nil && x.trx != nil && j.only != x.trx && j.c.Com() != protocol.ComStmtFetch && !j.d.beside:
		return nil, x.scattered(j)
	case j.d.target == toNone:
		return nil, j.torn()
	case j.only != nil:
		return x.pickOnly(j)
	case x.trx != nil && !j.d.beside:
		return x.trx, nil
	}
	switch j.d.target {
	case toReplica:
		if j.primary {
			break
		}
		if err := x.askUnasked(); err != nil {
			return nil, err
		}
		if err := x.askOvertaken(j); err != nil {
			return nil, err
		}
		if err := x.askPrimary(j); err != nil {
			return nil, err
		}
		return x.pickReader(j)
	case toServer:
		if m := x.named(j.d.server); m != nil && j.tried&(1<<m.index) == 0 && !x.bars(m) {
			return m, nil
		}
	case toLast:
		if x.last != nil && x.last.connected() && j.tried&(1<<x.last.index) == 0 {
			if x.bars(x.last) {
				break
			}
			return x.last, nil
		}
		if j.st != nil && (j.st.Class == sqlscan.Read || j.st.Class == sqlscan.Show) {
			return x.pickReader(j)
		}
	case toAll:
		return x.pickAny(j)
	}
	return x.pickPrimary(j)
}

// pickOnly keeps a command at the server that has what it needs, where the session may still do there what it does.
func (x *session) pickOnly(j *job) (*member, error) {
	if m := j.only; m == x.primary && m != x.trx && j.d.target == toPrimary && x.needs(m) != "" {
		return x.stay()
	}
	return j.only, nil
}

func (x *session) pickPrimary(j *job) (*member, error) {
	if x.primary != nil && x.needs(x.primary) != "" {
		return x.stay()
	}
	if x.parted() {
		return nil, x.part(j)
	}
	at := primaryOf(x.r.candidates)
	if at < 0 || x.members[at].unfit {
		return nil, x.await(j, errNoPrimary)
	}
	m := &x.members[at]
	if !m.connected() && j.tried&(1<<m.index) != 0 {
		return nil, x.await(j, errNoPrimary)
	}
	return m, nil
}

// stay keeps the session at the server that it depends on, unless an operator has said that nothing is to begin there, or
// another one has followed it as the primary: what would be written there, nobody else would get.
func (x *session) stay() (*member, error) {
	m := x.primary
	if m.server().State().Service == pipeline.InMaintenance {
		return nil, x.gone(m, errors.New("the server is in maintenance"))
	}
	if at := primaryOf(x.r.candidates); at >= 0 && at != m.index {
		return nil, x.gone(m, errDeposed)
	}
	return m, nil
}

// errDeposed says why a session cannot go on at a server that takes connections.
var errDeposed = errors.New("another server is the primary now")

// pickReader chooses a server for a read: a replica, or the primary where there is none.
func (x *session) pickReader(j *job) (*member, error) {
	w := wish{
		maxLag: x.maxLag(j), primaryReads: x.r.config.PrimaryReads, tried: j.tried | x.unfit() | x.barred(),
		connected: x.connected(), maxReplicas: x.r.config.MaxReplicas, gtid: x.wanted(),
	}
	for at := choose(x.r.candidates, x.r.by, &w); at >= 0; at = choose(x.r.candidates, x.r.by, &w) {
		if far, room := x.room(at, &w); room {
			j.leaves = far
			return &x.members[at], nil
		}
		w.tried |= 1 << at
	}
	at := primaryOf(x.r.candidates)
	if at >= 0 && (j.tried|x.unfit()|x.barred())&(1<<at) == 0 {
		return &x.members[at], nil
	}
	if x.parted() {
		return nil, x.await(j, fmt.Errorf("%w: %w", errNoReader, x.parting()))
	}
	if j.failed != nil {
		return nil, x.await(j, fmt.Errorf("%w: %w", errNoReader, j.failed))
	}
	return nil, x.await(j, errNoReader)
}

// room reports whether there is room for the chosen server. A further replica that would be one more than max_replicas was
// chosen for its rank: far is the one of the highest rank, of those that have nothing which the session needs, and to be left
// once the other is connected.
func (x *session) room(at int, w *wish) (far *member, room bool) {
	all := x.r.candidates
	if w.connected>>at&1 != 0 || all[at].server.State().Role == pipeline.Primary || w.replicas(all) < w.maxReplicas {
		return nil, true
	}
	for i := range x.members {
		m := &x.members[i]
		if !m.connected() || !all[i].beyond(&all[at]) || x.irreplaceable(m) || x.holds(m) {
			continue
		}
		if far == nil || all[i].beyond(&all[far.index]) {
			far = m
		}
	}
	return far, far != nil
}

// maxLag is how far behind a replica may be that the command is read at, as the settings and a hint have it: 0 is no limit.
func (x *session) maxLag(j *job) time.Duration {
	limit := x.r.config.MaxLag
	if j.d.maxLag > 0 && (limit == 0 || j.d.maxLag < limit) {
		return j.d.maxLag
	}
	return limit
}

// pickAny chooses the server that answers a session command: others run it when they are next used.
func (x *session) pickAny(j *job) (*member, error) {
	if x.primary != nil && x.needs(x.primary) != "" {
		return x.stay()
	}
	at := primaryOf(x.r.candidates)
	if x.parted() {
		at = -1
	}
	if at >= 0 && (x.members[at].connected() || j.changesSchema() && !x.members[at].unfit) && j.tried&(1<<at) == 0 {
		return &x.members[at], nil
	}
	if x.last != nil && x.last.connected() && j.tried&(1<<x.last.index) == 0 && !x.bars(x.last) {
		return x.last, nil
	}
	if at >= 0 && x.r.config.MaxReplicas == 0 && j.tried&(1<<at) == 0 {
		return &x.members[at], nil
	}
	return x.pickReader(j)
}

// changesSchema reports whether the command changes the default schema. A replica may have one that the primary has not, so
// that the session could never write again.
func (j *job) changesSchema() bool {
	return j.c.Com() == protocol.ComInitDB || j.st != nil && j.st.Class == sqlscan.Use
}

func (x *session) named(server string) *member {
	for i := range x.members {
		m := &x.members[i]
		if m.server().Name() == server && m.server().State().Takes() && !m.unfit {
			return m
		}
	}
	return nil
}

func (x *session) connected() (set uint64) {
	for i := range x.members {
		if x.members[i].connected() {
			set |= 1 << i
		}
	}
	return set
}

func (x *session) unfit() (set uint64) {
	for i := range x.members {
		if x.members[i].leftOut() {
			set |= 1 << i
		}
	}
	return set
}

var (
	errNoPrimary = errors.New("no server is known to be the primary")
	errNoReader  = errors.New("no server takes reads")
)

// await waits for a server that can take the command, where the settings say so, and returns errAgain. Otherwise it
// answers the command and returns errAnswered, or returns what ends the session.
func (x *session) await(j *job, reason error) error {
	if x.s.Killed() {
		return errKilled
	}
	if errors.Is(reason, errNoPrimary) && x.parted() { // no wait brings it back
		return x.part(j)
	}
	if j.until.IsZero() && x.r.config.DelayedRetry > 0 {
		j.until = time.Now().Add(x.r.config.DelayedRetry)
	}
	if left := time.Until(j.until); !j.until.IsZero() && left > 0 {
		if !j.delayed {
			j.delayed = true
			x.r.counts.delayed.Add(1)
		}
		j.tried = 0
		for i := range x.members {
			x.members[i].unfit = false // it may have been told of a new start
		}
		if x.serves(j) { // what the monitor knows is not enough: it does not take connections
			if err := x.pause(min(left, connectPause)); err != nil {
				return err
			}
			return errAgain
		}
		err := x.wait(left, func(ctx context.Context) error {
			return pipeline.AwaitStates(ctx, x.r.config.Servers, func() bool { return x.serves(j) })
		})
		if err == nil {
			return errAgain
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	return x.refuse(j, reason)
}

// serves reports whether there is a server that could take the command. It is asked from another goroutine while the
// session waits.
func (x *session) serves(j *job) bool {
	if primaryOf(x.r.candidates) >= 0 {
		return true
	}
	if j.d.target == toPrimary || j.d.target == toServer || x.asks(j) {
		return false
	}
	return choose(x.r.candidates, x.r.by, &wish{maxLag: x.maxLag(j), maxReplicas: x.r.config.MaxReplicas}) >= 0
}

// refuse answers a command that no server takes.
func (x *session) refuse(j *job, reason error) error {
	if x.r.config.OnPrimaryLoss == "read_only" && errors.Is(reason, errNoPrimary) && (x.trx == nil || j.d.beside) && j.w != nil {
		return j.answer(&protocol.SQLError{
			Code: protocol.ErOptionPreventsStatement, State: "HY000",
			Message: "The MySQL server is running with the --read-only option so it cannot execute this statement: no primary is known",
		})
	}
	if refused, ok := errors.AsType[*protocol.SQLError](reason); ok && refusal(refused) && j.w != nil {
		return j.answer(refused)
	}
	return &noServer{reason}
}

// answer answers the command, where it expects that, by an error. It returns errAnswered, or what ends the session.
func (j *job) answer(e *protocol.SQLError) error {
	if j.c.ExpectsReply() {
		if err := pipeline.Error(j.w, e); err != nil {
			return err
		}
	}
	return errAnswered
}

// noServer ends a session that no server takes. The client is told.
type noServer struct{ err error }

// told is what the client is told: what the servers themselves have said, where they were asked.
func (e *noServer) told() *protocol.SQLError {
	if said, ok := errors.AsType[*protocol.SQLError](e.err); ok {
		return said
	}
	return &protocol.SQLError{
		Code: protocol.ErConnectionKilled, State: "08S01", Message: "Lost connection to the servers: " + e.err.Error(),
	}
}

func (e *noServer) Error() string { return e.err.Error() }

func (e *noServer) Unwrap() []error { return []error{e.told(), e.err} }
