package topic

import "strings"

// topicLess orders Topic Names level by level, as if '/' came before every
// other character. So a name is followed directly by everything below it,
// which plain string order does not do ("a", "a!", "a/b"); step relies on it.
func topicLess(a, b string) bool {
	n := min(len(a), len(b))
	for i := range n {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		return x == '/' || y != '/' && x < y
	}
	return len(a) < len(b)
}

// move says how a scan over names in topicLess order goes on.
type move uint8

const (
	moveNext move = iota // the name matches; go to the one behind it
	moveSeek             // it does not; no name matches before the one given
	moveEnd              // it does not, and none behind it does
)

// step compares name with filter, which has a wildcard, and says where the
// next name that may match is found. It depends on nothing else, so a scan can be
// resumed from the last name seen. name may be empty, which comes before all
// names, to begin a scan.
func step(filter, name string) (move, string) {
	// v5 [MQTT-4.7.2-1], v3.1.1 [MQTT-4.7.2-1]
	if wildcardFirst(filter) && strings.HasPrefix(name, "$") {
		return moveSeek, string('$' + 1)
	}
	plus := -1 // end in name of the last level matched by "+"
	f, n := 0, 0
	for {
		fl, fnext := level(filter, f)
		if fl == "#" && fnext < 0 {
			return moveNext, ""
		}
		if n < 0 {
			return moveSeek, name + "/" + literalPrefix(filter[f:])
		}
		nl, nnext := level(name, n)
		switch {
		case fl == "+":
			plus = n + len(nl)
		case nl < fl:
			return moveSeek, name[:n] + literalPrefix(filter[f:])
		case nl > fl:
			return behind(name, plus)
		}
		if fnext < 0 {
			if nnext < 0 {
				return moveNext, ""
			}
			return behind(name, plus)
		}
		f, n = fnext, nnext
	}
}

// behind goes to the next value of the level that ends at plus in name, past
// everything below its present value.
func behind(name string, plus int) (move, string) {
	if plus < 0 {
		return moveEnd, ""
	}
	return moveSeek, name[:plus] + "\x01" // directly behind '/', since names have no U+0000
}

// literalPrefix returns the least string that a name matching filter begins with.
func literalPrefix(filter string) string {
	for pos := 0; pos >= 0; {
		l, next := level(filter, pos)
		switch {
		case l == "+":
			return filter[:pos]
		case l == "#" && next < 0:
			return filter[:max(pos-1, 0)] // the parent level comes first
		}
		pos = next
	}
	return filter
}
