package packet

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// hasZero is non-zero if one of the eight bytes of x is zero.
func hasZero(x uint64) uint64 { return (x - lows) & ^x & highs }

// plain reports whether the eight bytes of x are ASCII without NUL.
func plain(x uint64) bool { return x&highs|hasZero(x) == 0 }

// plainName reports whether the eight bytes of x are ASCII without NUL, '+', '#'.
func plainName(x uint64) bool {
	return x&highs|hasZero(x)|hasZero(x^('+'*lows))|hasZero(x^('#'*lows)) == 0
}

// validString reports whether b is well-formed UTF-8 without U+0000,
// v5 [MQTT-1.5.4-1] [MQTT-1.5.4-2]. Go's UTF-8 excludes surrogates too.
func validString(b []byte) bool {
	rest := b
	for len(rest) >= 8 && plain(binary.LittleEndian.Uint64(rest)) {
		rest = rest[8:]
	}
	for i, c := range rest {
		if c-1 >= 0x7F { // not in 0x01..0x7F
			rest = rest[i:]
			return c != 0 && utf8.Valid(rest) && bytes.IndexByte(rest, 0) < 0
		}
	}
	return true
}

// checkName returns nil if b is a string without wildcards: ErrString, or
// ErrTopicName for a wildcard. It lets the empty string pass.
func checkName(b []byte) error {
	rest := b
	for len(rest) >= 8 && plainName(binary.LittleEndian.Uint64(rest)) {
		rest = rest[8:]
	}
	for _, c := range rest {
		if c-1 >= 0x7F || c == '+' || c == '#' {
			return checkOddName(rest)
		}
	}
	return nil
}

// checkOddName is checkName for what is not plain ASCII.
func checkOddName(b []byte) error {
	if !validString(b) {
		return ErrString
	}
	if bytes.ContainsAny(b, "+#") {
		return ErrTopicName
	}
	return nil
}
