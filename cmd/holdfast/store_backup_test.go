package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// exists tells whether there is anything at path.
func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// A backup of a stopped and of a running node, to a file and to standard output, makes a directory from which the
// next node serves.
func TestStoreBackupAndRestore(t *testing.T) {
	dir := fillData(t)
	out := t.TempDir()
	running := startDurable(t, dir)
	backUp(t, out, "api", []string{"--api", running.api})
	backUp(t, out, "stream", []string{"--api", running.api})
	running.stop()
	backUp(t, out, "directory", []string{"--data", dir})
	for _, name := range []string{"api", "stream", "directory"} {
		data := filepath.Join(out, name+".data")
		if code, _, stderr := run(t, "", "store", "restore", filepath.Join(out, name), "--data", data); code != exitOK {
			t.Errorf("%s: restore: got %d, %q, want 0", name, code, stderr)
			continue
		}
		expectFilled(t, data)
	}
}

// backUp writes the file name in dir.
func backUp(t *testing.T, dir, name string, args []string) {
	t.Helper()
	file := filepath.Join(dir, name)
	to := file
	if name == "stream" {
		to = "-"
	}
	code, stdout, stderr := run(t, "", append([]string{"store", "backup", to}, args...)...)
	if code != exitOK || stderr != "" {
		t.Fatalf("%s: backup: got %d, %q, want 0", name, code, stderr)
	}
	if to == "-" {
		if err := os.WriteFile(file, []byte(stdout), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || exists(t, file+".partial") {
		t.Errorf("%s: got %v, %v, want a file for its owner only and nothing beside it", name, info, err)
	}
}

// What is there stays, unless --force is given.
func TestStoreBackupReplacesNothing(t *testing.T) {
	dir := fillData(t)
	file := filepath.Join(t.TempDir(), "b")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	backup := func(args ...string) (int, string) {
		code, _, stderr := run(t, "", append([]string{"store", "backup", file, "--data", dir}, args...)...)
		return code, stderr
	}
	expect := func(what, want string) {
		t.Helper()
		code, stderr := backup()
		if code != exitFailure || !strings.Contains(stderr, want) {
			t.Errorf("%s: got %d, %q, want %d and %q", what, code, stderr, exitFailure, want)
		}
	}
	expect("file", "is there already: choose another name, or replace it with --force")
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("afterwards: got %q, %v, want the file as it was", text, err)
	}
	if err := os.Rename(file, file+".partial"); err != nil {
		t.Fatal(err)
	}
	expect("partial file", ".partial is there already: a backup is being written")
	if code, stderr := backup("--force"); code != exitOK || exists(t, file+".partial") {
		t.Errorf("--force over a partial file: got %d, %q, want 0", code, stderr)
	}
	if code, stderr := backup("--force"); code != exitOK {
		t.Errorf("--force over a file: got %d, %q, want 0", code, stderr)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	expect("directory", "is not a file that can be replaced")
	if code, stderr := backup("--force"); code != exitFailure {
		t.Errorf("--force over a directory: got %d, %q, want %d", code, stderr, exitFailure)
	}
}

// A file that comes up while the backup is written is not replaced, and what write has left is removed.
func TestWriteWhole(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "b")
	errWrite := errors.New("disk on fire")
	if err := writeWhole(file, false, func(io.Writer) error { return errWrite }); !errors.Is(err, errWrite) {
		t.Errorf("got %v, want %v", err, errWrite)
	}
	err := writeWhole(file, false, func(w io.Writer) error { return os.WriteFile(file, []byte("other"), 0o600) })
	if err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("file that has come up meanwhile: got %v, want it refused", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "other" || exists(t, file+".partial") {
		t.Errorf("afterwards: got %q, %v, want the other file and nothing beside it", text, err)
	}
}

// An answer of a node that is cut short or damaged never becomes a backup.
func TestStoreBackupVerifies(t *testing.T) {
	code, whole, stderr := run(t, "", "store", "backup", "-", "--data", fillData(t))
	if code != exitOK {
		t.Fatalf("backup: got %d, %q, want 0", code, stderr)
	}
	damaged := []byte(whole)
	damaged[len(damaged)/2] ^= 1
	for name, answer := range map[string]struct {
		body    []byte
		abort   bool
		want    string
		succeed bool
	}{
		"whole":          {body: []byte(whole), succeed: true},
		"empty":          {want: "backup is damaged: it does not begin like one"},
		"cut":            {body: []byte(whole[:len(whole)/2]), want: "backup is damaged"},
		"damaged":        {body: damaged, want: "backup is damaged"},
		"broken off":     {body: []byte(whole[:len(whole)-1]), abort: true, want: "backup is damaged"},
		"something else": {body: []byte("<html>"), want: "backup is damaged"},
		"longer":         {body: []byte(whole + "x"), want: "something follows its end"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, bytes.NewReader(answer.body))
			if answer.abort {
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
		}))
		file := filepath.Join(t.TempDir(), "b")
		code, _, stderr := run(t, "", "store", "backup", file, "--api", srv.URL)
		srv.Close()
		if (code == exitOK) != answer.succeed || !strings.Contains(stderr, answer.want) {
			t.Errorf("%s: got %d, %q, want %q", name, code, stderr, answer.want)
		}
		if exists(t, file) != answer.succeed || exists(t, file+".partial") {
			t.Errorf("%s: got a file %v and a partial one %v, want %v and none", name, exists(t, file), exists(t, file+".partial"), answer.succeed)
		}
	}
}

// failing is a Writer that is full after some bytes.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

// The error of the file is told, not that the node's answer ended early.
func TestBackupNamesErrorOfFile(t *testing.T) {
	_, whole, _ := run(t, "", "store", "backup", "-", "--data", fillData(t))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, whole) }))
	defer srv.Close()
	tool, err := newAPITool(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer tool.Close()
	if err := tool.Backup(t.Context(), &failing{left: 20}); err == nil || err.Error() != "no space left" {
		t.Errorf("got %v, want no space left", err)
	}
}
