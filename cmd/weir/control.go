package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/weirproxy/weir/cmd/weir/control"
	"github.com/weirproxy/weir/hcl"
	"github.com/weirproxy/weir/pipeline"
)

// runWithControl runs the process with its control socket, where the file has a control block: from before the process is
// ready to after it has stopped.
func runWithControl(ctx context.Context, process *pipeline.Process) error {
	if process.Control != nil {
		l, err := control.Listen(process)
		if err != nil {
			return err
		}
		defer l.Stop()
	}
	return runWithMetrics(ctx, process)
}

// place is how a verb is told where the control socket is.
type place struct {
	socket, config string
}

func (p *place) flags(flags *flag.FlagSet) {
	flags.StringVar(&p.socket, "socket", "", "path of the control socket")
	flags.StringVar(&p.config, "config", "", "the file that the process runs, to read the path from")
}

// client makes a client for the socket. It says on stderr why there is none.
func (p *place) client(stderr io.Writer) *control.Client {
	switch env := os.Getenv("WEIR_SOCKET"); {
	case p.socket != "":
		return control.NewClient(p.socket)
	case p.config != "":
		process, diags := hcl.Load(p.config, kinds, silent)
		switch {
		case process == nil:
			_ = diags.Print(stderr) // there is nowhere else to say it
			return nil
		case process.Control == nil:
			fmt.Fprintf(stderr, "weir: %s has no control block, so a process that runs it has no control socket; add: control {}\n", p.config)
			return nil
		}
		return control.NewClient(process.Control.Socket)
	case env != "":
		return control.NewClient(env)
	}
	return control.NewClient(pipeline.ControlDefaults.Socket)
}
