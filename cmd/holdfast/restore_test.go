package main

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	bdb "github.com/dgraph-io/badger/v4"
)

// A node takes in what an earlier one has stored, and says so.
func TestServeRestores(t *testing.T) {
	dir := fillData(t)
	d := startDurable(t, dir)
	d.stop()
	log := d.log.String()
	if want := "msg=restored dir=" + dir + " sessions=1 subscriptions=1 retained=1 took="; !strings.Contains(log, want) {
		t.Errorf("got log %s, want it to hold %q", log, want)
	}
	expectFilled(t, dir)
}

// rawDatabase makes a database that holds one key and is no node's.
func rawDatabase(t *testing.T, dir string, key, value []byte) {
	t.Helper()
	db, err := bdb.Open(bdb.DefaultOptions(dir).WithLogger(nil).WithMetricsEnabled(false).WithMemTableSize(16 << 20))
	if err == nil {
		err = db.Update(func(txn *bdb.Txn) error { return txn.Set(key, value) })
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is wrong with a data directory is told in one line that says what to do.
func TestServeRefusesDataDirectory(t *testing.T) {
	base := t.TempDir()
	path := func(name string) string { return filepath.Join(base, name) }
	if err := os.WriteFile(path("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rawDatabase(t, path("newer"), []byte("vl"), binary.AppendUvarint(nil, 2))
	rawDatabase(t, path("foreign"), []byte("key"), nil)
	inUse := startDurable(t, path("used"))
	tests := []struct{ name, dir, want string }{
		{"in use", inUse.data, "data directory " + inUse.data + " is in use by another process: stop it or choose another --data"},
		{"a file", path("file"), "data directory " + path("file") + " is not a directory: choose another --data"},
		{"no directory above", path("a/b"), "no such file or directory: make the directory above it, or choose another --data"},
		{"newer layout", path("newer"), "unknown layout version: it has version 2, this program knows 1: use the version of holdfast that has written it"},
		{"another program's", path("foreign"), "unknown layout version: it is a Badger database, but not of holdfast: use the version"},
	}
	if runtime.GOOS == "linux" {
		// Nobody, root included, can make anything there.
		tests = append(tests, []struct{ name, dir, want string }{
			{"may not be made", "/sys/holdfast-data", "data directory"},
			{"not writable", "/sys/kernel", "choose another --data"},
		}...)
	}
	if os.Geteuid() != 0 { // who may write everywhere
		for name, mode := range map[string]os.FileMode{"read-only": 0o500, "secret": 0} {
			if err := os.Mkdir(path(name), mode); err != nil {
				t.Fatal(err)
			}
			tests = append(tests, struct{ name, dir, want string }{name, path(name), "permission denied: make it belong to the user that holdfast runs as"})
		}
	}
	for _, tt := range tests {
		var errs buffer
		code := runServe(t.Context(), []string{"--listen", "mqtt://127.0.0.1:0", "--api", "off", "--data", tt.dir, "--log-level", "error"}, Stdio{Out: io.Discard, Err: &errs})
		text := errs.String()
		if code != exitFailure || !strings.Contains(text, tt.want) || !strings.HasPrefix(text, "holdfast serve: ") || strings.Count(text, "\n") != 1 {
			t.Errorf("%s: got %d, %q, want %d and one line with %q", tt.name, code, text, exitFailure, tt.want)
		}
	}
}
