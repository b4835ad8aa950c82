package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/weirproxy/weir/cmd/weir/control"
)

const serversUsage = "usage: weir servers [--json] [--socket PATH | --config FILE]\n"

// servers prints what a running process knows of its servers.
func servers(args []string, stdout, stderr io.Writer) int {
	var at place
	flags := newFlags("servers")
	at.flags(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	words, err := parse(flags, args)
	if err == nil && len(words) > 0 {
		err = errors.New("it takes no name: it prints all servers")
	}
	if err != nil {
		return misused("servers", serversUsage, err, stdout, stderr)
	}
	client := at.client(stderr)
	if client == nil {
		return 1
	}
	list, err := client.Servers(context.Background())
	if err == nil && *asJSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		err = e.Encode(list)
	} else if err == nil {
		err = printServers(stdout, list.Servers, time.Now())
	}
	if err != nil {
		fmt.Fprintf(stderr, "weir: %v\n", err)
		return 1
	}
	return 0
}

// maxGTID is how much of a position the table shows; MySQL's may have many intervals.
const maxGTID = 60

// printServers prints a table.
func printServers(out io.Writer, list []control.Server, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tADDRESS\tSTATE\tROLE\tOF\tLAG\tSERVICE\tCONNECTIONS\tSINCE\tVERSION\tGTID\tREASON")
	for _, s := range list {
		state := "down"
		switch {
		case !s.Monitored:
			state = "unmonitored"
		case s.Up && s.ReadOnly:
			state = "up, read-only"
		case s.Up:
			state = "up"
		}
		lag, since := "", ""
		if s.LagSeconds != nil {
			lag = seconds(*s.LagSeconds).String()
		}
		if s.Since != nil {
			since = now.Sub(*s.Since).Truncate(time.Second).String()
		}
		gtid := s.GTID
		if len(gtid) > maxGTID {
			gtid = gtid[:maxGTID] + "..."
		}
		row := []string{
			s.Name, s.Address, state, s.Role, s.Of, lag, s.Service, fmt.Sprint(s.Connections), since, s.Version, gtid, s.Reason,
		}
		for i, cell := range row {
			row[i] = strings.Map(printable, strings.Join(strings.Fields(cell), " ")) // a tab or line break would break the table
			if row[i] == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// printable takes from what servers have said what a terminal would obey.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}
