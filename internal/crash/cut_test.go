package crash

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writeLog makes a file of size bytes, zeros after text, last written to age ago.
func writeLog(t *testing.T, path, text string, size int64, age time.Duration) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestCutNewest(t *testing.T) {
	dir := t.TempDir()
	writeLog(t, filepath.Join(dir, "1.mem"), "older", 200_000, time.Hour)
	writeLog(t, filepath.Join(dir, "2.mem"), "written", 200_000, time.Minute)
	writeLog(t, filepath.Join(dir, "3.mem"), "", 200_000, time.Second) // nothing in it yet
	writeLog(t, filepath.Join(dir, "MANIFEST"), "no log", 6, 0)
	c, err := cutNewest(dir, 5, func(n int64) int64 { return n - 1 })
	if err != nil || filepath.Base(c.name) != "2.mem" || c.bytes != 5 || c.left != 2 {
		t.Fatalf("got %v, %v, want 5 bytes off 2.mem and 2 left", c, err)
	}
	if got, err := os.ReadFile(c.name); err != nil || string(got) != "wr" {
		t.Errorf("got %q, %v, want %q", got, err, "wr")
	}
}

func TestWrittenBytes(t *testing.T) {
	for _, tt := range []struct {
		text string
		size int64
		want int64
	}{
		{"", 0, 0}, {"", 100_000, 0}, {"x", 1, 1}, {"x", 65_536, 1}, {"xyz", 65_537, 3}, {"a\x00b", 131_072, 3},
	} {
		path := filepath.Join(t.TempDir(), "x")
		writeLog(t, path, tt.text, tt.size, 0)
		if got, err := writtenBytes(path); got != tt.want || err != nil {
			t.Errorf("%q in %d bytes: got %d, %v, want %d", tt.text, tt.size, got, err, tt.want)
		}
	}
}

func TestNothingToCut(t *testing.T) {
	if _, err := cutNewest(t.TempDir(), 10, func(int64) int64 { return 0 }); !errors.Is(err, errNoLog) {
		t.Errorf("got %v, want %v", err, errNoLog)
	}
}
