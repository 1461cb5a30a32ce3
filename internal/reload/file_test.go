package reload

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errContent = errors.New("bad content")

func parseText(data []byte) (*string, error) {
	s := string(data)
	if strings.HasPrefix(s, "bad") {
		return nil, errContent
	}
	return &s, nil
}

func TestFileReload(t *testing.T) {
	path := writeFile(t, "f", "one")
	f, err := Open(path, 10, parseText)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 11)
	old := time.Now().Add(-time.Hour)
	for _, step := range []struct {
		name    string
		do      func() error
		want    string
		changed bool
		err     bool
	}{
		{"same size, at once", func() error { return os.WriteFile(path, []byte("two"), 0o600) }, "two", true, false},
		{"bad", func() error { return os.WriteFile(path, []byte("bad"), 0o600) }, "two", false, true},
		{"still bad", func() error { return nil }, "two", false, true},
		{"too long", func() error { return os.WriteFile(path, []byte(long), 0o600) }, "two", false, true},
		{"gone", func() error { return os.Remove(path) }, "two", false, true},
		{"back", func() error { return os.WriteFile(path, []byte("three"), 0o600) }, "three", true, false},
		{"long ago", func() error { return os.Chtimes(path, old, old) }, "three", true, false},
		{"the same", func() error { return nil }, "three", false, false},
		{"another file of that time and size", func() error {
			return errors.Join(os.WriteFile(path+".new", []byte("THREE"), 0o600), os.Chtimes(path+".new", old, old), os.Rename(path+".new", path))
		}, "THREE", true, false},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		before := f.Generation()
		changed, err := f.Reload()
		if up := f.Generation() > before; up != changed {
			t.Errorf("%s: generation went up %v, want %v", step.name, up, changed)
		}
		if got := *f.Load(); got != step.want || changed != step.changed || (err != nil) != step.err {
			t.Errorf("%s: got %q, %v, %v, want %q, %v, error %v", step.name, got, changed, err, step.want, step.changed, step.err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := Open(t.TempDir()+"/none", 10, parseText); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if _, err := Open(writeFile(t, "f", "bad"), 10, parseText); !errors.Is(err, errContent) {
		t.Errorf("got %v, want %v", err, errContent)
	}
	if _, err := Open(t.TempDir(), 10, parseText); err == nil {
		t.Error("got no error for a directory")
	}
}

func TestFileRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := writeFile(t, "f", "one")
		f, err := Open(path, 10, parseText)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { f.Run(ctx, time.Second, slog.New(slog.NewTextHandler(&out, nil))) })
		write := func(text string, wait time.Duration) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			<-time.After(wait)
			synctest.Wait()
		}
		write("two", time.Second)
		if got := *f.Load(); got != "two" {
			t.Errorf("got %q, want two", got)
		}
		write("bad", 10*time.Second)
		write("three", time.Second)
		write("bad", time.Second)
		if got := *f.Load(); got != "three" {
			t.Errorf("got %q, want three", got)
		}
		cancel()
		wg.Wait()
		if got := strings.Count(out.String(), errContent.Error()); got != 2 {
			t.Errorf("got %d lines %q, want one for each time that it went bad", got, out.String())
		}
	})
}
