package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/control"
	"github.com/weirproxy/weir/pipeline"
)

const serverUsage = `usage: weir server drain NAME
       weir server resume NAME
       weir server maintenance on|off NAME
each with [--socket PATH | --config FILE]
`

// An order is what weir server is told to do with a server.
type order struct {
	server string
	to     pipeline.Service
	from   string // what the server's service must be, empty where any will do
}

// server sets how far a server of a running process is used.
func server(args []string, stdout, stderr io.Writer) int {
	var at place
	flags := newFlags("server")
	at.flags(flags)
	words, err := parse(flags, args)
	var o order
	if err == nil {
		o, err = orderOf(words)
	}
	if err != nil {
		return misused("server", serverUsage, err, stdout, stderr)
	}
	client := at.client(stderr)
	if client == nil {
		return 1
	}
	change, err := client.SetService(context.Background(), o.server, o.to, o.from)
	if err != nil {
		fmt.Fprintf(stderr, "weir: %v\n", err)
		return 1
	}
	fmt.Fprintln(stdout, report(change))
	return 0
}

// orderOf reads the words behind "weir server".
func orderOf(words []string) (order, error) {
	verbs := []string{"drain", "maintenance", "resume"}
	switch {
	case len(words) == 0:
		return order{}, errors.New("it needs a verb and a server")
	case !slices.Contains(verbs, words[0]):
		return order{}, fmt.Errorf("unknown verb %q%s", words[0], control.Suggestion(words[0], verbs))
	case slices.Contains(words, ""):
		return order{}, errors.New("a server has a name")
	case words[0] == "maintenance":
		if len(words) != 3 || words[1] != "on" && words[1] != "off" {
			return order{}, errors.New("maintenance takes on or off, and then one server: maintenance on db2")
		}
		if words[1] == "off" {
			return order{words[2], pipeline.InService, pipeline.InMaintenance.String()}, nil
		}
		return order{words[2], pipeline.InMaintenance, ""}, nil
	case len(words) != 2:
		return order{}, fmt.Errorf("%s takes one server: %[1]s db2", words[0])
	case words[0] == "drain":
		return order{words[1], pipeline.Draining, ""}, nil
	}
	return order{words[1], pipeline.InService, ""}, nil
}

// report says what was done, and what follows.
func report(c control.Change) string {
	var b strings.Builder
	if c.Before == c.Server.Service {
		fmt.Fprintf(&b, "%s is %s already", c.Server.Name, control.InWords(c.Server.Service))
	} else {
		fmt.Fprintf(&b, "%s is %s now, and was %s", c.Server.Name, control.InWords(c.Server.Service),
			control.InWords(c.Before))
	}
	if c.Server.Service != pipeline.InService.String() {
		fmt.Fprintf(&b, "; sessions have %d connections to it\n", c.Server.Connections)
		fmt.Fprintf(&b, "It stays so until weir server resume %s, or until weir is started again.", c.Server.Name)
	}
	return b.String()
}
