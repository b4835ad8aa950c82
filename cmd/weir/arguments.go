package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
)

// newFlags makes the flags of a verb, which says by itself what is wrong with them.
func newFlags(verb string) *flag.FlagSet {
	flags := flag.NewFlagSet(verb, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parse reads flags that may stand before, between and behind the words, which it returns. An SQL comment ("-- weir ...")
// is a word, though it begins like a flag.
func parse(flags *flag.FlagSet, args []string) (words []string, err error) {
	for len(args) > 0 {
		next := slices.IndexFunc(args, isComment)
		if next == 0 {
			words, args = append(words, args[0]), args[1:]
			continue
		}
		if next < 0 {
			next = len(args)
		}
		if err := flags.Parse(args[:next]); err != nil {
			return nil, err
		}
		rest := flags.Args()
		if len(rest) > 0 {
			words, rest = append(words, rest[0]), rest[1:]
		}
		args = append(slices.Clone(rest), args[next:]...)
	}
	return words, nil
}

func isComment(arg string) bool {
	return len(arg) > 2 && arg[:2] == "--" && (arg[2] == ' ' || arg[2] == '\t' || arg[2] == '\n')
}

// misused says how a verb is used, where it was asked or was not used so. It returns the exit status.
func misused(verb, usage string, err error, stdout, stderr io.Writer) int {
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "weir %s: %v\n", verb, err)
	}
	fmt.Fprint(stderr, usage)
	return 2
}
