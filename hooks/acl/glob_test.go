package acl

import (
	"path"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		list string // separated by commas
		name string
		want bool
	}{
		{"a,b", "a", true},
		{"a,b", "ab", false},
		{"a*", "a", true},
		{"a*", "abc", true},
		{"a*", "ba", false},
		{"*a*b", "xaxbab", true},
		{"*a*b", "xaxba", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"?", "", false},
		{"*", "", false}, // no name is no name
		{"*", "x/y", true},
		{"**", "x", true},
		{"x,*-pump", "main-pump", true},
	} {
		if got := newNames(strings.Split(tt.list, ",")).has(tt.name); got != tt.want {
			t.Errorf("%q has %q: got %v, want %v", tt.list, tt.name, got, tt.want)
		}
	}
	var everybody *names
	if !everybody.has("") {
		t.Error("no list applies to a client without a name: got false, want true")
	}
}

// FuzzGlob compares with path.Match, which treats '/', '[' and '\' in a way of its own, and '?' as a character.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*a*a*a*", strings.Repeat("a", 50))
	f.Fuzz(func(t *testing.T, pattern, s string) {
		for _, c := range pattern + s {
			if c >= 0x80 || c == '/' || c == '[' || c == '\\' {
				return
			}
		}
		want, err := path.Match(pattern, s)
		if err != nil {
			return
		}
		if got := glob(pattern, s); got != want {
			t.Errorf("glob(%q, %q): got %v, want %v", pattern, s, got, want)
		}
	})
}
