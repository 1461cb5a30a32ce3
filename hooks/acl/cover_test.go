package acl

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// The relations are checked against their definitions, over all names of a small world. Its names have
// a level more than its filters, and a level ("z") that no filter spells out. The empty name, which nobody may use, counts
// as one here: that /# does not match it is not worth knowing.
const worldLevels = 3

func words(alphabet []string, levels int) []string {
	var all []string
	level := []string{""}
	for n := range levels {
		var next []string
		for _, w := range level {
			for _, l := range alphabet {
				if n == 0 {
					next = append(next, l)
				} else {
					next = append(next, w+"/"+l)
				}
			}
		}
		all = append(all, next...)
		level = next
	}
	return all
}

var (
	worldNames   = words([]string{"a", "", "$S", "inbox", "z"}, worldLevels+1)
	worldFilters = slices.DeleteFunc(words([]string{"a", "", "$S", "inbox", "+", "#"}, worldLevels),
		func(s string) bool { return topic.ValidateFilter(s) != nil })
)

// nameSet is a set of worldNames.
type nameSet [len5]uint64

const len5 = (5*5*5*5 + 5*5*5 + 5*5 + 5 + 63) / 64

func (s *nameSet) add(i int) { s[i/64] |= 1 << (i % 64) }

func (s *nameSet) covers(o *nameSet) bool {
	for i := range s {
		if o[i]&^s[i] != 0 {
			return false
		}
	}
	return true
}

func (s *nameSet) overlaps(o *nameSet) bool {
	for i := range s {
		if o[i]&s[i] != 0 {
			return true
		}
	}
	return false
}

// matched are the names that filter matches, reached those of them that come to a subscription of it.
func matched(filter string) (matched, reached nameSet) {
	wild := filter[0] == '+' || filter[0] == '#'
	for i, name := range worldNames {
		if topic.Match(filter, name) {
			matched.add(i)
			if !wild || !strings.HasPrefix(name, "inbox/") {
				reached.add(i)
			}
		}
	}
	return matched, reached
}

func TestCoversAndOverlapsAreWhatTheySay(t *testing.T) {
	var a broker.Access
	all, come := make([]nameSet, len(worldFilters)), make([]nameSet, len(worldFilters))
	for i, f := range worldFilters {
		all[i], come[i] = matched(f)
	}
	for i, f := range worldFilters {
		p := patterns(f)[0]
		for j, asked := range worldFilters {
			if got, want := p.covers(asked, &a), all[i].covers(&all[j]); got != want {
				t.Errorf("%q covers %q: got %v, want %v", f, asked, got, want)
			}
			if got, want := p.overlaps(asked, &a, len(p)), all[i].overlaps(&come[j]); got != want {
				t.Errorf("%q overlaps %q: got %v, want %v", f, asked, got, want)
			}
		}
		for _, name := range worldNames {
			if got, want := p.covers(name, &a), topic.Match(f, name); got != want {
				t.Errorf("%q covers the name %q: got %v, want %v", f, name, got, want)
			}
		}
	}
}

// FuzzCover looks at filters that are longer than the small world's. What it can check there are the relations' laws.
func FuzzCover(f *testing.F) {
	for _, s := range []string{"a/#", "+/#", "#", "a/+/b", "$S/#", "inbox/+", "%c/a", "a/x%u/#", "%%"} {
		f.Add(s, "a/+", "a/b", "id", "user")
		f.Add(s, "#", "inbox/id", "a/b", "+")
	}
	f.Fuzz(func(t *testing.T, filter, asked, name, client, user string) {
		p, err := parsePattern(filter)
		if err != nil || topic.ValidateFilter(asked) != nil || strings.HasPrefix(asked, "$share/") || topic.ValidateName(name) != nil {
			return
		}
		a := broker.Access{App: "app", ClientID: client, User: user, Action: broker.ActionSubscribe, Topic: asked}
		allows, denies := p.applies(&a, broker.Allow), p.applies(&a, broker.Deny)
		if allows && !denies && !strings.HasPrefix(asked, "+") && !strings.HasPrefix(asked, "#") {
			t.Errorf("%q covers %q without overlapping it", filter, asked)
		}
		within := a
		within.Action, within.Topic = broker.ActionPublish, name
		inside := p.applies(&within, broker.Allow)
		addressed := strings.HasPrefix(name, "inbox/") && (asked[0] == '+' || asked[0] == '#')
		if topic.Match(asked, name) {
			if allows && !inside {
				t.Errorf("%q covers %q but not %q", filter, asked, name)
			}
			if inside && !denies && !addressed {
				t.Errorf("%q has %q in common with %q but does not overlap it", filter, name, asked)
			}
		}
		// What a rule allows is what the filter says with the names in the place of their placeholders.
		if inside {
			full := strings.NewReplacer("%%", "%", "%c", client, "%u", user, "%a", "app").Replace(filter)
			if strings.Count(full, "/") != strings.Count(filter, "/") || !topic.Match(full, name) {
				t.Errorf("%q for %q, %q allows %q, which %q does not match", filter, client, user, name, full)
			}
		}
	})
}
