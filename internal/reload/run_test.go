package reload

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// writeFile writes a file for a test and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRun has readings fail one way, another way and the first way again: each change is told, once.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := errors.New("one"), errors.New("two")
		results := []error{nil, one, one, two, nil, one, one}
		var told []error
		calls := 0
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			Run(ctx, time.Minute, func() error {
				calls++
				return results[calls-1]
			}, func(err error) { told = append(told, err) })
		})
		<-time.After(time.Duration(len(results))*time.Minute + time.Second)
		synctest.Wait()
		cancel()
		wg.Wait()
		if want := []error{one, two, one}; calls != len(results) || !slices.Equal(told, want) {
			t.Errorf("got %d calls, told %v, want %d, %v", calls, told, len(results), want)
		}
	})
}

func TestReadFile(t *testing.T) {
	path := writeFile(t, "f", "0123456789")
	for _, c := range []struct {
		path string
		most int64
		want string
		bad  bool
	}{
		{path, 10, "0123456789", false},
		{path, 11, "0123456789", false},
		{path, 9, "", true},
		{path + ".none", 10, "", true},
		{filepath.Dir(path), 10, "", true},
	} {
		got, err := ReadFile(c.path, c.most)
		if string(got) != c.want || (err != nil) != c.bad {
			t.Errorf("%s, %d bytes: got %q, %v, want %q, error %v", c.path, c.most, got, err, c.want, c.bad)
		}
	}
}
