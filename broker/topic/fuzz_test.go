package topic

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// naiveValidFilter says the rules of 4.7 and 4.8.2 once more, level by level.
func naiveValidFilter(f string) bool {
	if f == "" || len(f) > MaxLen || !utf8.ValidString(f) || strings.Contains(f, "\x00") {
		return false
	}
	levels := strings.Split(f, "/")
	if levels[0] == "$share" && len(levels) > 1 {
		if levels[1] == "" || strings.ContainsAny(levels[1], "+#") || len(levels) < 3 {
			return false
		}
		levels = levels[2:]
		if len(levels) == 1 && levels[0] == "" {
			return false
		}
	}
	for i, l := range levels {
		if strings.ContainsAny(l, "+#") && l != "+" && (l != "#" || i != len(levels)-1) {
			return false
		}
	}
	return true
}

// naiveMatch is recursive and allocates; filters have few levels here.
func naiveMatch(filter, name []string) bool {
	switch {
	case len(filter) == 1 && filter[0] == "#":
		return true
	case len(filter) == 0 || len(name) == 0:
		return len(filter) == len(name)
	case filter[0] != "+" && filter[0] != name[0]:
		return false
	}
	return naiveMatch(filter[1:], name[1:])
}

func FuzzFilter(f *testing.F) {
	for _, tt := range matchTests {
		f.Add(tt.filter, tt.name)
		f.Add("$share/g/"+tt.filter, tt.name)
	}
	f.Add("a#", "a\x00")
	f.Add("$share/+/a", "\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, filter, name string) {
		valid := ValidateFilter(filter) == nil
		if valid != naiveValidFilter(filter) || valid != (ValidateFilter([]byte(filter)) == nil) {
			t.Errorf("ValidateFilter(%q) = %v, want valid %v", filter, ValidateFilter(filter), naiveValidFilter(filter))
		}
		naiveName := name != "" && len(name) <= MaxLen && utf8.ValidString(name) && !strings.ContainsAny(name, "+#\x00")
		validName := ValidateName(name) == nil
		if validName != naiveName || validName != (ValidateName([]byte(name)) == nil) {
			t.Errorf("ValidateName(%q) = %v, want valid %v", name, ValidateName(name), naiveName)
		}
		_, rest, shared, err := ParseShared(filter)
		if valid && err != nil {
			t.Errorf("ParseShared(%q) of a valid filter: %v", filter, err)
		}
		if err != nil {
			rest, shared = filter, false
		}
		if Levels(filter) > 1000 || Levels(name) > 1000 {
			return // naiveMatch recurses
		}
		want := naiveMatch(strings.Split(rest, "/"), strings.Split(name, "/"))
		if strings.HasPrefix(name, "$") && (strings.HasPrefix(rest, "+") || strings.HasPrefix(rest, "#")) {
			want = false
		}
		if valid && validName && Match(rest, name) != want {
			t.Errorf("Match(%q, %q) = %v, want %v", rest, name, !want, want)
		}
		checkStructures(t, filter, rest, shared, name, valid && validName)
	})
}

// checkStructures puts one filter and one name into Index and Retained, which
// must not panic on anything and must agree with Match on what is valid.
func checkStructures(t *testing.T, filter, rest string, shared bool, name string, valid bool) {
	x := NewIndex[int]()
	x.Subscribe(filter, Subscription[int]{Subscriber: 1})
	var m Matches[int]
	x.Match(name, 0, &m)
	found := len(m.Subs)
	if shared {
		found = len(m.Shared)
	}
	r := NewRetained[int]()
	r.Set(name, 1)
	emitted := 0
	for after, more := "", true; more; {
		after, more = r.Page(rest, after, 1, func(string, int) { emitted++ })
	}
	if want := Match(rest, name); valid && (found == 1 != want || emitted == 1 != want) {
		t.Errorf("filter %q, name %q: Index finds %d, Retained %d, want match %v", filter, name, found, emitted, want)
	}
	if !x.Unsubscribe(filter, 1) {
		t.Errorf("Unsubscribe(%q) = false, want true", filter)
	}
	checkEmptyFuzz(t, x)
}

// checkEmptyFuzz is checkEmpty without its walk over all shards.
func checkEmptyFuzz(t *testing.T, x *Index[int]) {
	if x.Len() != 0 || x.Groups() != 0 || countNodes(&x.wild) != 1 {
		t.Errorf("Len = %d, Groups = %d, trie nodes = %d, want 0, 0, 1", x.Len(), x.Groups(), countNodes(&x.wild))
	}
}

// FuzzIndex reads a program of steps of five bytes; see fuzzed.step.
func FuzzIndex(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x13\x00\x02\x02\x15\x02\x01\x03\x02\x11\x00\x00"))
	f.Add([]byte("\x00\x01\x0a\x44\x01\x01\x02\x0a\x44\x01\x03\x00\x00\x11\x40"))
	f.Fuzz(func(t *testing.T, program []byte) {
		w := &fuzzed{NewIndex[int](), make(model), NewRetained[int](), make(map[string]int), Matches[int]{}}
		for i := 0; len(program) >= 5 && i < 300; i++ {
			w.step(t, program[0], program[1], program[2], binary.LittleEndian.Uint16(program[3:]))
			program = program[5:]
		}
		w.m.checkCounts(t, w.x)
		for filter, members := range w.m {
			for s := range members {
				w.x.Unsubscribe(filter, s)
			}
		}
		checkEmptyFuzz(t, w.x)
	})
}

// fuzzed is an Index and a Retained beside their models.
type fuzzed struct {
	x     *Index[int]
	m     model
	r     *Retained[int]
	names map[string]int
	dst   Matches[int]
}

// step applies operation op, in the name of subscriber who, with some options
// and with a filter or name built from the bits of path.
func (w *fuzzed) step(t *testing.T, op, who, options byte, path uint16) {
	levels := []string{"", "a", "b", "+", "#", "$s", "a!", "a/b"}
	filter := levels[path&7]
	for n := path >> 14; n > 0; n-- {
		path >>= 3
		filter += "/" + levels[path&7]
	}
	if filter == "" {
		return
	}
	name := strings.NewReplacer("+", "x", "#", "y").Replace(filter)
	if op&0x80 != 0 {
		filter = fmt.Sprintf("$share/%c/%s", 'g'+op>>6&1, filter)
	}
	s := int(who%20) + 1
	sub := Subscription[int]{Subscriber: s, ID: uint32(options >> 6), Options: Options(options & 0x0f)}
	switch op % 5 {
	case 0, 1:
		if got, want := w.x.Subscribe(filter, sub), w.m.subscribe(filter, sub); got != want {
			t.Fatalf("Subscribe(%q, %d) = %v, want %v", filter, s, got, want)
		}
	case 2:
		if got, want := w.x.Unsubscribe(filter, s), w.m.unsubscribe(filter, s); got != want {
			t.Fatalf("Unsubscribe(%q, %d) = %v, want %v", filter, s, got, want)
		}
	case 3:
		w.m.check(t, w.x, name, s, &w.dst)
		_, replaced := w.r.Set(name, s)
		if _, want := w.names[name]; replaced != want {
			t.Fatalf("Set(%q) = %v, want %v", name, replaced, want)
		}
		w.names[name] = s
	case 4:
		_, rest, _, _ := ParseShared(filter)
		want := make(map[string]int)
		for n, v := range w.names {
			if Match(rest, n) {
				want[n] = v
			}
		}
		if got, _ := pages(t, w.r, rest, 1+s%4); !mapsEqual(got, want) {
			t.Fatalf("Page(%q) = %v, want %v", rest, got, want)
		}
	}
}
