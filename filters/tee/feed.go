package tee

import (
	"encoding/binary"
	"io"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// A feed gives the branch what the link has queued, in the branch's terms. It is a pipeline.Feed.
type feed struct {
	l       *link
	asked   bool  // for a command: the branch is open
	current *item // being served
	orphan  *slot // to be closed next
	watch   watch
	command pipeline.Command
	body    sent
	scratch []byte
}

// Next is pipeline.Feed's.
func (d *feed) Next() (*pipeline.Command, pipeline.ReplyWriter) {
	l := d.l
	d.asked = true
	if d.current != nil {
		d.settle()
	}
	if d.orphan != nil {
		id := binary.LittleEndian.AppendUint32(nil, d.orphan.id)
		d.orphan = nil
		d.command = *pipeline.NewCommand(protocol.ComStmtClose, id, 0)
		return &d.command, &d.watch
	}
	for {
		it := l.queue.first
		if it == nil {
			l.account()
			return nil, nil
		}
		if d.forgets(it) {
			return &d.command, &d.watch
		}
		l.queue.pop()
		l.counts.statements.Add(-1)
		if d.needless(it) {
			l.queue.put(it)
			continue
		}
		if d.load(it) {
			d.current = it
			return &d.command, &d.watch
		}
		d.untaken(it)
		l.skip()
		l.part("its branch cannot take a " + protocol.CommandName(it.com))
		l.queue.put(it)
	}
}

// needless reports whether a command says nothing to the branch, where a statement is not prepared.
func (d *feed) needless(it *item) bool {
	return it.slot != nil && it.slot.state == slotText && (it.com == protocol.ComStmtClose || it.com == protocol.ComStmtReset)
}

// load makes the command of an item. It reports false where the branch cannot take it.
func (d *feed) load(it *item) bool {
	data, ok := d.translate(it)
	if !ok {
		return false
	}
	d.watch.reset(nil, d.l.f.digests != nil)
	d.body = sent{it: it, more: it.more, watch: &d.watch}
	d.command = pipeline.Command{Data: data, Body: &d.body}
	d.command.SetSpan(it.span)
	if it.part {
		d.command.Part = protocol.First
	}
	return true
}

// translate changes an item's bytes, which nobody else has, to what they are for the branch's servers.
func (d *feed) translate(it *item) (data []byte, ok bool) {
	caps := d.l.branch.Session().Capabilities()
	if it.com == protocol.ComStmtBulkExecute && !caps.Has(protocol.MariaDBClientStmtBulkOperations) {
		return nil, false
	}
	if sl := it.slot; sl != nil && it.com != protocol.ComStmtPrepare {
		if sl.state == slotText && it.com == protocol.ComStmtExecute {
			return d.asText(sl, caps), true
		}
		if sl.state != slotReady || len(it.data) < protocol.HeaderSize+5 {
			return nil, false
		}
		if protocol.Executes(it.com) && !d.binds(it) {
			return nil, false
		}
		binary.LittleEndian.PutUint32(it.data[protocol.HeaderSize+1:], sl.id)
		if _, param, _, ok := protocol.LongData(it.data); ok && it.com == protocol.ComStmtSendLongData && param < sl.params {
			if sl.long == nil {
				sl.long = make([]uint64, sl.params)
			}
			sl.long[param] = 1
		}
	}
	if d.l.s.Capabilities().Has(protocol.ClientQueryAttributes) && !caps.Has(protocol.ClientQueryAttributes) {
		return withoutAttrs(it)
	}
	return it.data, true
}

// asText makes a COM_QUERY of the execution of a statement without parameters.
func (d *feed) asText(sl *slot, caps protocol.Capability) []byte {
	b := append(d.scratch[:0], 0, 0, 0, 0, protocol.ComQuery)
	if caps.Has(protocol.ClientQueryAttributes) {
		b = append(b, 0, 1) // none, in one set
	}
	d.scratch = append(b, sl.text...)
	protocol.PutHeader(d.scratch, len(d.scratch)-protocol.HeaderSize, 0)
	return d.scratch
}

// withoutAttrs takes out the query attributes, which the branch's servers do not know.
func withoutAttrs(it *item) (data []byte, ok bool) {
	payload := it.data[protocol.HeaderSize:]
	var rest []byte
	switch it.com {
	case protocol.ComQuery:
		rest, ok = protocol.DropQueryAttrs(payload)
		data = it.data[len(payload)-len(rest):]
	case protocol.ComStmtExecute:
		rest, ok = protocol.DropExecuteAttrs(payload, it.slot.params, it.slot.long, !it.part)
		data = it.data[:protocol.HeaderSize+len(rest)]
	default:
		return it.data, true
	}
	length := protocol.PayloadLen(it.data)
	if !ok || length == protocol.MaxPayload && len(rest) < len(payload) { // the packets behind it would have to be cut anew
		return nil, false
	}
	protocol.PutHeader(data, length-len(payload)+len(rest), it.data[3])
	return data, true
}

// settle sees to what has been served.
func (d *feed) settle() {
	l, it, h := d.l, d.current, &d.watch
	l.session.sent++
	l.counts.sent.Add(1)
	switch it.com {
	case protocol.ComStmtPrepare:
		d.learn(it)
	case protocol.ComStmtExecute, protocol.ComStmtBulkExecute, protocol.ComStmtReset:
		it.slot.long = nil
	}
	if protocol.ExpectsReply(it.com) && !it.own {
		if h.code != 0 && it.main.code == 0 && (rollsBack(h.code) || changes(it)) {
			l.part("a statement failed in the branch alone")
		}
		if l.f.digests != nil {
			l.compare(it, &h.outcome)
		}
		if it.main.code == 0 && (d.body.withheld || it.hasFile != (h.asked > 0)) {
			l.part("a file was loaded on one side alone")
		}
	}
	d.current = nil // now: a panic must not lose it
	l.queue.put(it)
}

// erUnsupportedPS is MySQL's refusal to prepare statements that MariaDB prepares, BEGIN for one.
const erUnsupportedPS = 1295

// learn notes what has become of a statement that was to be prepared.
func (d *feed) learn(it *item) {
	sl := it.slot
	switch {
	case d.watch.prepared:
		sl.state, sl.id = slotReady, d.watch.id
		if sl.orphan {
			d.orphan = sl
		}
	case d.watch.code == erUnsupportedPS && !sl.orphan && sl.params == 0 && !it.part:
		sl.state, sl.text = slotText, append([]byte(nil), it.data[protocol.HeaderSize+1:]...)
	default:
		sl.state = slotMissing
	}
}

// changes reports whether a command leaves something behind at the server.
func changes(it *item) bool {
	switch it.com {
	case protocol.ComQuery, protocol.ComStmtExecute, protocol.ComStmtBulkExecute:
		st := it.statement
		return st == nil || st.Class != sqlscan.Read && st.Class != sqlscan.Show || st.Effects&sqlscan.SetsVariable != 0 ||
			st.Effects&sqlscan.IntoVariable != 0
	case protocol.ComInitDB, protocol.ComCreateDB, protocol.ComDropDB, protocol.ComSetOption:
		return true
	}
	return false
}

// End is pipeline.Feed's.
func (d *feed) End(err error) {
	l := d.l
	l.over = true
	l.body.lose() // the session may be in the middle of a command, or have ended there
	if err != nil {
		l.session.end = err
		if d.asked {
			l.counts.lost.Add(1)
			l.part("its branch was lost")
		} else {
			l.counts.refused.Add(1)
			l.part("its branch could not be opened")
		}
	}
	if d.current != nil {
		l.drop("")
		l.queue.put(d.current)
		d.current = nil
	}
	for it := l.queue.pop(); it != nil; it = l.queue.pop() {
		l.counts.statements.Add(-1)
		if !it.own {
			l.drop("")
		}
		l.queue.put(it)
	}
	l.account()
	l.counts.branches.Add(-1)
	if err != nil {
		l.f.reports.lost(l, d.asked, err)
	}
}

// sent delivers the rest of a command to the branch's server, and a file where it asks for one.
type sent struct {
	it    *item
	more  *item // the next piece
	watch *watch
	asked int // for how many files has been answered

	withheld bool // a file that the main server got
}

// Next is pipeline.Body's.
func (b *sent) Next() ([]byte, error) {
	if b.asked < b.watch.asked {
		b.asked++
		if b.more = b.it.file; b.asked > 1 || !b.it.hasFile || b.it.fileSeq != b.watch.fileSeq {
			// The main server has not asked for it, or its packets have other numbers: an empty file.
			b.more, b.withheld = nil, b.withheld || b.it.hasFile
			return []byte{0, 0, 0, b.watch.fileSeq}, nil
		}
	}
	if b.more == nil {
		return nil, io.EOF
	}
	data := b.more.data
	b.more = b.more.next
	return data, nil
}
