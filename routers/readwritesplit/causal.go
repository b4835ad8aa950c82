package readwritesplit

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
)

// A causalScope says whose writes a read must see.
type causalScope uint8

const (
	causalNone causalScope = iota
	causalSession
	causalService
	causalCluster
)

var causalScopeNames = [...]string{"none", "session", "service", "cluster"}

// causalScopeOf finds a scope by its name in the setting.
func causalScopeOf(name string) (causalScope, error) {
	for scope, known := range causalScopeNames {
		if name == known {
			return causalScope(scope), nil
		}
	}
	return 0, fmt.Errorf("%q is not one of none, session, service, cluster", name)
}

// A causality knows, for one session, which transactions its reads must see, and which servers have them already. It is
// the session's own. Where nothing has been written, nothing is asked of any server.
type causality struct {
	scope   causalScope
	service *servicePosition // the router's: what must is of causalService, and resets of causalSession
	resets  uint64           // that must knows of
	must    position
	// version counts the changes of must. For causalService it is the service's. asked is the version that the last
	// statement of appendWait names.
	version, asked uint64
	// reached has for each candidate the version of must that it is known to have. 0 is none: versions are counted from 1.
	reached []uint64
	answer  position // of the primary, kept for its memory
}

// newCausality makes that of a session of a router with so many candidates. service is the router's. For causalNone the
// answer is nil.
func newCausality(scope causalScope, candidates int, service *servicePosition) *causality {
	if scope == causalNone {
		return nil
	}
	return &causality{scope: scope, service: service, reached: make([]uint64, candidates)}
}

// learn takes note of what the session has written: state is the SessionState of an OK packet, of candidate i. Every OK
// packet of a reply counts, and every one that ends rows, not the last one alone. The bytes remain the caller's. An error
// says that a server tells its transactions in a way that is not understood, so that reads may miss them.
func (k *causality) learn(i int, state []byte) error {
	if k.scope == causalCluster {
		return nil // the primary is asked
	}
	for len(state) > 0 {
		kind, data, rest, err := protocol.NextStateChange(state)
		if err != nil {
			return fmt.Errorf("session state changes: %w", err)
		}
		state = rest
		text, err := changedGTIDs(kind, data)
		if err == nil && len(text) > 0 {
			err = k.wrote(i, text)
		}
		if err != nil {
			return fmt.Errorf("session state changes: %q: %w", data, err)
		}
	}
	return nil
}

func (k *causality) wrote(i int, text []byte) error {
	if k.scope == causalService {
		return k.service.wrote(i, text)
	}
	k.refresh()
	advanced, err := k.must.merge(text)
	if advanced {
		k.must.narrow()
		k.version++
	}
	return err
}

// changedGTIDs finds the transactions in a change of the session's state, nil where it is another one.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html,
// https://mariadb.com/kb/en/ok_packet/
func changedGTIDs(kind byte, data []byte) ([]byte, error) {
	switch kind {
	case protocol.SessionTrackGTIDs: // MySQL
		if len(data) == 0 || data[0] != 0 { // 0 is the only encoding there is
			return nil, protocol.ErrMalformed
		}
		return lenenc(data[1:])
	case protocol.SessionTrackSystemVariables: // MariaDB tells of each variable in a change of its own
		if name, n := protocol.LenencString(data); string(name) == "last_gtid" {
			return lenenc(data[n:])
		}
	}
	return nil, nil
}

func lenenc(b []byte) ([]byte, error) {
	text, n := protocol.LenencString(b)
	if n == 0 {
		return nil, protocol.ErrMalformed
	}
	return text, nil
}

// want is what a replica must have executed for the session to read there, for choose; nil where that does not matter. It
// is valid until the causality is next used. For causalCluster, the primary has been asked first.
func (k *causality) want() *position {
	k.refresh()
	if k.must.empty() {
		return nil
	}
	return &k.must
}

// mustWait reports whether candidate i must be made to wait, by the statement of appendWait, before the session reads
// there: it is not known to have what the session must see. For causalCluster, the primary has been asked first.
func (k *causality) mustWait(i int, c *candidate) bool {
	k.refresh()
	if k.must.empty() || k.reached[i] == k.version {
		return false
	}
	st := c.server.State()
	if st.Role == pipeline.Primary {
		return false
	}
	if c.load.has(st, &k.must) {
		k.reached[i] = k.version
		return false
	}
	return true
}

// appendWait appends the statement that has a replica wait for what the session must see, for a time at most. Its answer
// is one row: waited reads it. It comes after a mustWait that said so.
func (k *causality) appendWait(dst []byte, timeout time.Duration) []byte {
	k.asked = k.version
	return k.must.appendWait(dst, timeout)
}

// waited reads the answer of candidate i to the statement of appendWait: row is the payload of its row, in the text
// protocol, nil where there was an error in its place. It reports whether the session may read there now.
func (k *causality) waited(i int, row []byte) bool {
	value, n := protocol.LenencString(row)
	if n == 0 || string(value) != "0" {
		return false
	}
	k.reached[i] = k.asked
	return true
}

// reconnected notes that candidate i may be another server than it was.
func (k *causality) reconnected(i int) { k.reached[i] = 0 }

// found takes the primary's position, for causalCluster: row is the payload of the answer to the statement of
// positionText, in the text protocol.
func (k *causality) found(row []byte) error {
	if err := k.answer.read(row); err != nil {
		return err
	}
	if !k.must.covers(&k.answer) || !k.answer.covers(&k.must) {
		k.must, k.answer = k.answer, k.must
		k.version++
	}
	return nil
}

// overtaken reports whether candidate i, the primary, has to say first what went down with the one that the session has used
// before it: before, nil where there was none.
func (k *causality) overtaken(i int, before *member) bool {
	switch k.scope {
	case causalSession:
		k.refresh()
		return before != nil && before.index != i && !k.must.empty()
	case causalService:
		return before != nil && before.index != i || k.service.overtaken(i)
	}
	return false
}

// refresh takes over what the service has written since, or forgets what the session had written before a reset.
func (k *causality) refresh() {
	switch k.scope {
	case causalService:
		k.version = k.service.read(&k.must, k.version)
	case causalSession:
		if resets := k.service.resets.Load(); resets != k.resets {
			k.resets = resets
			k.must.clear()
			k.version++
		}
	}
}

// mark is for lost.
func (k *causality) mark() uint64 {
	if k.scope == causalService {
		return k.service.mark()
	}
	return k.version
}

// lost takes away what a new primary does not have: it went down with the old one, and who waited for it would wait in
// vain. row is the payload of the answer of candidate i, the new primary, to the statement of positionText; mark was called
// before that was sent. It reports whether that could be done: for causalService, another session may have written in the
// meantime what cannot be told from what was lost, and the primary must be asked again.
func (k *causality) lost(i int, mark uint64, row []byte) (bool, error) {
	if err := k.answer.read(row); err != nil {
		return false, err
	}
	if k.scope == causalService {
		return k.service.lost(i, mark, &k.answer), nil
	}
	k.must.keep(&k.answer, func(*source) bool { return true })
	k.version++
	return true, nil
}
