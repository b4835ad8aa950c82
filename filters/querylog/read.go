package querylog

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
)

// A logReader reads the records of a file, which may be compressed.
type logReader struct {
	*bufio.Reader
	file *os.File
	buf  []byte
}

func openLog(path string) (*logReader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &logReader{bufio.NewReaderSize(file, 1<<16), file, nil}
	magic, err := r.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, file.Close())
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) { // https://www.rfc-editor.org/rfc/rfc1952#page-6
		return r, nil
	}
	z, err := gzip.NewReader(r.Reader)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &logReader{bufio.NewReaderSize(z, 1<<16), file, nil}, nil
}

func (r *logReader) Close() error { return r.file.Close() }

// record reads one record with the line break at its end, where it is whole. It is valid until the next call. A record
// of a CSV file may have line breaks in quotes.
func (r *logReader) record(csv bool) ([]byte, error) {
	r.buf = r.buf[:0]
	quoted := false
	for {
		part, err := r.ReadSlice('\n')
		r.buf = append(r.buf, part...)
		if csv && bytes.Count(part, []byte{'"'})%2 == 1 {
			quoted = !quoted
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return r.buf, err
		}
		if err == nil && !quoted {
			return r.buf, nil
		}
	}
}

// readAll returns what a file, which may be compressed, has in it.
func readAll(path string) ([]byte, error) {
	r, err := openLog(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
