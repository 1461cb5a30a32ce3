package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStoreRestoreRefuses(t *testing.T) {
	dir := fillData(t)
	_, whole, _ := run(t, "", "store", "backup", "-", "--data", dir)
	base := t.TempDir()
	fresh := filepath.Join(base, "fresh")
	for _, tt := range []struct{ name, in, data, want string }{
		{"over data", whole, dir, "directory is not empty: stop the node and move the directory away first"},
		{"cut", whole[:len(whole)/2], fresh, "backup is damaged"},
		{"nothing", "", fresh, "it does not begin like one: nothing was restored"},
		{"no directory above", whole, filepath.Join(base, "a/b"), "make the directory above it, or choose another --data"},
	} {
		code, _, stderr := run(t, tt.in, "store", "restore", "-", "--data", tt.data)
		if code != exitFailure || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: got %d, %q, want %d and %q", tt.name, code, stderr, exitFailure, tt.want)
		}
		if exists(t, fresh) {
			t.Errorf("%s: got a data directory, want nothing left behind", tt.name)
		}
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, whole, "store", "restore", "-", "--data", fresh); code != exitOK {
		t.Errorf("into an empty directory: got %d, %q, want 0", code, stderr)
	}
	expectFilled(t, fresh)
	expectFilled(t, dir) // which has stayed as it was
}
