package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/weirproxy/weir/filters/querylog"
)

const verifyUsage = "usage: weir verify-log [-key-file FILE] FILE...\n"

// verifyLog checks query logs with integrity, oldest file first.
func verifyLog(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("verify-log", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	keyFile := flags.String("key-file", "", "file that holds the integrity_key")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, verifyUsage)
		return 0
	}
	if err != nil || flags.NArg() == 0 {
		if err != nil {
			fmt.Fprintf(stderr, "weir verify-log: %v\n", err)
		}
		fmt.Fprint(stderr, verifyUsage)
		return 2
	}
	var key []byte
	if *keyFile != "" {
		if key, err = os.ReadFile(*keyFile); err != nil {
			fmt.Fprintf(stderr, "weir: %v\n", err)
			return 1
		}
		// As the function file() of the configuration reads it.
		key = bytes.TrimSuffix(bytes.TrimSuffix(key, []byte("\n")), []byte("\r"))
	}
	v, err := querylog.Verify(flags.Args(), key, func(f querylog.Finding) {
		fmt.Fprintf(stdout, "%s:%d: %s\n", f.File, f.Line, f.Problem)
	})
	if err != nil {
		fmt.Fprintf(stderr, "weir: %v\n", err)
		return 1
	}
	if v.Records == 0 {
		fmt.Fprintln(stdout, "no record has a sequence number and hash")
		return 1
	}
	if v.Findings > 0 {
		return 1
	}
	fmt.Fprintf(stdout, "ok: %d records, %d to %d; the last hash is %s\n", v.Records, v.First, v.Last, v.Hash)
	return 0
}
