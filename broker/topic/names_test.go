package topic

import (
	"errors"
	"strings"
	"testing"
)

func TestValidateName(t *testing.T) {
	tests := []struct {
		name string
		want error
	}{
		{"a", nil},
		{"/", nil},
		{"a//b", nil},
		{"a b", nil},
		{"$SYS/x", nil},
		{"$share/g/x", nil},
		{"\u00e9/\u20ac/\U0001f600", nil},
		{"\ufeffa", nil},          // v5 [MQTT-1.5.4-3]: no byte order mark is skipped
		{"\ufffd", nil},           // the replacement character itself is well-formed
		{"\x01\x1f\u007f", nil},   // 1.5.4: control characters SHOULD NOT occur, but may
		{"\uffff\U0010ffff", nil}, // and so may non-characters
		{strings.Repeat("x", MaxLen), nil},

		{"", ErrEmpty}, // v5 [MQTT-4.7.3-1]
		{strings.Repeat("x", MaxLen+1), ErrTooLong}, // v5 [MQTT-4.7.3-3], v3.1.1 [MQTT-4.7.3-3]
		{"a\x00", ErrNull},                          // v5 [MQTT-4.7.3-2]
		{"\x00", ErrNull},
		{"a/+", ErrWildcardInName}, // v5 [MQTT-3.3.2-2], [MQTT-4.7.0-1], v3.1.1 [MQTT-4.7.1-1]
		{"a/#", ErrWildcardInName},
		{"a+b", ErrWildcardInName},
		{"\x80", ErrNotUTF8}, // v5 [MQTT-1.5.4-1]
		{"a\xff", ErrNotUTF8},
		{"\xc3", ErrNotUTF8},
		{"\xc3/", ErrNotUTF8},
		{"\xc0\xaf", ErrNotUTF8},         // over-long '/'
		{"\xc0\x80", ErrNotUTF8},         // over-long U+0000
		{"\xed\xa0\x80", ErrNotUTF8},     // surrogate U+D800
		{"\xed\xbf\xbf", ErrNotUTF8},     // surrogate U+DFFF
		{"\xf4\x90\x80\x80", ErrNotUTF8}, // above U+10FFFF
		{"a\xf0\x9f\x98", ErrNotUTF8},
	}
	for _, tt := range tests {
		if got := ValidateName(tt.name); !errors.Is(got, tt.want) {
			t.Errorf("ValidateName(%.20q) = %v, want %v", tt.name, got, tt.want)
		}
		if got := ValidateName([]byte(tt.name)); !errors.Is(got, tt.want) {
			t.Errorf("ValidateName([]byte(%.20q)) = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestValidateFilter(t *testing.T) {
	tests := []struct {
		filter string
		want   error
	}{
		{"a", nil},
		{"/", nil},
		{"+", nil},
		{"#", nil},
		{"/#", nil},
		{"+/#", nil},
		{"+/+/+", nil},
		{"+/tennis/#", nil},
		{"sport/+/player1", nil},
		{"a//+", nil},
		{"\u00e9/+", nil},
		{strings.Repeat("/", MaxLen), nil},
		{"$share", nil}, // v5 [MQTT-4.8.2-1]: not a Shared Subscription without the '/'
		{"$shared/a", nil},
		{"$SHARE/", nil},
		{"$share/g/a", nil},
		{"$share/g//", nil},
		{"$share/g/#", nil},
		{"$share/g/+/a", nil},
		{"$share/g/$SYS/#", nil},
		{"$share/\u00e9/a", nil},
		{"$share/g/$share/h/a", nil},

		{"", ErrEmpty},
		{strings.Repeat("x", MaxLen+1), ErrTooLong},
		{"a\x00b", ErrNull},
		{"a/\xed\xa0\x80", ErrNotUTF8},
		{"sport/tennis#", ErrWildcardPlace}, // v5 [MQTT-4.7.1-1], v3.1.1 [MQTT-4.7.1-2]
		{"sport/tennis/#/ranking", ErrWildcardPlace},
		{"#/", ErrWildcardPlace},
		{"##", ErrWildcardPlace},
		{"+#", ErrWildcardPlace},
		{"#+", ErrWildcardPlace},
		{"sport+", ErrWildcardPlace}, // v5 [MQTT-4.7.1-2], v3.1.1 [MQTT-4.7.1-3]
		{"+sport", ErrWildcardPlace},
		{"a/+b/c", ErrWildcardPlace},
		{"a/b+/c", ErrWildcardPlace},
		{"++", ErrWildcardPlace},

		{"$share/", ErrShareName}, // v5 [MQTT-4.8.2-1]
		{"$share//a", ErrShareName},
		{"$share/+/a", ErrShareName}, // v5 [MQTT-4.8.2-2]
		{"$share/g#/a", ErrShareName},
		{"$share/#", ErrShareName},
		{"$share/g", ErrShareFilter},
		{"$share/g/", ErrShareFilter},
		{"$share/g/a#", ErrWildcardPlace},
		{"$share/g/#/a", ErrWildcardPlace},
		{"$share/\xff/a", ErrNotUTF8},
		{"$share/\x00/a", ErrNull},
		{"$share/g/\x00", ErrNull},
	}
	for _, tt := range tests {
		if got := ValidateFilter(tt.filter); !errors.Is(got, tt.want) {
			t.Errorf("ValidateFilter(%.20q) = %v, want %v", tt.filter, got, tt.want)
		}
		if got := ValidateFilter([]byte(tt.filter)); !errors.Is(got, tt.want) {
			t.Errorf("ValidateFilter([]byte(%.20q)) = %v, want %v", tt.filter, got, tt.want)
		}
	}
}

func TestLevels(t *testing.T) {
	tests := []struct {
		topic string
		want  int
	}{{"a", 1}, {"a/b", 2}, {"/", 2}, {"a/+/#", 3}, {strings.Repeat("/", MaxLen), MaxLen + 1}}
	for _, tt := range tests {
		if got := Levels([]byte(tt.topic)); got != tt.want {
			t.Errorf("Levels(%.20q) = %d, want %d", tt.topic, got, tt.want)
		}
	}
}

func TestValidateDoesNotAllocate(t *testing.T) {
	name, filter := []byte("device/\u00e9/0001/cmd"), []byte("$share/g/device/+/\u00e9/#")
	got := testing.AllocsPerRun(100, func() {
		if ValidateName(name) != nil || ValidateFilter(filter) != nil {
			t.Error("valid topics are refused")
		}
	})
	if got != 0 {
		t.Errorf("validating allocates %v times, want 0", got)
	}
}
