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

// FuzzIndex reads a program: each step is an operation, a subscriber, options
// and a filter or name made of few levels, which is applied to Index, Retained and
// the models.
func FuzzIndex(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x13\x00\x02\x02\x15\x02\x01\x02\x11"))
	f.Add([]byte("\x00\x01\x0a\x44\x01\x01\x0a\x44\x02\x00\x00\x11"))
	f.Fuzz(func(t *testing.T, program []byte) {
		levels := []string{"", "a", "b", "+", "#", "$s", "a!", "a/b"}
		x, m := NewIndex[int](), make(model)
		r, names := NewRetained[int](), make(map[string]int)
		var dst Matches[int]
		for i := 0; len(program) >= 5 && i < 300; i++ {
			op, s, o, path := program[0], int(program[1]%20)+1, program[2], binary.LittleEndian.Uint16(program[3:])
			program = program[5:]
			topic := levels[path&7]
			for n := path >> 14; n > 0; n-- {
				path >>= 3
				topic += "/" + levels[path&7]
			}
			name := strings.NewReplacer("+", "x", "#", "y").Replace(topic)
			if op&0x80 != 0 {
				topic = fmt.Sprintf("$share/%c/%s", 'g'+op>>6&1, topic)
			}
			if topic == "" || name == "" {
				continue
			}
			sub := Subscription[int]{Subscriber: s, ID: uint32(o >> 6), Options: Options(o & 0x0f)}
			if sub.Options.QoS() == 3 {
				sub.Options &^= 1
			}
			switch op % 5 {
			case 0, 1:
				if got, want := x.Subscribe(topic, sub), m.subscribe(topic, sub); got != want {
					t.Fatalf("Subscribe(%q, %d) = %v, want %v", topic, s, got, want)
				}
			case 2:
				if got, want := x.Unsubscribe(topic, s), m.unsubscribe(topic, s); got != want {
					t.Fatalf("Unsubscribe(%q, %d) = %v, want %v", topic, s, got, want)
				}
			case 3:
				m.check(t, x, name, s, &dst)
				_, replaced := r.Set(name, i)
				if _, want := names[name]; replaced != want {
					t.Fatalf("Set(%q) = %v, want %v", name, replaced, want)
				}
				names[name] = i
			case 4:
				_, rest, _, _ := ParseShared(topic)
				want := make(map[string]int)
				for n, v := range names {
					if Match(rest, n) {
						want[n] = v
					}
				}
				if got, _ := pages(t, r, rest, 1+s%4); rest != "" && !mapsEqual(got, want) {
					t.Fatalf("Page(%q) = %v, want %v", rest, got, want)
				}
			}
		}
		m.checkCounts(t, x)
		for filter, members := range m {
			for s := range members {
				x.Unsubscribe(filter, s)
			}
		}
		checkEmptyFuzz(t, x)
	})
}
