package top

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
)

// reportMode lets a file's group read it, as with other logs.
const reportMode = 0o640

// reports writes files. Any number of goroutines may.
type reports struct {
	log     *slog.Logger
	failed  atomic.Uint64
	failing atomic.Bool
}

// write makes a file of what encode writes, whole or not at all. The log says once that it does not work.
func (r *reports) write(path string, encode func(io.Writer) error) {
	err := replace(path, encode)
	switch {
	case err == nil && r.failing.CompareAndSwap(true, false):
		r.log.Info("top: writing reports again")
	case err == nil:
	default:
		r.failed.Add(1)
		if r.failing.CompareAndSwap(false, true) {
			r.log.Error("top: cannot write a report; those that cannot be written are counted, and not logged one by one",
				"err", err)
		}
	}
}

// replace writes a file beside the one at path and gives it that name.
func replace(path string, encode func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	err = errors.Join(file.Chmod(reportMode), encode(file), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// writable returns an error where no file can be made beside path, which may be empty.
func writable(path string) error {
	if path == "" {
		return nil
	}
	probe, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		return fmt.Errorf("top: %w", err)
	}
	return nil
}
