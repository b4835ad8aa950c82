package querylog

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

const (
	// minQueue is the least a queue may be, so that a record has a statement of tens of kilobytes even where all of it
	// must be escaped.
	minQueue = 1 << 20
	// minSize is the least a file may grow to before it is rotated.
	minSize = 4 << 10
	// minAge is the shortest time a file may be for.
	minAge = time.Second
)

// Config is what can be set.
type Config struct {
	pipeline.Only
	// Path is the file to append to, "-" the standard output. Where each session has a file, {session} in it stands for
	// the session's id.
	Path string `hcl:"path"`
	// Format is "json" or "csv".
	Format string `hcl:"format,optional"`
	// Fields are what a record says, in this order. Empty: all that cost nothing.
	Fields []string `hcl:"fields,optional"`
	// Literals is "keep", or "redact" to show neither literals nor parameters.
	Literals string `hcl:"literals,optional"`
	// MinDuration leaves out statements that took less.
	MinDuration time.Duration `hcl:"min_duration,optional"`
	// OnlyErrors leaves out statements that succeeded.
	OnlyErrors bool `hcl:"only_errors,optional"`
	// Per is "pipeline" for one file, or "session" for one each.
	Per string `hcl:"per,optional"`
	// Queue is how many bytes of records may wait for the disk. A power of two; others are rounded up to one.
	Queue int `hcl:"queue,optional"`
	// WhenFull is "block" to have statements wait when the queue is full, or "drop" to do without their records.
	WhenFull string `hcl:"when_full,optional"`
	// MaxSize is the size in bytes at which a file is rotated. 0: none.
	MaxSize int `hcl:"max_size,optional"`
	// MaxAge is the time after which a file is rotated, at multiples of it in UTC. 0: never.
	MaxAge time.Duration `hcl:"max_age,optional"`
	// Keep is the number of rotated files that stay. 0: all.
	Keep int `hcl:"keep,optional"`
	// Compress has rotated files compressed.
	Compress bool `hcl:"compress,optional"`
	// Integrity numbers and chains the records.
	Integrity bool `hcl:"integrity,optional"`
	// IntegrityKey makes the hashes of the chain ones that nobody can make who does not know it.
	IntegrityKey string `hcl:"integrity_key,optional"`
}

// defaults are the settings that a file need not name.
var defaults = Config{
	Format: "json", Literals: "keep", Per: "pipeline", Queue: 4 << 20, WhenFull: "block",
}

// check says which setting is wrong.
func (c *Config) check() error {
	for _, v := range []struct {
		setting string
		wrong   error
	}{
		{"path", c.checkPath()},
		{"format", oneOf(c.Format, "json", "csv")},
		{"literals", oneOf(c.Literals, "keep", "redact")},
		{"per", oneOf(c.Per, "pipeline", "session")},
		{"when_full", oneOf(c.WhenFull, "block", "drop")},
		{"min_duration", notBelow(c.MinDuration, 0, "must not be negative")},
		{"queue", between(c.Queue, minQueue, 1<<30)},
		{"max_size", c.checkSize()},
		{"max_age", c.checkAge()},
		{"keep", c.checkRotated("keep", c.Keep != 0)},
		{"keep", notBelow(c.Keep, 0, "must not be negative")},
		{"compress", c.checkRotated("compress", c.Compress)},
	} {
		if v.wrong != nil {
			return pipeline.Invalid(v.setting, v.wrong)
		}
	}
	if c.IntegrityKey != "" && !c.Integrity {
		return pipeline.Invalid("integrity_key", errors.New("is for integrity = true"))
	}
	return nil
}

func (c *Config) checkPath() error {
	marked := strings.Contains(c.Path, sessionMark)
	switch {
	case c.Path == "":
		return errors.New("must name a file, or be \"-\" for the standard output")
	case c.Per == "session" && c.Path == "-":
		return errors.New("is the standard output, which sessions cannot have each")
	case c.Per == "session" && !marked:
		return fmt.Errorf("must have %s in it, for the session's id, as per is \"session\"", sessionMark)
	case c.Per != "session" && marked:
		return fmt.Errorf("has %s in it, which is for per = \"session\"", sessionMark)
	}
	return nil
}

func (c *Config) checkSize() error {
	switch {
	case c.MaxSize == 0:
		return nil
	case c.MaxSize < minSize:
		return fmt.Errorf("must be at least %d bytes, or 0 for no limit", minSize)
	}
	return c.checkFile()
}

func (c *Config) checkAge() error {
	switch {
	case c.MaxAge == 0:
		return nil
	case c.MaxAge < minAge:
		return fmt.Errorf("must be at least %v, or 0 for no limit", minAge)
	}
	return c.checkFile()
}

// checkFile is for settings that only a file can have.
func (c *Config) checkFile() error {
	if c.Path == "-" {
		return errors.New("is for files: the standard output is not rotated")
	}
	return nil
}

// checkRotated is for settings about rotated files.
func (c *Config) checkRotated(setting string, set bool) error {
	if set && c.MaxSize == 0 && c.MaxAge == 0 {
		return fmt.Errorf("%s is about rotated files: set max_size or max_age too", setting)
	}
	return nil
}

func notBelow[T int | time.Duration](v, least T, problem string) error {
	if v < least {
		return errors.New(problem)
	}
	return nil
}

func between(v, least, most int) error {
	if v < least || v > most {
		return fmt.Errorf("must be between %d and %d bytes", least, most)
	}
	return nil
}
