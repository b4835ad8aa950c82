package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// A queryLog reads the file that the querylog filter writes, while it grows.
type queryLog struct {
	file   *os.File
	reader *bufio.Reader
	begun  string // of a line that is not all there
}

// An entry is one line of the log, and what the demo needs of it.
type entry struct {
	line    string
	Command string
	Server  string
	Error   int
}

func openQueryLog(path string) (*queryLog, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &queryLog{file: file, reader: bufio.NewReader(file)}, nil
}

func (l *queryLog) close() { l.file.Close() }

// next waits for the next line.
func (l *queryLog) next(ctx context.Context) (entry, error) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		part, err := l.reader.ReadString('\n')
		l.begun += part
		if err == nil {
			e := entry{line: strings.TrimSuffix(l.begun, "\n")}
			l.begun = ""
			if err := json.Unmarshal([]byte(e.line), &e); err != nil {
				return e, fmt.Errorf("query log: %w in %s", err, e.line)
			}
			return e, nil
		}
		if !errors.Is(err, io.EOF) {
			return entry{}, fmt.Errorf("query log: %w", err)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return entry{}, context.Cause(ctx)
		}
	}
}
