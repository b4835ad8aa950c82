package hcl

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// A size is a setting with UnmarshalText.
type size int

func (s *size) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "KiB")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return fmt.Errorf("%q is not a size such as \"64KiB\"", text)
	}
	*s = size(n << 10)
	return nil
}

type pattern struct {
	Name  string `hcl:"name,label"`
	Match string `hcl:"match"`
	Flags uint8  `hcl:"flags,optional"`
}

// A part is a block without a label of which there may be several.
type part struct {
	Match string `hcl:"match"`
	On    *bool  `hcl:"on,optional"`
}

type limits struct {
	Rows int  `hcl:"rows,optional"`
	Size size `hcl:"size,optional"`
}

// filterConfig has a setting of every type there is.
type filterConfig struct {
	Text     string        `hcl:"text"`
	Count    int           `hcl:"count,optional"`
	Ratio    float64       `hcl:"ratio,optional"`
	On       bool          `hcl:"on,optional"`
	Every    time.Duration `hcl:"every,optional"`
	Tags     []string      `hcl:"tags,optional"`
	Size     size          `hcl:"size,optional"`
	Patterns []pattern     `hcl:"pattern,block"`
	Limits   *limits       `hcl:"limits,block"`
	Parts    []part        `hcl:"part,block"`
	Maybe    *string       `hcl:"maybe,optional"`
}

var filterDefaults = filterConfig{Count: 3, Every: time.Minute, Tags: []string{"a"}, Limits: &limits{Rows: 10}}

// A testFilter is what every filter here is: its settings, to be looked at.
type testFilter struct{ config any }

func (*testFilter) Open(_ *pipeline.Session, next pipeline.Handler) (pipeline.Handler, error) {
	return next, nil
}

// A testRouter is what every router here is.
type testRouter struct{ config any }

func (*testRouter) Open(*pipeline.Session) (pipeline.Handler, error) { return nil, nil }

// Servers is pipeline.ServerLister's.
func (r *testRouter) Servers() []*pipeline.Server { return r.config.(fanConfig).Servers }

// A testTee copies to its target.
type testTee struct {
	testFilter
	target pipeline.Target
}

func (f *testTee) CopiesTo() pipeline.Target { return f.target }

type teeConfig struct {
	Target pipeline.Target `hcl:"target"`
}

type fanConfig struct {
	Servers []*pipeline.Server `hcl:"servers"`
	Main    *pipeline.Server   `hcl:"main,optional"`
}

type watchConfig struct {
	Servers []*pipeline.Server `hcl:"servers"`
	Every   time.Duration      `hcl:"every,optional"`
}

// A testMonitor is what every monitor here is.
type testMonitor []*pipeline.Server

func (m testMonitor) Servers() []*pipeline.Server { return m }

// built remembers the steps in the order they were made.
type built []string

// kinds returns the kinds of the tests. Steps are noted in b.
func kinds(b *built) Kinds {
	note := func(env pipeline.Env, what string) {
		*b = append(*b, what)
		env.OnStart(func() error { return nil })
	}
	return Kinds{
		Filters: []pipeline.Kind[pipeline.Filter]{
			pipeline.KindOf("every", filterDefaults, func(c filterConfig, env pipeline.Env) (pipeline.Filter, error) {
				note(env, "every "+c.Text)
				var all []error
				if _, err := regexp.Compile(c.Text); err != nil {
					all = append(all, pipeline.Invalid("text", err))
				}
				if c.Count < 1 {
					all = append(all, pipeline.Invalid("count", errors.New("must be at least 1")))
				}
				for _, p := range c.Patterns {
					if _, err := regexp.Compile(p.Match); err != nil {
						all = append(all, pipeline.Invalid("pattern "+p.Name+": match", err))
					}
				}
				for i, s := range c.Parts {
					if _, err := regexp.Compile(s.Match); err != nil {
						all = append(all, pipeline.Invalid(fmt.Sprintf("part %d: match", i+1), err))
					}
				}
				return &testFilter{c}, errors.Join(all...)
			}),
			pipeline.KindOf("plain", struct{}{}, func(c struct{}, env pipeline.Env) (pipeline.Filter, error) {
				note(env, "plain")
				return &testFilter{c}, nil
			}),
			pipeline.KindOf("tee", teeConfig{}, func(c teeConfig, env pipeline.Env) (pipeline.Filter, error) {
				note(env, "tee")
				return &testTee{testFilter{c}, c.Target}, nil
			}),
			pipeline.KindOf("moody", struct{}{}, func(c struct{}, env pipeline.Env) (pipeline.Filter, error) {
				return nil, errors.New("not today")
			}),
		},
		Monitors: []pipeline.Kind[pipeline.Monitor]{
			pipeline.KindOf("watch", watchConfig{Every: time.Second}, func(c watchConfig, env pipeline.Env) (pipeline.Monitor, error) {
				note(env, "watch")
				if c.Every < time.Millisecond {
					return nil, pipeline.Invalid("every", errors.New("too often"))
				}
				return testMonitor(c.Servers), nil
			}),
		},
		Routers: []pipeline.Kind[pipeline.Target]{
			pipeline.KindOf("fan", fanConfig{}, func(c fanConfig, env pipeline.Env) (pipeline.Target, error) {
				var names []string
				for _, server := range c.Servers {
					names = append(names, server.Config.Name)
				}
				note(env, "fan "+strings.Join(names, ","))
				if len(c.Servers) == 0 {
					return nil, pipeline.Invalid("servers", errors.New("at least one is needed"))
				}
				return &testRouter{c}, nil
			}),
		},
	}
}

// environment is what the files of the tests may ask for.
var environment = system{
	lookupEnv: func(name string) (string, bool) {
		value, ok := map[string]string{"WEIR_TEST": "from env", "EMPTY": "", "LATIN1": "\xe4"}[name]
		return value, ok
	},
	readFile: func(path string) ([]byte, error) {
		if content, ok := map[string]string{"dir/secret": "from file\n", "dir/dos": "from dos\r\n"}[path]; ok {
			return []byte(content), nil
		}
		return nil, fmt.Errorf("open %s: no such file or directory", path)
	},
}

func discard(pipeline.LogConfig) *slog.Logger { return slog.New(slog.DiscardHandler) }

// loadText loads src as the file dir/test.hcl.
func loadText(src string) (*pipeline.Process, Diagnostics, built) {
	var b built
	p, diags := load("dir/test.hcl", []byte(src), kinds(&b), discard, environment)
	return p, diags, b
}
