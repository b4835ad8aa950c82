package querylog

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// sessionMark stands for the session's id in a path.
const sessionMark = "{session}"

// figures are what the writer counts.
type figures struct {
	bytes, records, errors atomic.Uint64
}

// An output is where records go: one file, or one for each session, or the standard output. It belongs to the writer.
type output struct {
	path       string
	perSession bool
	csv        bool
	head       []byte // the first line of a file, nil where it has none
	columns    int    // before that of events
	rotation   rotation
	packer     *packer // nil where rotated files stay as they are
	integrity  bool
	key        []byte
	log        *slog.Logger
	figures    figures
	encoder    encoder
	record     record

	only     *sink
	sessions map[uint32]*sink
	dirty    []*sink // have something staged
}

// openFirst opens the one file, so that a mistake shows at the start. Files of sessions are opened when they are needed.
func (o *output) openFirst(now time.Time) error {
	if o.perSession {
		o.sessions = make(map[uint32]*sink)
		return nil
	}
	o.only = o.sink(o.path)
	if o.path == "-" {
		o.only.file, o.only.pipe = os.Stdout, true
		return o.only.begin(now, "opened")
	}
	return o.only.check(now)
}

func (o *output) sink(path string) *sink {
	s := &sink{output: o, path: path}
	if o.integrity {
		s.chain = newChain(o.key, o.csv)
	}
	return s
}

// to returns the sink of a session.
func (o *output) to(id uint32) *sink {
	if !o.perSession {
		return o.only
	}
	s := o.sessions[id]
	if s == nil {
		s = o.sink(strings.ReplaceAll(o.path, sessionMark, strconv.FormatUint(uint64(id), 10)))
		o.sessions[id] = s
	}
	return s
}

// newOutput makes an output of the settings.
func newOutput(c Config, fields []field, log *slog.Logger) *output {
	csv := c.Format == "csv"
	o := &output{
		path: c.Path, perSession: c.Per == "session", csv: csv, rotation: rotation{int64(c.MaxSize), c.MaxAge},
		integrity: c.Integrity, key: []byte(c.IntegrityKey), log: log,
		encoder: encoder{csv: csv, redact: c.Literals == "redact", columns: columns(fields, csv)},
	}
	if csv {
		o.head, o.columns = header(fields, c.Integrity), len(fields)
	}
	if c.Compress || c.Keep > 0 {
		o.packer = newPacker(c.Keep, c.Compress, log)
	}
	return o
}

// add stages the record of an entry as it lay in the ring, and returns its length.
func (o *output) add(raw []byte) int {
	if flags(binary.LittleEndian.Uint16(raw))&isEvent != 0 {
		o.stage(o.to(binary.LittleEndian.Uint32(raw[rawID:])), raw[eventOverhead:])
		return len(raw)
	}
	o.record.parse(raw)
	s := o.to(o.record.id)
	before := len(s.staged)
	s.staged = o.encoder.append(s.staged, &o.record)
	o.staged(s)
	return len(s.staged) - before
}

// addGap stages a record that says what was dropped.
func (o *output) addGap(id uint32, g span) { o.stage(o.to(id), o.appendGap(nil, g)) }

// gapSize is more than the record of a gap takes, but for the columns before it.
const gapSize = 256

// appendGap appends the record that says what was dropped.
func (o *output) appendGap(dst []byte, g span) []byte {
	e := begin(dst, o.csv, o.columns, "gap", time.Now())
	e.number("lost", g.records)
	e.time("from", g.from)
	e.time("to", g.to)
	return e.end()
}

// stage stages a line. It is copied.
func (o *output) stage(s *sink, line []byte) {
	s.staged = append(s.staged, line...)
	o.staged(s)
}

// staged notes that a record has been appended to what is staged.
func (o *output) staged(s *sink) {
	if len(s.ends) == 0 {
		o.dirty = append(o.dirty, s)
	}
	s.ends = append(s.ends, len(s.staged))
}

// flush writes all that is staged. After an error the rest is still staged.
func (o *output) flush(now time.Time) error {
	for len(o.dirty) > 0 {
		s := o.dirty[len(o.dirty)-1]
		if err := s.flush(now); err != nil {
			return err
		}
		o.dirty = o.dirty[:len(o.dirty)-1]
	}
	return nil
}

// discard forgets what is staged and returns how many records that was.
func (o *output) discard() (n int) {
	for _, s := range o.dirty {
		n += len(s.ends) + bytes.Count(s.rest, []byte{'\n'})
		s.rest = nil
		s.clear()
	}
	o.dirty = nil
	return n
}

// reopen sees to it that every file is the one its path names.
func (o *output) reopen(now time.Time) {
	all := []*sink{o.only}
	if o.perSession {
		all = all[:0]
		for _, s := range o.sessions {
			all = append(all, s)
		}
	}
	for _, s := range all {
		if s.file == nil || s.pipe {
			continue
		}
		if err := s.check(now); err != nil { // the next record's turn to try again, and say so
			o.figures.errors.Add(1)
		}
	}
}

// end closes the file of a session that has ended.
func (o *output) end(id uint32) {
	if s := o.sessions[id]; s != nil && len(s.ends) == 0 {
		s.close()
		delete(o.sessions, id)
	}
}

// close closes all files.
func (o *output) close() {
	if o.only != nil {
		o.only.close()
	}
	for _, s := range o.sessions {
		s.close()
	}
}
