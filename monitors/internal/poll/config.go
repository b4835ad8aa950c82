package poll

import (
	"errors"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// minInterval keeps a slip of the finger from being a load.
const minInterval = 10 * time.Millisecond

// Config is what can be set for every monitor.
type Config struct {
	// User and Password are the monitor's own account.
	User     string `hcl:"user"`
	Password string `hcl:"password"`
	// Interval is the time from the start of one poll of a server to the next.
	Interval time.Duration `hcl:"interval,optional"`
	// Timeout bounds a poll, connecting included.
	Timeout time.Duration `hcl:"timeout,optional"`
	// Failures is how many polls in a row must fail before a server is down.
	Failures int `hcl:"failures,optional"`
	// Successes is how many polls in a row must succeed before a server that was down is up.
	Successes int `hcl:"successes,optional"`
}

// Defaults are the settings of a monitor that names only its account.
var Defaults = Config{Interval: time.Second, Timeout: time.Second, Failures: 3, Successes: 2}

// Check returns the mistakes in the settings, joined.
func (c *Config) Check() error {
	var errs []error
	if c.User == "" {
		errs = append(errs, pipeline.Invalid("user", errors.New("a monitor logs in as somebody")))
	}
	if c.Interval < minInterval {
		errs = append(errs, pipeline.Invalid("interval", errors.New("an interval is at least 10ms")))
	}
	if c.Timeout <= 0 {
		errs = append(errs, pipeline.Invalid("timeout", errors.New("a timeout is longer than 0")))
	}
	if c.Failures < 1 {
		errs = append(errs, pipeline.Invalid("failures", errors.New("it takes at least 1")))
	}
	if c.Successes < 1 {
		errs = append(errs, pipeline.Invalid("successes", errors.New("it takes at least 1")))
	}
	return errors.Join(errs...)
}

// CheckServers returns what is wrong with a list of servers as the setting called name.
func CheckServers(name string, servers []*pipeline.Server) error {
	if len(servers) == 0 {
		return pipeline.Invalid(name, errors.New("a monitor needs at least one server"))
	}
	seen := make(map[*pipeline.Server]bool)
	for _, srv := range servers {
		if seen[srv] {
			return pipeline.Invalid(name, errors.New("server "+srv.Name()+" is named twice"))
		}
		seen[srv] = true
	}
	return nil
}
