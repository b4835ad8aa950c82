package querylog

import (
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// packChunk is how much is compressed before the processor is offered to others: workers share it.
const packChunk = 16 << 10

// A packer compresses rotated files and removes old ones, on a goroutine of its own.
type packer struct {
	keep     int // how many rotated files stay; 0: all
	compress bool
	log      *slog.Logger

	mu    sync.Mutex
	paths []string // whose rotated files are to be looked at
	wake  chan struct{}
	stop  chan struct{}
	done  chan struct{}
}

func newPacker(keep int, compress bool, log *slog.Logger) *packer {
	return &packer{
		keep: keep, compress: compress, log: log,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// add has the packer look at the files that the one at path was rotated to. It does not block.
func (p *packer) add(path string) {
	p.mu.Lock()
	p.paths = append(p.paths, path)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// addAll is add for all files of a pattern of paths: what an earlier process has left.
func (p *packer) addAll(path string) {
	names, err := filepath.Glob(strings.ReplaceAll(path, sessionMark, "*") + ".*")
	if err != nil { // a path that is no pattern has nothing to be looked for
		return
	}
	seen := make(map[string]bool)
	for _, name := range names {
		base := rotatedSuffix.ReplaceAllString(name, "")
		if base != name && !seen[base] {
			seen[base] = true
			p.add(base)
		}
	}
}

func (p *packer) run() {
	defer close(p.done)
	for {
		select {
		case <-p.wake:
		case <-p.stop:
			return
		}
		p.mu.Lock()
		paths := p.paths
		p.paths = nil
		p.mu.Unlock()
		for _, path := range paths {
			if err := p.tidy(path); errors.Is(err, errStopped) {
				return
			} else if err != nil {
				p.log.Error("query log: tidy up rotated files", "err", err)
			}
		}
	}
}

// close stops the packer; what it is compressing stays as it is until the next start.
func (p *packer) close() {
	close(p.stop)
	<-p.done
}

// tidy removes the oldest rotated files and compresses the others.
func (p *packer) tidy(path string) error {
	all, err := rotatedFiles(path)
	if err != nil {
		return err
	}
	var errs []error
	for p.keep > 0 && len(all) > p.keep {
		errs = append(errs, os.Remove(all[0]))
		all = all[1:]
	}
	for _, name := range all {
		if p.compress && !strings.HasSuffix(name, ".gz") {
			errs = append(errs, p.pack(name))
		}
	}
	return errors.Join(errs...)
}

var errStopped = errors.New("stopped")

// pack replaces a file by its compressed self. The name ends with .gz only once it is whole.
func (p *packer) pack(name string) (err error) {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	part := name + ".gz.part"
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640) //nolint:gosec // as the file itself
	if err != nil {
		return err
	}
	err = p.copy(out, in)
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(part, name+".gz")
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Remove(name)
}

func (p *packer) copy(out io.Writer, in io.Reader) error {
	z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	buf := make([]byte, packChunk)
	for {
		select {
		case <-p.stop:
			return errStopped
		default:
		}
		n, err := in.Read(buf)
		if _, e := z.Write(buf[:n]); e != nil {
			return e
		}
		if errors.Is(err, io.EOF) {
			return z.Close()
		}
		if err != nil {
			return err
		}
		runtime.Gosched()
	}
}
