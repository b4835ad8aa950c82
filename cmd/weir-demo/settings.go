package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
)

// The account of examples/demo.hcl.
const (
	user     = "app"
	password = "weir-demo"
)

// portVariable is where the port of Weir's listener is set; a role has its own.
const portVariable = "WEIR_DEMO_PORT"

// settings come from the environment, and go on to Weir by it: examples/demo.hcl reads the same variables.
type settings struct {
	once     bool // end after the statements
	port     int  // Weir's
	roles    []role
	queryLog string
}

func readSettings() (settings, error) {
	s := settings{roles: []role{
		{name: "primary", variable: "WEIR_DEMO_PRIMARY_PORT"},
		{name: "replica1", variable: "WEIR_DEMO_REPLICA1_PORT", readOnly: true},
		{name: "replica2", variable: "WEIR_DEMO_REPLICA2_PORT", readOnly: true},
	}}
	once := os.Getenv("ONCE")
	s.once = once != "" && once != "0"
	var err error
	for i := range s.roles {
		err = errors.Join(err, readPort(&s.roles[i].port, s.roles[i].variable, 13306+i))
	}
	return s, errors.Join(err, readPort(&s.port, portVariable, 14006))
}

func readPort(port *int, variable string, fallback int) error {
	*port = fallback
	text := os.Getenv(variable)
	if text == "" {
		return nil
	}
	var err error
	if *port, err = strconv.Atoi(text); err != nil || *port < 1 || *port > 65535 {
		return fmt.Errorf("%s=%s: must be a port, 1 to 65535", variable, text)
	}
	return nil
}

// address is where Weir listens.
func (s settings) address() string { return loopback(s.port) }

// environment is what examples/demo.hcl reads with env().
func (s settings) environment() []string {
	env := []string{
		portVariable + "=" + strconv.Itoa(s.port),
		"WEIR_DEMO_PASSWORD=" + password,
		"WEIR_DEMO_QUERYLOG=" + s.queryLog,
	}
	for _, r := range s.roles {
		env = append(env, r.variable+"="+strconv.Itoa(r.port))
	}
	return env
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
