package crash

import "testing"

func TestPayload(t *testing.T) {
	for _, k := range []key{{}, {1, 2, 3}, {65535, 65535, 1<<32 - 1}, {3, 1, 601}} {
		b := k.payload()
		if got, err := readPayload(b); err != nil || got != k || len(b) != k.size() {
			t.Errorf("got %v, %v in %d bytes, want %v in %d", got, err, len(b), k, k.size())
		}
		if _, err := readPayload(b[:len(b)-1]); err == nil {
			t.Errorf("%v cut short: got no error", k)
		}
		if _, err := readPayload(append(b, 0)); err == nil {
			t.Errorf("%v too long: got no error", k)
		}
		if len(b) > headerBytes {
			b[len(b)-1]++
			if _, err := readPayload(b); err == nil {
				t.Errorf("%v changed: got no error", k)
			}
		}
	}
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		filter, name string
		want         bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a", false}, {"a", "a/b", false}, {"a/+", "a/b", true}, {"a/+", "a", false},
		{"#", "a/b", true}, {"a/#", "a", true}, {"a/#", "b", false}, {"+/b", "a/b", true}, {"+/b", "a/c", false},
		{"$share/g/a/+", "a/b", true}, {"$share/g/a/+", "b/b", false},
	} {
		if got := matches(tt.filter, tt.name); got != tt.want {
			t.Errorf("matches(%q, %q): got %t, want %t", tt.filter, tt.name, got, tt.want)
		}
	}
}
