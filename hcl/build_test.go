package hcl

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirproxy/weir/pipeline"
)

// minimal is a whole file but for the pipeline called app, which tests add.
const minimal = `
server "db1" {
  address = "127.0.0.1:3306"
}
accounts "main" {
  user "app" {
    password = "secret"
  }
}
listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}
`

// TestSettings checks that every sort of setting arrives, over the defaults, which stay as they are.
func TestSettings(t *testing.T) {
	const src = minimal + `
pipeline "app" {
  filter "every" {
    text  = env("WEIR_TEST")
    ratio = -1.5
    on    = true
    every = "1m30s"
    tags  = ["x", file("dos")]
    size  = "64KiB"
    pattern "p" {
      match = file("secret")
    }
    pattern "q" {
      match = "b"
      flags = 255
    }
    limits {
      size = "1KiB"
    }
    maybe = ""
    part {
      match = "c"
    }
    part {
      match = "d"
      on    = false
    }
  }
  filter "every" {
    text = ""
  }
  router "fan" {
    servers = [server.db1]
  }
}`
	var configs []filterConfig
	var b built
	all := kinds(&b)
	for i, kind := range all.Filters {
		if kind.Name == "every" {
			all.Filters[i].New = func(c any, _ pipeline.Env) (pipeline.Filter, error) {
				configs = append(configs, c.(filterConfig))
				return &testFilter{c}, nil
			}
		}
	}
	if _, diags := load("dir/test.hcl", []byte(src), all, discard, environment); diags.HasErrors() {
		t.Fatal(diags)
	}
	want := []filterConfig{{
		Text: "from env", Count: 3, Ratio: -1.5, On: true, Every: 90 * time.Second,
		Tags: []string{"x", "from dos"}, Size: 64 << 10,
		Patterns: []pattern{{Name: "p", Match: "from file"}, {Name: "q", Match: "b", Flags: 255}},
		Limits:   &limits{Rows: 10, Size: 1 << 10},
		Parts:    []part{{Match: "c"}, {Match: "d", On: new(bool)}},
		Maybe:    new(string),
	}, {
		Count: 3, Every: time.Minute, Tags: []string{"a"}, Limits: &limits{Rows: 10},
	}}
	if diff := cmp.Diff(want, configs); diff != "" {
		t.Errorf("settings (- want, + got):\n%s", diff)
	}
	if filterDefaults.Limits.Size != 0 {
		t.Error("the defaults were changed")
	}
}

// TestOrder checks that steps are built in the order of the file, and a pipeline after those it refers to.
func TestOrder(t *testing.T) {
	_, diags, steps := loadText(minimal + `
pipeline "app" {
  filter "plain" {
  }
  filter "tee" {
    target = pipeline.shadow
  }
  filter "every" {
    text = "first"
  }
  filter "every" {
    text = "second"
  }
  router "fan" {
    servers = [server.db2, server.db3]
  }
}
pipeline "shadow" {
  router "fan" {
    servers = [server.db1]
  }
}
server "db2" {
  address = "127.0.0.1:3307"
}
server "db3" {
  address = "127.0.0.1:3308"
}`)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	want := built{"fan db1", "plain", "tee", "every first", "every second", "fan db2,db3"}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps (- want, + got):\n%s", diff)
	}
}

// TestProcess checks what a process holds, with and without its block.
func TestProcess(t *testing.T) {
	const rest = minimal + `
server "db2" {
  address         = "127.0.0.1:3307"
  weight          = 3
  connect_timeout = "1s"
}
pipeline "app" {
  router "fan" {
    servers = [server.db2, server.db1]
  }
}
`
	for name, test := range map[string]struct {
		block string
		want  pipeline.ProcessConfig
	}{
		"without": {"", pipeline.ProcessConfig{WorkerLoad: 70, IOUring: true, ShutdownTimeout: 30 * time.Second, Log: &pipeline.LogConfig{Format: "text", Level: "info"}}},
		"empty":   {"process {\n}\n", pipeline.ProcessConfig{WorkerLoad: 70, IOUring: true, ShutdownTimeout: 30 * time.Second, Log: &pipeline.LogConfig{Format: "text", Level: "info"}}},
		"with": {
			"process {\n workers = 2\n shutdown_timeout = \"1s\"\n log {\n level = \"warn\"\n }\n}\n",
			pipeline.ProcessConfig{Workers: 2, WorkerLoad: 70, IOUring: true, ShutdownTimeout: time.Second, Log: &pipeline.LogConfig{Format: "text", Level: "warn"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var logged pipeline.LogConfig
			logger := slog.New(slog.DiscardHandler)
			var b built
			p, diags := load("dir/test.hcl", []byte(rest+test.block), kinds(&b), func(c pipeline.LogConfig) *slog.Logger {
				logged = c
				return logger
			}, environment)
			if len(diags) > 0 {
				t.Fatal(diags)
			}
			if diff := cmp.Diff(test.want, p.Config); diff != "" {
				t.Errorf("settings (- want, + got):\n%s", diff)
			}
			if logged != *p.Config.Log || p.Log != logger {
				t.Errorf("the logger was made of %v", logged)
			}
			var servers []pipeline.ServerConfig
			for _, s := range p.Servers {
				servers = append(servers, s.Config)
			}
			want := []pipeline.ServerConfig{
				{Name: "db1", Address: "127.0.0.1:3306", Weight: 1, Rank: 1, ConnectTimeout: 10 * time.Second},
				{Name: "db2", Address: "127.0.0.1:3307", Weight: 3, Rank: 1, ConnectTimeout: time.Second},
			}
			if diff := cmp.Diff(want, servers); diff != "" {
				t.Errorf("servers (- want, + got):\n%s", diff)
			}
			if len(p.Pipelines) != 1 || p.Pipelines[0] != p.Listeners[0].Config.Pipeline {
				t.Errorf("pipelines: %v", p.Pipelines)
			}
			listener := pipeline.ListenerDefaults
			listener.Name, listener.Address = "app", "127.0.0.1:4006"
			ignored := cmpopts.IgnoreFields(pipeline.ListenerConfig{}, "Accounts", "Pipeline")
			if diff := cmp.Diff(listener, p.Listeners[0].Config, ignored); diff != "" {
				t.Errorf("listener (- want, + got):\n%s", diff)
			}
			if c := p.Listeners[0].Config; c.Accounts == nil || c.Pipeline == nil || c.Pipeline.Name != "app" {
				t.Errorf("accounts %v, pipeline %v", c.Accounts, c.Pipeline)
			}
		})
	}
}

// TestLoad reads real files and the real environment.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("WEIR_TEST_ADDRESS", "127.0.0.1:3306")
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("password", "secret\n")
	path := write("weir.hcl", `
server "db1" {
  address = env("WEIR_TEST_ADDRESS")
}
accounts "main" {
  user "app" {
    password = file("password")
  }
}
listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}
pipeline "app" {
  router "fan" {
    servers = [server.db1]
  }
}
`)
	var b built
	if _, diags := Load(path, kinds(&b), discard); len(diags) > 0 {
		t.Error(diags)
	}
	for name, want := range map[string]string{
		filepath.Join(dir, "missing.hcl"): "cannot be read: no such file or directory",
		dir:                               "cannot be read: is a directory",
		write("large.hcl", string(make([]byte, maxFile+1))): "cannot be read: read " + filepath.Join(dir, "large.hcl") + ": larger than 1 MiB",
	} {
		p, diags := Load(name, kinds(&b), discard)
		if p != nil || len(diags) != 1 || diags[0].Line != 0 || diags[0].Summary != want || diags[0].File != name {
			t.Errorf("%s: %v", name, diags)
		}
	}
}
