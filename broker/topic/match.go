package topic

import "strings"

// Match reports whether the Topic Filter matches the Topic Name. It takes a
// filter without "$share/"; see ParseShared. It is the plain definition
// that Index and Retained are checked against, costs O(len(name)), does not
// allocate, and suits places with few filters such as access lists.
func Match(filter, name string) bool {
	// v5 [MQTT-4.7.2-1], v3.1.1 [MQTT-4.7.2-1]
	if wildcardFirst(filter) && strings.HasPrefix(name, "$") {
		return false
	}
	f, n := 0, 0
	for {
		fl, fnext := level(filter, f)
		if fl == "#" && fnext < 0 {
			return true // v5 4.7.1.2, v3.1.1 4.7.1.2: the parent level too
		}
		if n < 0 {
			return false
		}
		nl, nnext := level(name, n)
		if fl != "+" && fl != nl {
			return false
		}
		if fnext < 0 {
			return nnext < 0
		}
		f, n = fnext, nnext
	}
}

// level returns the level of s that begins at pos and where the next one
// begins, -1 if it was the last.
func level(s string, pos int) (string, int) {
	if i := strings.IndexByte(s[pos:], '/'); i >= 0 {
		return s[pos : pos+i], pos + i + 1
	}
	return s[pos:], -1
}

// wildcardFirst reports whether the first level of filter is a wildcard.
func wildcardFirst(filter string) bool {
	return filter == "#" || filter == "+" || strings.HasPrefix(filter, "+/")
}

// hasWildcard reports whether filter may match more than the one name equal to it.
func hasWildcard(filter string) bool {
	return strings.IndexByte(filter, '+') >= 0 || strings.IndexByte(filter, '#') >= 0
}
