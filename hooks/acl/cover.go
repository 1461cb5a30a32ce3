package acl

import (
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// covers tells whether each Topic Name that filter matches is matched by the
// pattern too, as filled in for a. The filter may be a Topic Name, which stands for itself.
func (p pattern) covers(filter string, a *broker.Access) bool {
	if p[0].isWildcard() && strings.HasPrefix(filter, "$") {
		return false
	}
	rest, more := filter, true
	for i := range p {
		l := &p[i]
		if l.kind == hash {
			return true // the parent level too
		}
		if !more {
			return false
		}
		var got string
		got, rest, more = strings.Cut(rest, "/")
		switch {
		case got == "#":
			// Names have one level at least: +/# matches all that # does.
			return i == 0 && l.kind == plus && len(p) == 2 && p[1].kind == hash
		case l.kind != plus && !l.is(got, a):
			return false
		}
	}
	return !more
}

// overlaps tells whether a message can come by filter, a subscription's, whose
// Topic Name the first n levels of the pattern match; what is behind them counts as '#' if it is cut off.
func (p pattern) overlaps(filter string, a *broker.Access, n int) bool {
	first, rest, more := strings.Cut(filter, "/")
	if n > 0 {
		if p[0].isWildcard() && strings.HasPrefix(first, "$") {
			return false
		}
		if first == "+" || first == "#" {
			if p[0].hidden() {
				return false
			}
			// What is addressed to an inbox comes by no wildcard; the name "inbox" alone is a topic like others.
			if !p[0].isWildcard() && p[0].is("inbox", a) {
				return (len(p) == 1 || p[1].kind == hash) && (!more || rest == "#")
			}
		}
	}
	rest, more = filter, true
	for i := range p[:n] {
		l := &p[i]
		if l.kind == hash {
			return true
		}
		if !more {
			return false
		}
		var got string
		got, rest, more = strings.Cut(rest, "/")
		switch {
		case got == "#":
			return true
		case got != "+" && l.kind != plus && !l.is(got, a):
			return false
		}
	}
	return n < len(p) || !more || rest == "#"
}
