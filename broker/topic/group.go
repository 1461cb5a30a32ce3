package topic

import (
	"slices"
	"sync"
)

// pickPasses bounds how often Pick starts again because members left meanwhile.
const pickPasses = 3

// Group is a Shared Subscription: the Sessions that share the messages of one
// Topic Filter under one ShareName. Index.Subscribe makes it and Index.Match
// returns it. It is safe for concurrent use.
type Group[S comparable] struct {
	// Name is the ShareName and Filter the Topic Filter behind it. They do not change.
	Name, Filter string

	mu      sync.Mutex
	members roster[S] // guarded by mu
	next    int       // guarded by mu: where the next Pick begins
	moves   uint64    // guarded by mu: removals so far, each of which may move a member
}

// Pick chooses the member that gets the next message: round robin, beginning
// behind the one chosen last, the first for which ok returns true (a nil ok
// takes any). It returns false if there is none, or no members at all. ok is
// called with no lock held and may block or use the Index; members that come
// or go meanwhile may or may not be asked. Pick does not allocate.
func (g *Group[S]) Pick(ok func(Subscription[S]) bool) (sub Subscription[S], found bool) {
	for range pickPasses {
		var moved bool
		if sub, found, moved = g.pass(ok); found || !moved {
			break
		}
	}
	return sub, found
}

// pass asks each member once. If moved is true members were removed
// meanwhile, and one that was not asked may have been moved to a place already passed.
func (g *Group[S]) pass(ok func(Subscription[S]) bool) (sub Subscription[S], found, moved bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next >= len(g.members.subs) {
		g.next = 0
	}
	moves, first := g.moves, g.next
	at := first
	g.next++ // picks at the same time begin at different members
	for range len(g.members.subs) {
		if at >= len(g.members.subs) {
			at = 0
		}
		if len(g.members.subs) == 0 {
			break
		}
		sub = g.members.subs[at]
		if ok == nil || g.ask(ok, sub) {
			g.next = at + 1
			return sub, true, false
		}
		at++
	}
	if g.next == first+1 {
		g.next = first // nobody's turn has been: else two members would not take turns when every other pass finds none
	}
	return Subscription[S]{}, false, g.moves != moves
}

// ask calls ok without the lock, which the caller holds.
func (g *Group[S]) ask(ok func(Subscription[S]) bool, sub Subscription[S]) bool {
	g.mu.Unlock()
	defer g.mu.Lock()
	return ok(sub)
}

// Any tells whether is returns true for a member. It is called with no lock
// held; members that come or go meanwhile may or may not be asked.
func (g *Group[S]) Any(is func(Subscription[S]) bool) bool {
	g.mu.Lock()
	members := slices.Clone(g.members.subs)
	g.mu.Unlock()
	return slices.ContainsFunc(members, is)
}

// Len returns the number of members.
func (g *Group[S]) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members.subs)
}

func (g *Group[S]) put(sub Subscription[S]) (existed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.members.put(sub)
}

func (g *Group[S]) remove(s S) (existed, empty bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.members.remove(s) {
		return false, false
	}
	g.moves++
	return true, len(g.members.subs) == 0
}

// groups are the groups of one filter, found by their ShareName. There are few.
type groups[S comparable] []*Group[S]

func (gs groups[S]) find(name string) int {
	for i, g := range gs {
		if g.Name == name {
			return i
		}
	}
	return -1
}

// get returns the group called name, or nil.
func (gs groups[S]) get(name string) *Group[S] {
	if i := gs.find(name); i >= 0 {
		return gs[i]
	}
	return nil
}

// subscribe adds sub to the group called name, which is made if missing.
func (gs *groups[S]) subscribe(name, filter string, sub Subscription[S]) (existed, made bool) {
	i := gs.find(name)
	if i < 0 {
		i = len(*gs)
		*gs = append(*gs, &Group[S]{Name: name, Filter: filter})
		made = true
	}
	return (*gs)[i].put(sub), made
}

// unsubscribe removes s from the group called name, and the group if nobody is left.
func (gs *groups[S]) unsubscribe(name string, s S) (existed, gone bool) {
	i := gs.find(name)
	if i < 0 {
		return false, false
	}
	existed, gone = (*gs)[i].remove(s)
	if gone {
		last := len(*gs) - 1
		(*gs)[i] = (*gs)[last]
		(*gs)[last] = nil
		*gs = (*gs)[:last]
	}
	return existed, gone
}
