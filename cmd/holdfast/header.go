package main

import (
	"errors"
	"net/http"
	"strings"
	"unicode"

	"github.com/holdfast-mqtt/holdfast/internal/reload"
)

// maxHeader is the greatest length of a file with the value of a header, in bytes.
const maxHeader = 16 << 10

// headerFile is a file with the value of the header Authorization that web services are sent, which may change: such tokens are
// replaced from time to time.
type headerFile struct{ *reload.File[http.Header] }

// openHeader reads a file; nil if path is empty.
func openHeader(path string) (*headerFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := reload.Open(path, maxHeader, parseHeader)
	if err != nil {
		return nil, err
	}
	return &headerFile{f}, nil
}

// header is what is to be sent now. It must not be changed.
func (f *headerFile) header() http.Header { return *f.Load() }

var errHeader = errors.New("want the value of a header, on one line")

// parseHeader reads the value, around which spaces and line breaks do not count. The error does not repeat it.
func parseHeader(data []byte) (*http.Header, error) {
	value := strings.TrimSpace(string(data))
	if value == "" || strings.ContainsFunc(value, unicode.IsControl) {
		return nil, errHeader
	}
	return &http.Header{"Authorization": {value}}, nil
}
