package packet

import (
	"bytes"
	"strconv"
	"strings"
)

// Props are the props of a frame as they are on the wire. nil is none.
type Props []byte

// Each calls f for every line that has a colon, until f returns false. key and value alias p.
func (p Props) Each(f func(key, value []byte) bool) {
	for rest := []byte(p); len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, lineFeed)
		if key, value, ok := bytes.Cut(line, colon); ok && !f(key, value) {
			return
		}
	}
}

var lineFeed, colon = []byte{'\n'}, []byte{':'}

// Get returns the value of key, the last one if it comes several times. It aliases p.
func (p Props) Get(key string) (value []byte, ok bool) {
	p.Each(func(k, v []byte) bool {
		if string(k) == key {
			value, ok = v, true
		}
		return true
	})
	return value, ok
}

// Has tells whether there is such a key.
func (p Props) Has(key string) bool {
	_, ok := p.Get(key)
	return ok
}

// Uint returns the value of key as a decimal number. ok is false if there is none, or if it is none or too large.
func (p Props) Uint(key string) (n uint64, ok bool) {
	v, ok := p.Get(key)
	if !ok {
		return 0, false
	}
	return parseUint(v)
}

// parseUint reads a decimal number of 1 to 19 digits, without sign.
func parseUint(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// With returns p with a line more. A key that holds a colon or a line feed, or is empty, and a value with a line feed cannot be
// written: p is returned as it is. Values that kd.push is sent must not hold a colon.
func (p Props) With(key, value string) Props {
	if key == "" || strings.ContainsAny(key, ":\n") || strings.Contains(value, "\n") {
		return p
	}
	p = p.key(key)
	return append(p, value...)
}

// WithUint is With for a number.
func (p Props) WithUint(key string, n uint64) Props {
	return strconv.AppendUint(p.key(key), n, 10)
}

// key begins a line.
func (p Props) key(key string) Props {
	if len(p) > 0 {
		p = append(p, '\n')
	}
	return append(append(p, key...), ':')
}
