package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of CPU time in /proc: USER_HZ is 100 on every Linux.
const clockTick = 10 * time.Millisecond

// usage is what processes have taken so far.
type usage struct {
	cpu time.Duration // user and system time of all threads
	rss int64         // resident memory in bytes
}

// readUsage adds up processes. It reads /proc, so it needs Linux.
func readUsage(pids []int) (usage, error) {
	var sum usage
	for _, pid := range pids {
		u, err := readProcess(fmt.Sprintf("/proc/%d", pid))
		if err != nil {
			return usage{}, fmt.Errorf("measure process %d: %w", pid, err)
		}
		sum.cpu += u.cpu
		sum.rss += u.rss
	}
	return sum, nil
}

// ownCPU is the generator's own CPU time, 0 where there is no /proc.
func ownCPU() time.Duration {
	u, err := readProcess("/proc/self")
	if err != nil {
		return 0
	}
	return u.cpu
}

func readProcess(dir string) (usage, error) {
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return usage{}, err
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return usage{}, err
	}
	cpu, err := parseStat(stat)
	if err != nil {
		return usage{}, err
	}
	rss, err := parseStatus(status)
	return usage{cpu: cpu, rss: rss}, err
}

// parseStat returns utime + stime. The name of the process stands in
// parentheses before them and may itself hold blanks and parentheses.
func parseStat(stat []byte) (time.Duration, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const utime, stime = 11, 12 // fields 14 and 15 of proc_pid_stat(5)
	if len(fields) <= stime {
		return 0, fmt.Errorf("stat has %d fields after the name, want more than %d", len(fields), stime)
	}
	var ticks int64
	for _, f := range [][]byte{fields[utime], fields[stime]} {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("CPU time in stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// parseStatus returns VmRSS in bytes.
func parseStatus(status []byte) (int64, error) {
	for line := range bytes.Lines(status) {
		rest, ok := bytes.CutPrefix(line, []byte("VmRSS:"))
		if !ok {
			continue
		}
		fields := bytes.Fields(rest)
		if len(fields) != 2 || string(fields[1]) != "kB" {
			return 0, fmt.Errorf("VmRSS in status is %q, want a number of kB", bytes.TrimSpace(rest))
		}
		n, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("VmRSS in status: %w", err)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("status has no VmRSS: the process has ended or is a kernel thread")
}
