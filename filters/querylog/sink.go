package querylog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// file is what a sink needs of an *os.File.
type file interface {
	io.WriteCloser
	Stat() (os.FileInfo, error)
	Truncate(size int64) error
}

// A sink is one file, and what is staged for it. What is staged has no hashes yet, and may still go to another file,
// should this one have to be opened anew.
type sink struct {
	*output
	path string
	pipe bool // the standard output: it is never rotated, nor opened anew

	file  file // nil while it is not open
	info  os.FileInfo
	size  int64
	chain *chain // nil without integrity

	staged []byte
	ends   []int  // of the records in staged
	out    []byte // what is being written
	rest   []byte // of out, where a part was written that cannot be taken back

	beginning  int64     // length of what the file begins with; 0 where that is not known
	written    time.Time // when the file was last written to
	asideAt    time.Time // in the name of the file that was put aside last
	rotateFrom time.Time // not before then: it could not be renamed
}

// flush writes what is staged.
func (s *sink) flush(now time.Time) error {
	for len(s.ends) > 0 || len(s.rest) > 0 {
		if err := s.check(now); err != nil {
			return err
		}
		if err := s.writeRest(); err != nil {
			return err
		}
		if len(s.ends) == 0 {
			break
		}
		if s.dueForRotation(now) {
			if err := s.rotate(now); err != nil {
				return err
			}
		}
		if err := s.writeSome(); err != nil {
			return err
		}
		s.written = now
	}
	s.clear()
	return nil
}

// clear forgets what is staged. Memory that a burst needed is given back.
func (s *sink) clear() {
	s.staged, s.ends, s.out = s.staged[:0], s.ends[:0], s.out[:0]
	if s.perSession || cap(s.staged) > 4*pieceSize {
		s.staged, s.ends, s.out = nil, nil, nil
	}
}

// writeSome writes what is staged, or as much of it as the file may have.
func (s *sink) writeSome() error {
	var before chain
	if s.chain != nil {
		before = *s.chain
	}
	n, from := s.some()
	out := s.staged[:from]
	if s.chain != nil {
		s.out, from = s.out[:0], 0
		for _, end := range s.ends[:n] {
			s.out = s.chain.append(s.out, s.staged[from:end], nil)
			from = end
		}
		out = s.out
	}
	err := s.write(out)
	if err != nil && s.rest == nil {
		if s.chain != nil {
			*s.chain = before
		}
		return err
	}
	s.figures.records.Add(uint64(n))
	s.staged = append(s.staged[:0], s.staged[from:]...)
	s.ends = append(s.ends[:0], s.ends[n:]...)
	for i := range s.ends {
		s.ends[i] -= from
	}
	return err
}

// some returns how many records the file may have now, at least one, and how long they are as they are staged.
func (s *sink) some() (n, length int) {
	n = len(s.ends)
	if s.rotation.maxSize > 0 {
		size := s.size
		for n = 0; n < len(s.ends); n++ {
			record := s.ends[n] - length
			if s.chain != nil {
				record += hashSize
			}
			if size += int64(record); n > 0 && s.rotation.full(size) {
				break
			}
			length = s.ends[n]
		}
	}
	return n, s.ends[n-1]
}

// write writes b, or nothing: a part that fitted on the disk is taken back, so that the file ends with a record. Where
// that cannot be done, what is missing is in rest, and comes before all else.
func (s *sink) write(b []byte) error {
	n, err := s.file.Write(b)
	s.figures.bytes.Add(uint64(n))
	s.size += int64(n)
	if err == nil || n == 0 {
		return err
	}
	if !s.pipe {
		if info, e := s.file.Stat(); e == nil && info.Size() == s.size && s.file.Truncate(s.size-int64(n)) == nil {
			s.size -= int64(n)
			return err
		}
	}
	s.rest = bytes.Clone(b[n:])
	return err
}

func (s *sink) writeRest() error {
	for len(s.rest) > 0 {
		n, err := s.file.Write(s.rest)
		s.figures.bytes.Add(uint64(n))
		s.size += int64(n)
		s.rest = s.rest[n:]
		if err != nil {
			return err
		}
	}
	s.rest = nil
	return nil
}

// check opens the file where it is not open, or no longer the one its path names: it may have been renamed, or removed
// with its folder. A file that has been emptied begins anew.
func (s *sink) check(now time.Time) error {
	if s.pipe {
		return nil
	}
	if s.file == nil {
		return s.open(now, "reopened")
	}
	info, err := os.Stat(s.path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && os.SameFile(info, s.info):
		if info.Size() >= s.size {
			return nil
		}
		s.size = info.Size()
		if s.size > 0 {
			return nil
		}
		return s.begin(now, "truncated")
	}
	s.close()
	return s.open(now, "reopened")
}

// open opens the file for appending, and begins it where it is empty. Should somebody rename it before it could be read,
// it opens the next one.
func (s *sink) open(now time.Time, reason string) (err error) {
	for range 3 {
		if err = s.openOnce(now, reason); s.file != nil || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

func (s *sink) openOnce(now time.Time, reason string) error {
	file, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640) //nolint:gosec // as other logs: its group reads it
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	s.file, s.info, s.size, s.written, s.beginning = file, info, info.Size(), info.ModTime(), 0
	if !info.Mode().IsRegular() {
		s.pipe = true // /dev/stdout, a FIFO: there is nothing to read in it, and nothing to come back to
	}
	err = s.resume(now, reason)
	if err != nil && s.rest == nil {
		s.close()
	}
	return err
}

// resume makes the file ready for the next record: it may have other columns, its last line may have been cut off, and
// its chain goes on.
func (s *sink) resume(now time.Time, reason string) error {
	if s.size > 0 && !s.pipe {
		same, err := startsWith(s.path, s.head)
		if err != nil {
			return err
		}
		if !same {
			s.log.Warn("query log: the file has other columns, and is put aside", "path", s.path)
			if err := s.putAside(now); err != nil {
				return err
			}
			return s.open(now, reason)
		}
		missing, err := unfinished(s.path, s.csv)
		if err == nil && len(missing) > 0 {
			err = s.write([]byte(missing))
		}
		if err != nil {
			return err
		}
	}
	if s.chain != nil && !s.chain.begun && !s.pipe {
		if err := s.chain.resume(s.path); err != nil {
			return fmt.Errorf("read how %s ends: %w", s.path, err)
		}
	}
	return s.begin(now, reason)
}

// begin writes what a file begins with, where it is empty, and how the chain goes on.
func (s *sink) begin(now time.Time, reason string) error {
	empty := s.size == 0
	var out []byte
	if empty {
		out = append(out, s.head...)
	}
	var before chain
	if s.chain != nil {
		before = *s.chain
		if !before.begun {
			reason = "started"
		}
		out = s.chain.append(out, s.chain.record(now, reason, s.columns), out)
		s.chain.begun = true
	}
	err := s.write(out)
	if err != nil && s.rest == nil {
		if s.chain != nil {
			*s.chain = before
		}
		return err
	}
	if empty {
		s.beginning = s.size + int64(len(s.rest))
	}
	return err
}

func (s *sink) close() {
	if s.file == nil || s.file == file(os.Stdout) {
		return
	}
	if len(s.rest) > 0 {
		s.log.Error("query log: a record is cut off", "path", s.path, "bytes", len(s.rest))
		s.rest = nil
	}
	if err := s.file.Close(); err != nil {
		s.log.Error("query log: close", "err", err)
	}
	s.file = nil
}
