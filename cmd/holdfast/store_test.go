package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStoreCommandLine(t *testing.T) {
	dir := t.TempDir()
	inMemory := filepath.Join(dir, "memory.yaml")
	if err := os.WriteFile(inMemory, []byte("data: memory\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	for _, tt := range []struct {
		args           []string
		code           int
		stdout, stderr string // parts
	}{
		{nil, exitUsage, "", "holdfast store stats [flags]"},
		{[]string{"--help"}, exitOK, "Exit codes:", ""},
		{[]string{"compact"}, exitUsage, "", `"compact" is neither stats, check, backup nor restore`},
		{[]string{"stats", "extra"}, exitUsage, "", `unexpected argument "extra"`},
		{[]string{"stats", "--format", "xml"}, exitUsage, "", `"xml" is neither text nor json`},
		{[]string{"check", "--format", "xml"}, exitUsage, "", `"xml" is neither text nor json`},
		{[]string{"stats", "--data", missing}, exitFailure, "", "data directory " + missing + " is not there"},
		{[]string{"check", "--data", dir}, exitFailure, "", dir + " is no data directory: it has no MANIFEST"},
		{[]string{"stats", "--data", inMemory}, exitFailure, "", "is not a directory: choose another --data"},
		{[]string{"stats", "--data", "memory"}, exitUsage, "", `data: "memory" is no directory`},
		{[]string{"stats", "--config", inMemory}, exitUsage, "", `data: "memory" is no directory`},
		{[]string{"stats", "--data", dir, "--api", "http://127.0.0.1:1"}, exitUsage, "", "--data and --api exclude each other"},
		{[]string{"stats", "--api", "ftp://127.0.0.1"}, exitUsage, "", "--api takes a URL"},
		{[]string{"stats", "--api", "127.0.0.1:1"}, exitFailure, "", "the node's API: nothing listens on http://127.0.0.1:1: is the node running"},
		{[]string{"backup"}, exitUsage, "", "name one file"},
		{[]string{"backup", "a", "b"}, exitUsage, "", "name one file"},
		{[]string{"restore"}, exitUsage, "", "name one file"},
		{[]string{"restore", "f", "--api", "http://127.0.0.1:1"}, exitUsage, "", "unknown flag: --api"},
		{[]string{"restore", missing, "--data", filepath.Join(dir, "new")}, exitFailure, "", "no such file"},
	} {
		code, stdout, stderr := run(t, "", append([]string{"store"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("store %q: got %d, %q, %q, want %d, %q, %q", tt.args, code, stdout, stderr, tt.code, tt.stdout, tt.stderr)
		}
	}
	for _, name := range []string{"stats", "check", "backup", "restore"} {
		code, stdout, _ := run(t, "", "store", name, "--help")
		for _, want := range []string{"Usage: holdfast store " + name, "--data", "Examples:", "Exit codes:"} {
			if code != exitOK || !strings.Contains(stdout, want) {
				t.Errorf("store %s --help: got %d, %q, want it to hold %q", name, code, stdout, want)
			}
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("afterwards: got %v, %v in the directory, want nothing new", entries, err)
	}
}

// The directory may be named as for serve. One that a node uses is refused, and its API is named.
func TestStoreFindsDirectory(t *testing.T) {
	dir := fillData(t)
	t.Setenv("HOLDFAST_DATA", dir)
	if code, stdout, stderr := run(t, "", "store", "stats"); code != exitOK {
		t.Errorf("with HOLDFAST_DATA: got %d, %q, %q, want 0", code, stdout, stderr)
	}
	t.Setenv("HOLDFAST_API", "127.0.0.1:9999")
	startDurable(t, dir)
	code, _, stderr := run(t, "", "store", "stats")
	want := "data directory " + dir + " is in use by another process: if that is a running node, add --api http://127.0.0.1:9999"
	if code != exitFailure || !strings.Contains(stderr, want) {
		t.Errorf("while a node runs: got %d, %q, want %d and %q", code, stderr, exitFailure, want)
	}
}

// A node without a durable store says so.
func TestStoreOfNodeInMemory(t *testing.T) {
	d := startDurable(t, "memory")
	for _, args := range [][]string{{"stats"}, {"check"}, {"backup", filepath.Join(t.TempDir(), "b")}} {
		code, _, stderr := run(t, "", append(append([]string{"store"}, args...), "--api", d.api)...)
		if want := "this node keeps its data in memory: it has no durable store (40402)"; code != exitFailure || !strings.Contains(stderr, want) {
			t.Errorf("store %q: got %d, %q, want %d and %q", args, code, stderr, exitFailure, want)
		}
	}
}

// A bar is for terminals.
func TestStoreBarIsSilent(t *testing.T) {
	var b buffer
	bar := newStoreBar(&b, "check", keysUnit)
	bar.keys(100)
	_, _ = io.WriteString(bar, "bytes")
	bar.clear()
	if b.String() != "" {
		t.Errorf("got %q where nobody looks, want nothing", b.String())
	}
}
