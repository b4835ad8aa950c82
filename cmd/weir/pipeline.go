package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/weirproxy/weir/cmd/weir/control"
)

const pipelineUsage = `usage: weir pipeline reset-gtid NAME
with [--socket PATH | --config FILE]
`

// pipelineVerb has the router of a running process's pipeline do something.
func pipelineVerb(args []string, stdout, stderr io.Writer) int {
	var at place
	flags := newFlags("pipeline")
	at.flags(flags)
	words, err := parse(flags, args)
	if err == nil {
		err = checkReset(words)
	}
	if err != nil {
		return misused("pipeline", pipelineUsage, err, stdout, stderr)
	}
	client := at.client(stderr)
	if client == nil {
		return 1
	}
	if err := client.ResetGTID(context.Background(), words[1]); err != nil {
		fmt.Fprintf(stderr, "weir: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "pipeline %s has forgotten which GTIDs reads wait for\n", words[1])
	return 0
}

// checkReset checks the words behind "weir pipeline".
func checkReset(words []string) error {
	const verb = "reset-gtid"
	switch {
	case len(words) == 0:
		return errors.New("it needs a verb and a pipeline")
	case words[0] != verb:
		return fmt.Errorf("unknown verb %q%s", words[0], control.Suggestion(words[0], []string{verb}))
	case len(words) != 2 || words[1] == "":
		return fmt.Errorf("%s takes one pipeline: %[1]s app", verb)
	}
	return nil
}
