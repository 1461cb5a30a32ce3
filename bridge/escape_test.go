package bridge

import "testing"

func TestEscape(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"alice", "alice"},
		{"a.b_c-D9", "a.b_c-D9"},
		{"a/b+c#", "a%2Fb%2Bc%23"},
		{"x:y z%", "x%3Ay%20z%25"},
		{"å\x00", "%C3%A5%00"},
	} {
		got := Escape(tt.in)
		if got != tt.want || Unescape(got) != tt.in {
			t.Errorf("Escape(%q): got %q, which is %q again, want %q", tt.in, got, Unescape(got), tt.want)
		}
	}
	for _, s := range []string{"%", "%4", "%zz", "100%"} { // what others have published to
		if got := Unescape(s); got != s {
			t.Errorf("Unescape(%q): got %q, want it as it is", s, got)
		}
	}
}
