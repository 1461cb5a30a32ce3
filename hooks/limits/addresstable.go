package limits

import (
	"net/netip"
	"time"
)

// addressTable has what is counted for addresses: those that are connected, and those that were until
// not long ago, whose buckets are not full yet. It is guarded by its Admission's lock.
type addressTable struct {
	max     int
	entries map[netip.Addr]*addressEntry
	idle    addressEntry // head of the ring of entries without connections, those that became so first in front
}

// addressEntry is one address. It is in the ring if and only if connections == 0.
type addressEntry struct {
	addr        netip.Addr
	connections int
	full        time.Duration // when the bucket of its rate will be full
	prev, next  *addressEntry
}

func newAddressTable(most int) addressTable {
	return addressTable{max: most, entries: make(map[netip.Addr]*addressEntry)}
}

// addressKey is by what an address counts.
func addressKey(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		p, _ := addr.Prefix(64)
		return p.Addr()
	}
	return addr
}

// obtain returns the entry of an address, which is taken out of the ring, or a new one: then connections must be made 1
// or more. It is nil if there are too many. forgotten tells whether another was given up for it.
func (t *addressTable) obtain(key netip.Addr, now time.Duration) (e *addressEntry, forgotten bool) {
	// Two for each that comes: the ring does not grow beyond what has a reason.
	for range 2 {
		if old := t.idle.next; old != nil && old != &t.idle && old.full <= now {
			t.forget(old)
		}
	}
	if e = t.entries[key]; e != nil {
		if e.connections == 0 {
			e.leave()
		}
		return e, false
	}
	if len(t.entries) >= t.max {
		oldest := t.idle.next
		if oldest == nil || oldest == &t.idle {
			return nil, false
		}
		forgotten = oldest.full > now
		t.forget(oldest)
	}
	e = &addressEntry{addr: key}
	t.entries[key] = e
	return e, forgotten
}

// release takes one connection off an entry.
func (t *addressTable) release(e *addressEntry) {
	if e.connections--; e.connections > 0 {
		return
	}
	if t.idle.next == nil {
		t.idle.next, t.idle.prev = &t.idle, &t.idle
	}
	e.prev, e.next = t.idle.prev, &t.idle
	e.prev.next, e.next.prev = e, e
}

func (t *addressTable) forget(e *addressEntry) {
	e.leave()
	delete(t.entries, e.addr)
}

// leave takes an entry out of the ring.
func (e *addressEntry) leave() {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}
