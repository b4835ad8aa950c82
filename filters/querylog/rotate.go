package querylog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// rotatedName is what is appended to the name of a file that has been rotated: when it was, so that names sort by age.
const rotatedName = ".20060102T150405.000000Z"

var rotatedSuffix = regexp.MustCompile(`\.[0-9]{8}T[0-9]{6}\.[0-9]{6}Z(\.gz)?$`)

// retryRotation is the pause after a file could not be renamed.
const retryRotation = time.Minute

// A rotation says when a file makes room for a new one.
type rotation struct {
	maxSize int64         // 0: none
	maxAge  time.Duration // 0: none
}

// full reports whether a file of that size would be too large.
func (r rotation) full(size int64) bool { return r.maxSize > 0 && size > r.maxSize }

// aged reports whether a file last written to then is to get no more now. Ages are not counted from a file's beginning,
// which a restart would forget, but cut at multiples in UTC: a day's file ends at midnight.
func (r rotation) aged(then, now time.Time) bool {
	return r.maxAge > 0 && !then.Truncate(r.maxAge).Equal(now.Truncate(r.maxAge))
}

// dueForRotation reports whether the next record belongs in a new file.
func (s *sink) dueForRotation(now time.Time) bool {
	if s.pipe || s.size <= s.beginning || len(s.ends) == 0 || now.Before(s.rotateFrom) {
		return false
	}
	return s.rotation.full(s.size+int64(s.ends[0]+hashSize)) || s.rotation.aged(s.written, now)
}

// rotate renames the file and begins a new one. Where it cannot be renamed, it is written on.
func (s *sink) rotate(now time.Time) error {
	if err := s.putAside(now); err != nil {
		s.log.Error("query log: cannot rotate; the file is written on", "err", err)
		s.figures.errors.Add(1)
		s.rotateFrom = now.Add(retryRotation)
		return nil
	}
	return s.open(now, "rotated")
}

// putAside renames the file, and closes it.
func (s *sink) putAside(now time.Time) error {
	if !now.After(s.asideAt) { // names must sort by age, even where many are made at once, and files removed meanwhile
		now = s.asideAt.Add(time.Microsecond)
	}
	name := s.path + now.UTC().Format(rotatedName)
	for exists(name) || exists(name+".gz") {
		now = now.Add(time.Microsecond)
		name = s.path + now.UTC().Format(rotatedName)
	}
	s.asideAt = now
	err := os.Rename(s.path, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // somebody else may just have put it aside
		return err
	}
	s.close()
	if s.packer != nil {
		s.packer.add(s.path)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// rotatedFiles returns the files that the one at path was rotated to, oldest first.
func rotatedFiles(path string) (all []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	base := filepath.Base(path)
	for _, e := range entries {
		if at := rotatedSuffix.FindStringIndex(e.Name()); at != nil && e.Name()[:at[0]] == base {
			all = append(all, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	slices.Sort(all)
	return all, nil
}
