package overload

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

// Memory reads how much of the memory that the process may have is in use and cannot be reclaimed. It is for one
// goroutine at a time. These are the limits, of which the one that is nearest counts:
//
//	memory.max, memory.high       cgroup v2, of the process's group and those above it; all that is charged to the group counts,
//	memory.limit_in_bytes         cgroup v1   but pages of files, which the kernel takes back, and its own caches
//	GOMEMLIMIT                    what the collector of garbage has left the last time counts: it works to keep the rest within
//	the memory of the machine     what the process has from the system counts
//
// If GOMEMLIMIT is below the limit of a group, garbage does not count there: it is collected before.
type Memory struct {
	groups  []group
	total   uint64 // of the machine; 0 if not known
	process func() Process
	soft    func() uint64 // GOMEMLIMIT
}

// Process is what the Go runtime has of the system's memory, in bytes.
type Process struct {
	Held   uint64 // all of it
	Needed uint64 // what was in use when garbage was collected last, and what cannot be collected
}

// OpenMemory finds out which limits there are.
func OpenMemory() *Memory {
	return openMemory("/", readProcess, func() uint64 { return uint64(debug.SetMemoryLimit(-1)) })
}

func openMemory(root string, process func() Process, soft func() uint64) *Memory {
	return &Memory{groups: findGroups(root), total: totalMemory(root), process: process, soft: soft}
}

// Share returns the largest share that is used of a limit, 0 if there is none. Limits may change while we run.
func (m *Memory) Share() float64 {
	p, soft := m.process(), m.soft()
	share := portion(p.Held, m.total)
	if soft < math.MaxInt64 {
		share = max(share, portion(p.Needed, soft))
	}
	for _, g := range m.groups {
		used, limit := g.read()
		if soft < limit {
			used -= min(used, p.Held-min(p.Held, p.Needed))
		}
		share = max(share, portion(used, limit))
	}
	return share
}

// portion is used divided by limit; 0 without a limit.
func portion(used, limit uint64) float64 {
	if limit == 0 {
		return 0
	}
	return float64(used) / float64(limit)
}

func readProcess() Process {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(s)
	v := func(i int) uint64 { return s[i].Value.Uint64() }
	held := v(0) - min(v(0), v(1))
	heap := v(2) + v(3) + v(4)
	return Process{Held: held, Needed: held - min(held, heap) + min(v(5), v(2))}
}

// totalMemory is MemTotal of /proc/meminfo, 0 if there is none.
func totalMemory(root string) uint64 {
	for line := range strings.Lines(readFile(filepath.Join(root, "proc/meminfo"))) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			n, _ := strconv.ParseUint(f[1], 10, 54)
			return n << 10
		}
	}
	return 0
}

// readFile returns what is in a file of the kernel's, "" if there is none.
func readFile(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(b)
}
