package auth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// file is what a file says, read again when it changes. Readers of what it says never wait.
type file[T any] struct {
	path  string
	max   int64 // bytes
	parse func(data []byte) (*T, error)

	current atomic.Pointer[T]

	mu   sync.Mutex // held while reading
	info os.FileInfo
	read time.Time // when, by the wall clock
}

// settled is how long after its modification a file is certain to get another time of modification when it
// is modified again.
const settled = 2 * time.Second

// openFile reads a file for the first time.
func openFile[T any](path string, maxBytes int64, parse func([]byte) (*T, error)) (*file[T], error) {
	f := &file[T]{path: path, max: maxBytes, parse: parse}
	if _, err := f.reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// reload reads the file if it has changed, and tells whether it has. After an error what it said before stands.
func (f *file[T]) reload() (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, err := os.Open(f.path)
	if err != nil {
		return false, err
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil {
		return false, err
	}
	if f.info != nil && os.SameFile(info, f.info) && info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()) &&
		f.read.Sub(info.ModTime()) > settled {
		return false, nil
	}
	now := time.Now()
	data, err := io.ReadAll(io.LimitReader(h, f.max+1))
	if err != nil {
		return false, err
	}
	if int64(len(data)) > f.max {
		return false, fmt.Errorf("%s has more than %d bytes", f.path, f.max)
	}
	value, err := f.parse(data)
	if err != nil {
		return false, fmt.Errorf("%s: %w", f.path, err)
	}
	f.info, f.read = info, now
	f.current.Store(value)
	return true, nil
}

// run calls reload again and again until ctx ends. An error is logged once, until there is another or none.
func (f *file[T]) run(ctx context.Context, every time.Duration, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, err := f.reload()
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != "" && text != last {
			log.Error("cannot read a file of credentials, the old ones stay", "error", err)
		}
		last = text
	}
}
