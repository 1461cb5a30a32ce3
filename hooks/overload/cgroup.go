package overload

import (
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// group is a cgroup with a memory controller.
type group struct {
	dir string
	kind
}

// kind is what differs between the versions of cgroups: names of files and of what is in memory.stat.
type kind struct {
	usage       string
	limits      []string // the smallest holds
	reclaimable []string // charged to the group, and taken back by the kernel when there is need
	busy        []string // of these, what has to be written first
}

var (
	version1 = kind{
		usage: "memory.usage_in_bytes", limits: []string{"memory.limit_in_bytes"},
		reclaimable: []string{"total_inactive_file", "total_active_file"}, busy: []string{"total_dirty", "total_writeback"},
	}
	version2 = kind{
		usage: "memory.current", limits: []string{"memory.max", "memory.high"},
		reclaimable: []string{"inactive_file", "active_file", "slab_reclaimable"}, busy: []string{"file_dirty", "file_writeback"},
	}
)

// unlimited is from where on a limit of version 1 is none.
const unlimited = 1 << 62

// findGroups returns the process's group and those above it, in either version. Where /proc names a group that cannot
// be seen, as in a container, what is mounted is the process's.
func findGroups(root string) []group {
	var out []group
	for line := range strings.Lines(readFile(filepath.Join(root, "proc/self/cgroup"))) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		switch {
		case f[0] == "0" && f[1] == "":
			out = append(out, ascend(root, []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"}, f[2], version2)...)
		case contains(f[1], "memory"):
			out = append(out, ascend(root, []string{"sys/fs/cgroup/memory"}, f[2], version1)...)
		}
	}
	return out
}

func contains(list, name string) bool { return strings.Contains(","+list+",", ","+name+",") }

// ascend returns the groups of the path and above it that have a file of usage.
func ascend(root string, mounts []string, name string, k kind) []group {
	var out []group
	for _, mount := range mounts {
		for p := path.Clean("/" + name); ; p = path.Dir(p) {
			g := group{dir: filepath.Join(root, mount, p), kind: k}
			if readFile(filepath.Join(g.dir, k.usage)) != "" {
				out = append(out, g)
			}
			if p == "/" {
				break
			}
		}
	}
	return out
}

// read returns what is used and cannot be reclaimed, and the limit; 0 is none.
func (g group) read() (used, limit uint64) {
	for _, name := range g.limits {
		if n, ok := g.number(name); ok && n < unlimited && (limit == 0 || n < limit) {
			limit = n
		}
	}
	if limit == 0 {
		return 0, 0
	}
	used, _ = g.number(g.usage)
	var free, busy uint64
	for line := range strings.Lines(readFile(filepath.Join(g.dir, "memory.stat"))) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			continue
		}
		for _, r := range g.reclaimable {
			if name == r {
				free += n
			}
		}
		for _, b := range g.busy {
			if name == b {
				busy += n
			}
		}
	}
	free -= min(free, busy)
	return used - min(used, free), limit
}

// number is what is in a file. "max" is no number, as is a file that is not there.
func (g group) number(name string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(readFile(filepath.Join(g.dir, name))), 10, 64)
	return n, err == nil
}
