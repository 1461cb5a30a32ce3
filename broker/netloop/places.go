package netloop

import (
	"container/heap"
	"container/list"
	"errors"
	"net/netip"
	"sync"
)

// How TLS handshakes share the places that there are for them.
//
// A handshake that waits for its peer keeps its place for as long as openTimeout, so that few addresses whose handshakes all stall
// could take every place. When none is left, a newcomer gets that of a handshake which waits for its peer, of the address
// that has most of these: see roomFor. One that computes, or waits for its turn to, is never ended for another:
// what it waits for is ours to do.

// errDisplaced closes a connection.
var errDisplaced = errors.New("netloop: TLS handshake has waited for its peer, and another needs its place")

// places are those of an engine.
//
//	taken <= most, but for handshakes of our own making; of one address <= perAddr
type places struct {
	// static
	most    int
	perAddr int
	kept    int // so many resting ones of an address are not displaced

	// guarded by mu
	mu     sync.Mutex
	taken  int
	byAddr map[netip.Addr]*party
	order  partyHeap // those in byAddr
}

// party are the handshakes of one address, or all without address: those over Unix sockets.
type party struct {
	addr    netip.Addr
	taken   int
	resting list.List // of *handshake: those that wait for their peer, the longest first
	at      int       // in partyHeap
}

func newPlaces(most, perAddr int) *places {
	return &places{most: most, perAddr: perAddr, kept: most / 128, byAddr: make(map[netip.Addr]*party)}
}

// enter takes a place for h, or returns false if there is none. Unix sockets have no address and no limit of
// their own. The caller ends displaced, if there is one: h has its place.
func (p *places) enter(h *handshake) (displaced *handshake, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := p.byAddr[h.addr]
	n := 0
	if mine != nil {
		n = mine.taken
	}
	if h.addr.IsValid() && n >= p.perAddr {
		return nil, false
	}
	if p.taken >= p.most {
		if displaced = p.roomFor(n); displaced == nil {
			return nil, false
		}
	}
	if mine == nil {
		mine = &party{addr: h.addr}
		p.byAddr[h.addr] = mine
		heap.Push(&p.order, mine)
	}
	mine.taken++
	p.taken++
	h.party = mine
	return displaced, true
}

// roomFor makes room for a newcomer of an address that has n handshakes: it displaces the one that has waited longest for its peer, of the
// address that has most of these. There is none if that would not be fairer than before, or if they are so few that
// somebody with many addresses gains nothing by them, and clients behind one address would lose.
func (p *places) roomFor(n int) *handshake {
	if len(p.order) == 0 {
		return nil
	}
	most := p.order[0]
	if r := most.resting.Len(); r <= p.kept || r <= n+1 {
		return nil
	}
	h := most.resting.Front().Value.(*handshake)
	p.wakeLocked(h)
	p.leaveLocked(h)
	h.displaced = true
	return h
}

// begin takes a place for a handshake of our own making, which nobody can flood us with, and which is not displaced.
func (p *places) begin() {
	p.mu.Lock()
	p.taken++
	p.mu.Unlock()
}

// rest notes that h waits for its peer.
func (p *places) rest(h *handshake) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.party != nil {
		h.place = h.party.resting.PushBack(h)
		heap.Fix(&p.order, h.party.at)
	}
}

// wake notes that h waits no more. It returns false if h has been displaced.
func (p *places) wake(h *handshake) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakeLocked(h)
	return !h.displaced
}

func (p *places) wakeLocked(h *handshake) {
	if h.place != nil {
		h.party.resting.Remove(h.place)
		h.place = nil
		heap.Fix(&p.order, h.party.at)
	}
}

// leave gives back the place of h, which does not wait, unless h was displaced: then it returns false.
func (p *places) leave(h *handshake) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.displaced {
		return false
	}
	p.leaveLocked(h)
	return true
}

func (p *places) leaveLocked(h *handshake) {
	p.taken--
	if h.party == nil {
		return
	}
	if h.party.taken--; h.party.taken == 0 {
		heap.Remove(&p.order, h.party.at)
		delete(p.byAddr, h.party.addr)
	}
}

// count returns how many are taken.
func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// partyHeap has the party with most resting handshakes first.
type partyHeap []*party

func (o partyHeap) Len() int           { return len(o) }
func (o partyHeap) Less(i, j int) bool { return o[i].resting.Len() > o[j].resting.Len() }

func (o partyHeap) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].at, o[j].at = i, j
}

// Push implements heap.Interface.
func (o *partyHeap) Push(x any) {
	x.(*party).at = len(*o)
	*o = append(*o, x.(*party))
}

// Pop implements heap.Interface.
func (o *partyHeap) Pop() any {
	last := len(*o) - 1
	x := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	return x
}

// site is the address by which peers are counted: an IPv6 host has a whole /64
// to itself.
func site(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	p, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return p.Addr()
}
