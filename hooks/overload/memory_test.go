package overload

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// files of a kernel without limits, of a machine with 1000 KiB.
var bare = map[string]string{"proc/meminfo": "MemTotal:        1000 kB\nMemFree: 1 kB\n"}

func TestMemoryShare(t *testing.T) {
	v2 := map[string]string{
		"proc/self/cgroup":                      "0::/system.slice/holdfast.service\n",
		"sys/fs/cgroup/system.slice/memory.max": "max\n", "sys/fs/cgroup/system.slice/memory.high": "max\n", "sys/fs/cgroup/system.slice/memory.current": "9000\n",
		"sys/fs/cgroup/system.slice/holdfast.service/memory.max":     "1000\n",
		"sys/fs/cgroup/system.slice/holdfast.service/memory.high":    "max\n",
		"sys/fs/cgroup/system.slice/holdfast.service/memory.current": "800\n",
		"sys/fs/cgroup/system.slice/holdfast.service/memory.stat":    "anon 400\ninactive_file 200\nactive_file 100\nslab_reclaimable 50\nfile_dirty 30\nfile_writeback 20\n",
	}
	v1 := map[string]string{
		"proc/self/cgroup":                                    "4:memory:/pods/one\n1:cpu:/\n0::/\n",
		"sys/fs/cgroup/memory/memory.limit_in_bytes":          "9223372036854771712\n",
		"sys/fs/cgroup/memory/memory.usage_in_bytes":          "99999999\n",
		"sys/fs/cgroup/memory/pods/memory.limit_in_bytes":     "2000\n",
		"sys/fs/cgroup/memory/pods/memory.usage_in_bytes":     "1900\n",
		"sys/fs/cgroup/memory/pods/memory.stat":               "total_inactive_file 100\ntotal_active_file 900\ntotal_dirty 100\ninactive_file 7\n",
		"sys/fs/cgroup/memory/pods/one/memory.limit_in_bytes": "9223372036854771712\n",
		"sys/fs/cgroup/memory/pods/one/memory.usage_in_bytes": "10\n",
	}
	with := func(files map[string]string, more map[string]string) map[string]string {
		out := maps.Clone(files)
		maps.Copy(out, more)
		return out
	}
	const group = "sys/fs/cgroup/system.slice/holdfast.service/"
	for _, tt := range []struct {
		name  string
		files map[string]string
		held  uint64
		need  uint64
		soft  uint64 // GOMEMLIMIT; 0 is none
		want  float64
	}{
		{"nothing is known", nil, 500, 500, 0, 0},
		{"the machine", bare, 512000, 100, 0, 0.5},
		{"GOMEMLIMIT", nil, 900, 600, 1000, 0.6},
		{"the nearer of the two", bare, 512000, 800, 1000, 0.8},
		{"version 2, less what can be reclaimed", v2, 0, 0, 0, 0.5},
		{"more is dirty than there is", with(v2, map[string]string{group + "memory.stat": "inactive_file 10\nfile_dirty 30\n"}), 0, 0, 0, 0.8},
		{"memory.high is lower", with(v2, map[string]string{group + "memory.high": "500\n"}), 0, 0, 0, 1},
		{"the group above is nearer", with(v2, map[string]string{"sys/fs/cgroup/system.slice/memory.max": "10000\n"}), 0, 0, 0, 0.9},
		{"no stat", with(v2, map[string]string{group + "memory.stat": ""}), 0, 0, 0, 0.8},
		{"garbage is collected before the limit", v2, 300, 200, 900, 0.4},
		{"garbage is not", v2, 300, 200, 1100, 0.5},
		{"version 1, the group above", v1, 0, 0, 0, 0.5},
		{"a container that sees its own group as root", map[string]string{
			"proc/self/cgroup":         "0::/../../docker/abc\n",
			"sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "250\n",
		}, 0, 0, 0, 0.25},
		{"nonsense", map[string]string{
			"proc/meminfo": "MemTotal: x kB\nMemTotal:\n", "proc/self/cgroup": "\n:\n0::\n7:memory\n",
			"sys/fs/cgroup/memory.max": "-1\n", "sys/fs/cgroup/memory.current": "x\n",
		}, 500, 500, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			soft := tt.soft
			if soft == 0 {
				soft = math.MaxInt64
			}
			m := openMemory(root, func() Process { return Process{Held: tt.held, Needed: tt.need} }, func() uint64 { return soft })
			if got := m.Share(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// What the process says of itself is plausible: it has memory, and needs no more than it has.
func TestReadProcess(t *testing.T) {
	p := readProcess()
	if p.Held == 0 || p.Needed == 0 || p.Needed > p.Held {
		t.Errorf("got %+v, want 0 < needed <= held", p)
	}
	if share := OpenMemory().Share(); share < 0 || share > 2 {
		t.Errorf("got a share of %v of this machine's memory", share)
	}
}
