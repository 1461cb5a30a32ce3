package topic

import (
	"errors"
	"testing"
)

func TestParseShared(t *testing.T) {
	tests := []struct {
		filter, group, rest string
		shared              bool
		err                 error
	}{
		{"a/b", "", "a/b", false, nil},
		{"$share", "", "$share", false, nil},
		{"$shareg/a", "", "$shareg/a", false, nil},
		{"$share/g/a", "g", "a", true, nil},
		{"$share/g//a", "g", "/a", true, nil},
		{"$share/g/+/#", "g", "+/#", true, nil},
		{"$share/consumer1//finance", "consumer1", "/finance", true, nil}, // v5 4.8.2
		{"$share/", "", "", true, ErrShareName},
		{"$share//a", "", "", true, ErrShareName},
		{"$share/g+/a", "", "", true, ErrShareName},
		{"$share/g", "", "", true, ErrShareFilter},
		{"$share/g/", "", "", true, ErrShareFilter},
	}
	for _, tt := range tests {
		group, rest, shared, err := ParseShared(tt.filter)
		if group != tt.group || rest != tt.rest || shared != tt.shared || !errors.Is(err, tt.err) {
			t.Errorf("ParseShared(%q) = %q, %q, %v, %v, want %q, %q, %v, %v",
				tt.filter, group, rest, shared, err, tt.group, tt.rest, tt.shared, tt.err)
		}
	}
}
