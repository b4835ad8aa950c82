package process

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is processor time a process has used, all threads together.
type CPU struct {
	Total        time.Duration // exact
	User, System time.Duration // Total, divided as the kernel's clock ticks of 10 ms saw it
}

// Sub returns what was used since an earlier reading.
func (c CPU) Sub(before CPU) CPU {
	d := CPU{Total: c.Total - before.Total, User: c.User - before.User, System: c.System - before.System}
	if ticks := d.User + d.System; ticks > 0 {
		d.User = time.Duration(float64(d.Total) * float64(d.User) / float64(ticks))
		d.System = d.Total - d.User
	}
	return d
}

// ReadCPU reads what a process has used so far.
func ReadCPU(pid int) (CPU, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return CPU{}, err
	}
	// The program's name, in parentheses, may hold anything. Fields 14 and 15 are utime and stime.
	s := string(b)
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(fields) < 13 {
		return CPU{}, fmt.Errorf("/proc/%d/stat: unknown format", pid)
	}
	user, err := ticks(fields[11])
	if err != nil {
		return CPU{}, err
	}
	system, err := ticks(fields[12])
	if err != nil {
		return CPU{}, err
	}
	total, err := clock(pid)
	return CPU{Total: total, User: user, System: system}, err
}

// clock reads the process's processor time clock, whose number is made of its id: clock_getcpuclockid(3).
func clock(pid int) (time.Duration, error) {
	const sched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// ticks converts clock ticks as /proc shows them, which are 10 ms on every Linux (USER_HZ).
func ticks(s string) (time.Duration, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Duration(n) * 10 * time.Millisecond, err
}

// Memory reads a size in bytes from /proc/PID/status: VmRSS is resident now, VmHWM the most there was.
func Memory(pid int, field string) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name != field {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		return kb << 10, err
	}
	return 0, fmt.Errorf("no %s of process %d", field, pid)
}
