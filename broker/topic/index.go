package topic

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// shardCount is the number of parts of the exact filters, a power of two.
const shardCount = 128

// Index holds the subscriptions of all Sessions and finds those that match a
// Topic Name. S identifies a subscriber, such as a pointer to its Session.
// It is safe for concurrent use; make one with NewIndex.
//
// A Match sees every Subscribe and Unsubscribe that returned before it began;
// of one that runs at the same time it sees all or nothing.
//
// Lock order: shard or trie, then Group. No two shards are locked at once.
type Index[S comparable] struct {
	seed   maphash.Seed // static
	shards [shardCount]shard[S]
	wild   trie[S]

	subs   atomic.Int64 // subscriptions, those in groups too
	shared atomic.Int64 // groups
}

// shard is one part of the filters without wildcards.
type shard[S comparable] struct {
	mu     sync.RWMutex
	subs   map[string]entry[S]  // guarded by mu
	groups map[string]groups[S] // guarded by mu; by Topic Filter without "$share/"

	_ [64]byte // keeps the locks of neighbours on different cache lines
}

// NewIndex returns an empty Index.
func NewIndex[S comparable]() *Index[S] {
	return &Index[S]{seed: maphash.MakeSeed()}
}

func (x *Index[S]) shard(filter string) *shard[S] {
	return &x.shards[maphash.String(x.seed, filter)&(shardCount-1)]
}

// Subscribe adds a subscription to filter, or replaces the one that the same
// Subscriber has to it: v5 [MQTT-3.8.4-3], v3.1.1 [MQTT-3.8.4-3]; existed says which.
// A filter "$share/{ShareName}/{Topic Filter}" makes it a member of that
// group. filter must have passed ValidateFilter and is kept, so it should not
// be part of a much longer string.
func (x *Index[S]) Subscribe(filter string, sub Subscription[S]) (existed bool) {
	name, rest, shared, err := ParseShared(filter)
	if err != nil { // not validated: kept as an ordinary filter
		rest, shared = filter, false
	}
	var made bool
	switch {
	case hasWildcard(rest):
		existed, made = x.wild.subscribe(rest, name, shared, sub)
	case shared:
		existed, made = x.shard(rest).share(rest, name, sub)
	default:
		existed = x.shard(rest).subscribe(rest, sub)
	}
	if !existed {
		x.subs.Add(1)
	}
	if made {
		x.shared.Add(1)
	}
	return existed
}

// Unsubscribe removes the subscription of s to filter, which is compared
// character by character: v5 [MQTT-3.10.4-1], v3.1.1 [MQTT-3.10.4-1]. existed
// is false if there was none.
func (x *Index[S]) Unsubscribe(filter string, s S) (existed bool) {
	name, rest, shared, err := ParseShared(filter)
	if err != nil {
		rest, shared = filter, false
	}
	var gone bool
	switch {
	case hasWildcard(rest):
		existed, gone = x.wild.unsubscribe(rest, name, shared, s)
	case shared:
		existed, gone = x.shard(rest).unshare(rest, name, s)
	default:
		existed = x.shard(rest).unsubscribe(rest, s)
	}
	if existed {
		x.subs.Add(-1)
	}
	if gone {
		x.shared.Add(-1)
	}
	return existed
}

// Match finds who is owed a message published to name, a valid Topic Name,
// and writes it to dst, whose earlier contents are lost. No Local
// subscriptions of publisher are left out; the zero value means that the
// publisher is no subscriber. It allocates only where dst must grow.
func (x *Index[S]) Match(name string, publisher S, dst *Matches[S]) {
	dst.begin()
	sh := x.shard(name)
	sh.mu.RLock()
	if e, ok := sh.subs[name]; ok {
		dst.addEntry(&e, publisher)
	}
	if len(sh.groups) > 0 {
		dst.Shared = append(dst.Shared, sh.groups[name]...)
	}
	sh.mu.RUnlock()
	if x.wild.filters.Load() > 0 {
		x.wild.match(name, publisher, dst)
	}
}

// Group returns the group of a Shared Subscription's Topic Filter, as Subscribe
// takes it, or nil if it has no members.
func (x *Index[S]) Group(filter string) *Group[S] {
	name, rest, shared, err := ParseShared(filter)
	if err != nil || !shared {
		return nil
	}
	if hasWildcard(rest) {
		return x.wild.group(rest, name)
	}
	sh := x.shard(rest)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.groups[rest].get(name)
}

// Len returns the number of subscriptions; each member of a group counts.
func (x *Index[S]) Len() int { return int(x.subs.Load()) }

// Groups returns the number of groups of Shared Subscriptions that have members.
func (x *Index[S]) Groups() int { return int(x.shared.Load()) }

func (sh *shard[S]) subscribe(filter string, sub Subscription[S]) (existed bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, ok := sh.subs[filter]
	if !ok {
		if sh.subs == nil {
			sh.subs = make(map[string]entry[S])
		}
		sh.subs[filter] = entry[S]{one: sub}
		return false
	}
	existed = e.put(sub)
	sh.subs[filter] = e
	return existed
}

func (sh *shard[S]) unsubscribe(filter string, s S) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, ok := sh.subs[filter]
	if !ok {
		return false
	}
	existed, empty := e.remove(s)
	if empty {
		delete(sh.subs, filter)
	} else if existed {
		sh.subs[filter] = e
	}
	return existed
}

func (sh *shard[S]) share(filter, name string, sub Subscription[S]) (existed, made bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.groups == nil {
		sh.groups = make(map[string]groups[S])
	}
	gs := sh.groups[filter]
	existed, made = gs.subscribe(name, filter, sub)
	sh.groups[filter] = gs
	return existed, made
}

func (sh *shard[S]) unshare(filter, name string, s S) (existed, gone bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	gs := sh.groups[filter]
	existed, gone = gs.unsubscribe(name, s)
	switch {
	case len(gs) > 0:
		sh.groups[filter] = gs
	case gone:
		delete(sh.groups, filter)
	}
	return existed, gone
}
