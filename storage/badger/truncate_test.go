package badger

import (
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

// newest returns the file of Badger's logs with that ending that was made last.
func newest(t *testing.T, dir, ending string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+ending))
	if err != nil || len(files) == 0 {
		t.Fatalf("files *%s: got %v, %v, want some", ending, files, err)
	}
	slices.Sort(files)
	return files[len(files)-1]
}

// used is how many bytes of a log are filled, but for zeros at the end, which the checksum of its last entry may have: the rest
// is zeros.
func used(t *testing.T, file string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return n
}

// TestCutLog cuts Badger's log short at all kinds of places, as a crash of the machine may: what is left is all that
// was written up to some moment.
func TestCutLog(t *testing.T) {
	for _, c := range []struct {
		name, ending string
		large        bool // messages in the value log
	}{
		{"log", ".mem", false}, {"log with values apart", ".mem", true}, {"value log", ".vlog", true},
	} {
		t.Run(c.name, func(t *testing.T) { testCut(t, c.ending, c.large) })
	}
}

func testCut(t *testing.T, ending string, large bool) {
	r := randtest.New(t)
	o := Options{Dir: t.TempDir(), MaxBatch: 3, CommitDelay: -1, hooks: hooks{memTable: 4 << 20, valueThreshold: 1 << 10, noScan: true}}
	s := openForTest(t, o)
	mb := s.NewMailbox()
	const n = 60
	for seq := uint64(1); seq <= n; seq++ {
		m := shared("p")
		if large && seq%3 != 0 {
			m = text(strings.Repeat("p", 2000))
		}
		put(t, s, mb, seq, m)
	}
	image := copyDir(t, o.Dir)
	closeStore(t, s)
	size := used(t, newest(t, image, ending))
	whole := size + crc32.Size
	cuts := []int{0, 1, 19, 20, 21, size, whole}
	for range 30 {
		cuts = append(cuts, r.IntN(size))
	}
	for _, cut := range cuts {
		o.Dir = copyDir(t, image)
		if err := os.Truncate(newest(t, o.Dir, ending), int64(cut)); err != nil {
			t.Fatal(err)
		}
		s := openQuietly(t, o)
		got := seqs(t, s, mb)
		for i, seq := range got {
			if seq != uint64(i+1) {
				t.Errorf("%s cut to %d of %d bytes: got %v, want all up to some number", ending, cut, size, got)
				break
			}
		}
		if cut == whole && len(got) != n {
			t.Errorf("not cut at all: got %d entries, want %d", len(got), n)
		}
		put(t, s, mb, n+1, text("next"))
		if got := seqs(t, s, mb); len(got) == 0 || got[len(got)-1] != n+1 {
			t.Errorf("%s cut to %d bytes, then an entry: got %v, want it last", ending, cut, got)
		}
		closeStore(t, s)
	}
}
