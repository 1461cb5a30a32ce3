package topic

import (
	"strings"
	"testing"
)

// matchTests are the examples of v5 4.7 and v3.1.1 4.7, and the corners they leave:
// what matches decides what a subscriber gets, v5 [MQTT-3.3.2-3], v3.1.1 [MQTT-3.3.2-3].
var matchTests = []struct {
	filter, name string
	want         bool
}{
	// 4.7.1.2: multi-level wildcard
	{"sport/tennis/player1/#", "sport/tennis/player1", true},
	{"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
	{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
	{"sport/tennis/player1/#", "sport/tennis/player10", false},
	{"sport/tennis/player1/#", "sport/tennis", false},
	{"sport/#", "sport", true},
	{"sport/#", "sport/", true},
	{"#", "sport", true},
	{"#", "/", true},
	{"#", "a/b/c", true},
	{"/#", "/", true},
	{"/#", "a", false},
	{"/#", "a/b", false},

	// 4.7.1.3: single-level wildcard
	{"sport/tennis/+", "sport/tennis/player1", true},
	{"sport/tennis/+", "sport/tennis/player2", true},
	{"sport/tennis/+", "sport/tennis/player1/ranking", false},
	{"sport/+", "sport", false},
	{"sport/+", "sport/", true},
	{"+", "sport", true},
	{"+", "sport/tennis", false},
	{"+/+", "/finance", true},
	{"/+", "/finance", true},
	{"+", "/finance", false},
	{"+/tennis/#", "sport/tennis", true},
	{"+/tennis/#", "sport/tennis/a/b", true},
	{"+/tennis/#", "sport/golf", false},
	{"sport/+/player1", "sport/tennis/player1", true},
	{"sport/+/player1", "sport//player1", true},
	{"sport/+/player1", "sport/player1", false},
	{"sport/+/#", "sport", false},
	{"sport/+/#", "sport/tennis", true},
	{"+/+/#", "a/b", true},
	{"+/+/#", "a", false},

	// 4.7.2: topics beginning with $: v5 [MQTT-4.7.2-1], v3.1.1 [MQTT-4.7.2-1]
	{"#", "$SYS/monitor/Clients", false},
	{"+/monitor/Clients", "$SYS/monitor/Clients", false},
	{"+/#", "$SYS", false},
	{"+", "$SYS", false},
	{"$SYS/#", "$SYS/monitor/Clients", true},
	{"$SYS/#", "$SYS", true},
	{"$SYS/monitor/+", "$SYS/monitor/Clients", true},
	{"a/#", "a/$SYS", true},
	{"a/+", "a/$SYS", true},
	{"/+", "/$SYS", true},
	{"$SYS/x", "$SYS/x", true},

	// 4.7.3: case, spaces, empty levels, no normalization: v5 [MQTT-4.7.3-4], v3.1.1 [MQTT-4.7.3-4]
	{"ACCOUNTS", "Accounts", false},
	{"Accounts payable", "Accounts payable", true},
	{"/finance", "finance", false},
	{"a", "a/", false},
	{"a/", "a", false},
	{"a//b", "a/b", false},
	{"a/+/b", "a//b", true},
	{"/", "/", true},
	{"+/+", "/", true},
	{"/", "//", false},
	{"\u00e5", "a\u030a", false},
	{"a/\u00e9", "a/\u00e9", true},
}

func TestMatch(t *testing.T) {
	for _, tt := range matchTests {
		if got := Match(tt.filter, tt.name); got != tt.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tt.filter, tt.name, got, tt.want)
		}
	}
}

// TestStructuresMatch runs the same table through Index and Retained.
func TestStructuresMatch(t *testing.T) {
	for _, tt := range matchTests {
		x := NewIndex[int]()
		x.Subscribe(tt.filter, Subscription[int]{Subscriber: 1})
		x.Subscribe("$share/g/"+tt.filter, Subscription[int]{Subscriber: 2})
		var m Matches[int]
		x.Match(tt.name, 0, &m)
		if got := len(m.Subs) == 1; got != tt.want {
			t.Errorf("Index with %q: Match(%q) = %v, want %v", tt.filter, tt.name, got, tt.want)
		}
		if got := len(m.Shared) == 1; got != tt.want {
			t.Errorf("Index with $share/g/%q: Match(%q) = %v, want %v", tt.filter, tt.name, got, tt.want)
		}
		r := NewRetained[int]()
		r.Set(tt.name, 1)
		got := false
		r.Page(tt.filter, "", 10, func(string, int) { got = true })
		if got != tt.want {
			t.Errorf("Retained with %q: Page(%q) = %v, want %v", tt.name, tt.filter, got, tt.want)
		}
	}
}

func TestMatchDeep(t *testing.T) {
	deep := strings.Repeat("/", MaxLen)
	plus := strings.Repeat("+/", MaxLen/2) + "+"
	half := strings.Repeat("/", MaxLen/2)
	tests := []struct {
		filter, name string
		want         bool
	}{
		{deep, deep, true},
		{deep[1:], deep, false},
		{plus, half, true},
		{plus, deep, false},
		{plus[:len(plus)-1] + "#", half + "a", true},
		{"#", deep, true},
	}
	for i, tt := range tests {
		if got := Match(tt.filter, tt.name); got != tt.want {
			t.Errorf("%d: Match = %v, want %v", i, got, tt.want)
		}
	}
}
