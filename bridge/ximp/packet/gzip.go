package packet

import (
	"bytes"
	"compress/gzip"
	"io"
	"sync"
)

// MaxInflated is how many bytes a gzip member of a bundle should hold at most.
const MaxInflated = 1 << 20

// A writer takes several hundred KiB.
var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

// Gzip returns plain as a gzip member (RFC 1952), as bundles have them. It may be
// called from several goroutines.
func Gzip(plain []byte) []byte {
	var out bytes.Buffer
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&out)
	// Writing to a Buffer does not fail.
	_, _ = w.Write(plain)
	_ = w.Close()
	return out.Bytes()
}

// Inflate returns what the gzip member holds, ErrTooLarge if that is more than max
// bytes, or ErrGzip.
func Inflate(member []byte, max int) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(member))
	if err != nil {
		return nil, ErrGzip
	}
	r.Multistream(false)
	b, err := io.ReadAll(io.LimitReader(r, int64(max)+1))
	switch {
	case len(b) > max:
		return nil, ErrTooLarge
	case err != nil:
		return nil, ErrGzip
	}
	return b, nil
}
