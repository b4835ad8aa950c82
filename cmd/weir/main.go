// Command weir is the proxy: it runs what a configuration file describes, or checks the file.
package main

import (
	"fmt"
	"io"
	"os"
)

const usage = `Weir is a streaming proxy for the MySQL and MariaDB protocol.

Usage:

	weir run FILE      run what the configuration file describes, until SIGTERM or SIGINT
	weir check FILE    report every mistake in the configuration file, and run nothing
	weir explain [FLAGS] FILE STATEMENT
	                   say what each step would do with the statement, and send nothing
	weir servers       print what a running weir knows of its servers
	weir server drain|resume NAME, weir server maintenance on|off NAME
	                   have a running weir use a server less, or as before
	weir pipeline reset-gtid NAME
	                   have reads not wait for GTIDs that servers have forgotten
	weir verify-log [-key-file FILE] FILE...
	                   find what is missing or changed in query logs with integrity, oldest file first
	weir version       print what this program was built from
	weir help          print this text

The flag --help of explain, servers, server, pipeline and verify-log says what flags they have.
Exit status: 0 done, 1 it could not be done, or the file has mistakes, 2 wrong usage.
`

func main() { os.Exit(weir(os.Args[1:], os.Stdout, os.Stderr)) }

// weir runs a verb and returns the exit status.
func weir(args []string, stdout, stderr io.Writer) int {
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	switch {
	case verb == "run" && len(args) == 2:
		return run(args[1], stderr)
	case verb == "check" && len(args) == 2:
		return check(args[1], stdout, stderr)
	case verb == "run", verb == "check":
		fmt.Fprintf(stderr, "weir %s takes one file.\n\n%s", verb, usage)
		return 2
	case verb == "explain":
		return explain(args[1:], stdout, stderr)
	case verb == "servers":
		return servers(args[1:], stdout, stderr)
	case verb == "server":
		return server(args[1:], stdout, stderr)
	case verb == "pipeline":
		return pipelineVerb(args[1:], stdout, stderr)
	case verb == "verify-log":
		return verifyLog(args[1:], stdout, stderr)
	case verb == "version", verb == "-version", verb == "--version":
		fmt.Fprintln(stdout, version())
		return 0
	case verb == "help", verb == "-h", verb == "-help", verb == "--help":
		fmt.Fprint(stdout, usage)
		return 0
	case verb == "":
		fmt.Fprint(stderr, usage)
		return 2
	}
	fmt.Fprintf(stderr, "weir has no verb %q.\n\n%s", verb, usage)
	return 2
}
