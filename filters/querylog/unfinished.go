package querylog

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// unfinished returns what the last record of a file lacks: a process that was killed may have written a part of it.
func unfinished(path string, csv bool) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return "", err
	}
	quoted := false
	if csv { // lines may end inside a cell, which only the quotes before tell
		buf := make([]byte, 1<<20)
		for {
			n, err := file.Read(buf)
			quoted = quoted != (bytes.Count(buf[:n], []byte{'"'})%2 == 1)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return "", err
			}
		}
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil {
		return "", err
	}
	switch {
	case quoted:
		return "\"\n", nil
	case last[0] != '\n':
		return "\n", nil
	}
	return "", nil
}

// startsWith reports whether a file begins with head.
func startsWith(path string, head []byte) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	first := make([]byte, len(head))
	n, err := io.ReadFull(file, first)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return bytes.Equal(first[:n], head), nil
}
