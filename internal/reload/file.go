package reload

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

// File is what a file says, read again when it changes. Readers of what it says never wait.
type File[T any] struct {
	path  string
	max   int64 // bytes
	parse func(data []byte) (*T, error)

	current    atomic.Pointer[T]
	generation atomic.Uint64 // goes up after current has changed

	mu   sync.Mutex // held while reading
	look Look       // of what is current
}

// Open reads a file for the first time. It fails if the file has more than maxBytes or parse refuses it.
func Open[T any](path string, maxBytes int64, parse func([]byte) (*T, error)) (*File[T], error) {
	f := &File[T]{path: path, max: maxBytes, parse: parse}
	if _, err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Path returns where the file is.
func (f *File[T]) Path() string { return f.path }

// Load returns what the file said when it was last read and made sense. It does not block.
func (f *File[T]) Load() *T { return f.current.Load() }

// Generation goes up each time after what Load returns has changed. It does not block.
func (f *File[T]) Generation() uint64 { return f.generation.Load() }

// Reload reads the file if it has changed, and tells whether it has. After an error what it said before stands.
func (f *File[T]) Reload() (changed bool, err error) {
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
	if f.look.Is(info) {
		return false, nil
	}
	look := LookAt(info)
	data, err := readAll(h, f.max)
	if err != nil {
		return false, err
	}
	value, err := f.parse(data)
	if err != nil {
		return false, fmt.Errorf("%s: %w", f.path, err)
	}
	f.look = look
	f.current.Store(value)
	f.generation.Add(1)
	return true, nil
}

// Run reloads the file every so often until ctx ends, and logs what is wrong with it.
func (f *File[T]) Run(ctx context.Context, every time.Duration, log *slog.Logger) {
	Run(ctx, every, func() error {
		_, err := f.Reload()
		return err
	}, func(err error) {
		log.Error("cannot read a file, what it said before stands", "error", err)
	})
}

// ReadFile reads a whole file, which fails if it has more than maxBytes.
func ReadFile(path string, maxBytes int64) ([]byte, error) {
	h, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	return readAll(h, maxBytes)
}

func readAll(h *os.File, maxBytes int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(h, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > maxBytes {
		return nil, fmt.Errorf("%s has more than %d bytes", h.Name(), maxBytes)
	}
	return data, nil
}
