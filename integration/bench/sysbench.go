package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/weirproxy/weir/integration/server"
)

const tableSize = 100_000

// sysbench makes the run function of one of its scripts.
func sysbench(script string, args ...string) func(context.Context, string, int, window) (counts, error) {
	return func(ctx context.Context, addr string, clients int, w window) (counts, error) {
		first, last := int(w.warm.Seconds()), int((w.warm + w.length).Seconds())
		// It goes on a second longer, so that the second report is not of a run that has ended, with logouts.
		cmd := sysbenchCommand(ctx, addr, script, append(args, "run", "--threads="+strconv.Itoa(clients),
			"--time="+strconv.Itoa(last+1), "--percentile=99", fmt.Sprintf("--report-checkpoints=%d,%d", first, last))...)
		return runSysbench(cmd, w)
	}
}

// prepareTable fills the table that the scripts read.
func prepareTable(ctx context.Context, addr string) error {
	out, err := sysbenchCommand(ctx, addr, "oltp_read_write", "prepare").CombinedOutput()
	if err != nil {
		return fmt.Errorf("sysbench prepare: %w: %s", err, out)
	}
	return nil
}

func sysbenchCommand(ctx context.Context, addr, script string, args ...string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(addr)
	args = append([]string{
		script, "--mysql-host=" + host, "--mysql-port=" + port, "--mysql-user=" + server.User,
		"--mysql-password=" + server.Password, "--mysql-db=" + server.Schema, "--mysql-ssl=off",
		"--table-size=" + strconv.Itoa(tableSize),
	}, args...)
	cmd := exec.CommandContext(ctx, "sysbench", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// runSysbench runs it and reads its reports as they come. Each report is of the time since the one before: the
// second one is the window's.
func runSysbench(cmd *exec.Cmd, w window) (counts, error) {
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return counts{}, err
	}
	if err := cmd.Start(); err != nil {
		return counts{}, err
	}
	var c counts
	var said strings.Builder
	reports := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if strings.Contains(line, "Checkpoint report:") {
			reports++
			switch reports {
			case 1:
				w.begin()
			case 2:
				w.end()
			}
		}
		if reports == 2 {
			err = errors.Join(err, c.parse(line))
			// The final report follows, of the second that is not measured.
			if strings.Contains(line, "Threads fairness:") {
				reports++
			}
		}
		// Each of its threads says the same when the connections break.
		if (reports == 0 || strings.Contains(line, "FATAL")) && said.Len() < 1<<10 {
			fmt.Fprintln(&said, line)
		}
	}
	if werr := cmd.Wait(); werr != nil {
		return counts{}, fmt.Errorf("sysbench: %w: %s%s", werr, said.String(), errs.String())
	}
	if err == nil && (c.Statements == 0 || c.P99 == 0) {
		err = fmt.Errorf("sysbench printed no figures: %s", said.String())
	}
	return c, err
}

// parse takes a figure out of a line of a report, if there is one in it.
func (c *counts) parse(line string) error {
	name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
	fields := strings.Fields(value)
	if len(fields) == 0 {
		return nil
	}
	var err error
	switch name {
	case "queries": // 12345  (4115.00 per sec.)
		if _, err = fmt.Sscanf(value, "%d (%f", &c.Statements, &c.Seconds); err == nil && c.Seconds > 0 {
			c.Seconds = float64(c.Statements) / c.Seconds
		}
	case "99th percentile":
		c.P99, err = strconv.ParseFloat(fields[0], 64)
	case "ignored errors", "reconnects":
		// Deadlocks of the read-write workload are ignored errors, and do happen.
		if n, perr := strconv.Atoi(fields[0]); perr != nil || n > 0 && name == "reconnects" {
			err = fmt.Errorf("sysbench: %s", line)
		}
	}
	return err
}
