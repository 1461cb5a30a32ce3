package acl

import "strings"

// names is a list of names or globs; nil applies to everybody.
type names struct {
	exact map[string]struct{}
	globs []string
}

func newNames(list []string) *names {
	n := &names{exact: make(map[string]struct{})}
	for _, s := range list {
		if strings.ContainsAny(s, "*?") {
			n.globs = append(n.globs, s)
		} else {
			n.exact[s] = struct{}{}
		}
	}
	return n
}

// has tells whether a name is in the list. The empty name, which stands for none, never is.
func (n *names) has(name string) bool {
	if n == nil {
		return true
	}
	if name == "" {
		return false
	}
	if _, ok := n.exact[name]; ok {
		return true
	}
	for _, g := range n.globs {
		if glob(g, name) {
			return true
		}
	}
	return false
}

// glob tells whether s is what pattern says: '*' is any run of bytes, '?' any one
// byte. It takes at most len(pattern) * len(s) steps: only the last '*' need ever be tried again.
func glob(pattern, s string) bool {
	p, i := 0, 0
	star, from := -1, 0 // the last '*', and where what it stands for ends
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
