package packet

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStrings(t *testing.T) {
	tests := []struct {
		name   string
		in     string
		string bool
		want   error // of checkName
	}{
		{"empty", "", true, nil},
		{"ASCII of 7", "a/b/c/d", true, nil},
		{"ASCII of 16", "0123456789abcdef", true, nil},
		{"all control characters but NUL", "\x01\x02\x1f\x7f", true, nil},
		{"two, three and four byte characters", "é€😀/0123456789", true, nil},
		{"U+FEFF is kept, v5 [MQTT-1.5.4-3], v3.1.1 [MQTT-1.5.3-3]", "\ufeffa", true, nil},
		{"U+0000, v5 [MQTT-1.5.4-2], v3.1.1 [MQTT-1.5.3-2]", "a\x00", false, ErrString},
		{"U+0000 in the first eight", "abc\x00efghij", false, ErrString},
		{"U+0000 after non-ASCII", "é\x00", false, ErrString},
		{"surrogate D800, v5 [MQTT-1.5.4-1], v3.1.1 [MQTT-1.5.3-1]", "a\xed\xa0\x80", false, ErrString},
		{"surrogate pair", "\xed\xa0\xbd\xed\xb8\x80", false, ErrString},
		{"over-long NUL", "\xc0\x80", false, ErrString},
		{"over-long slash", "\xe0\x80\xaf", false, ErrString},
		{"beyond U+10FFFF", "\xf4\x90\x80\x80", false, ErrString},
		{"lone continuation in the ninth", "01234567\x80", false, ErrString},
		{"cut character", "0123456789\xe2\x82", false, ErrString},
		{"plus, v5 [MQTT-3.3.2-2], v3.1.1 [MQTT-3.3.2-2]", "a/+", true, ErrTopicName},
		{"hash in the first eight", "0123#567/89", true, ErrTopicName},
		{"plus after non-ASCII", "é+", true, ErrTopicName},
		{"wildcard and bad UTF-8", "+\xff", false, ErrString},
	}
	for _, tt := range tests {
		if got := validString([]byte(tt.in)); got != tt.string {
			t.Errorf("%s: validString(%q) = %v, want %v", tt.name, tt.in, got, tt.string)
		}
		if err := checkName([]byte(tt.in)); !errors.Is(err, tt.want) {
			t.Errorf("%s: checkName(%q) = %v, want %v", tt.name, tt.in, err, tt.want)
		}
	}
}

// TestStringsEveryByte puts every byte at every place of strings of many lengths
// and compares with the plain way.
func TestStringsEveryByte(t *testing.T) {
	for size := 1; size < 20; size++ {
		for at := range size {
			for c := range 256 {
				b := []byte(strings.Repeat("x", size))
				b[at] = byte(c)
				wantString := utf8.Valid(b) && !bytes.Contains(b, []byte{0})
				if got := validString(b); got != wantString {
					t.Fatalf("validString(%q) = %v, want %v", b, got, wantString)
				}
				wantName := wantString && !bytes.ContainsAny(b, "+#")
				if err := checkName(b); (err == nil) != wantName {
					t.Fatalf("checkName(%q) = %v, want accepted %v", b, err, wantName)
				}
			}
		}
	}
}
