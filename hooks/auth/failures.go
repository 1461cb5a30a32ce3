package auth

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// FailuresConfig says how often an address may be wrong.
type FailuresConfig struct {
	// Burst is the number of failed attempts that an address has at first. 0 is 20.
	Burst int
	// Every is after how long it has another one. 0 is 5 s.
	Every time.Duration
	// MaxAddresses bounds the addresses that are remembered, at some 50 bytes each. When there are more,
	// one that has been wrong less than others is forgotten. 0 is 65,536.
	MaxAddresses int
	// Exempt are not limited, such as a gateway behind which many devices are.
	Exempt []netip.Prefix
}

// Failures remembers which addresses have been wrong. IPv6 addresses count by their /64, which is what
// one customer has. It is for any number of goroutines, and nil has no limits.
//
// Attempts are counted when they have failed, so that a client with the right password costs its neighbors
// behind the same address nothing. Those that are under way at the same time are not held back; they are a debt.
type Failures struct {
	cfg   FailuresConfig
	start time.Time
	limit time.Duration // debt above which an address is blocked: Burst * Every

	mu sync.Mutex
	// free is, for each address, when it will be as if it had never failed, from start.
	free    map[netip.Addr]time.Duration
	evicted atomic.Uint64
}

// NewFailures returns a Failures that remembers nobody.
func NewFailures(cfg FailuresConfig) *Failures {
	if cfg.Burst <= 0 {
		cfg.Burst = 20
	}
	if cfg.Every <= 0 {
		cfg.Every = 5 * time.Second
	}
	if cfg.MaxAddresses <= 0 {
		cfg.MaxAddresses = 1 << 16
	}
	return &Failures{cfg: cfg, start: time.Now(), limit: time.Duration(cfg.Burst) * cfg.Every, free: make(map[netip.Addr]time.Duration)}
}

// Blocked tells whether an address has used up its attempts. The zero Addr, of a Unix socket, never is.
func (f *Failures) Blocked(addr netip.Addr) bool {
	key, ok := f.key(addr)
	if !ok {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.free[key]-time.Since(f.start) > f.limit-f.cfg.Every
}

// Record counts a failed attempt of an address.
func (f *Failures) Record(addr netip.Addr) {
	key, ok := f.key(addr)
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Since(f.start)
	free, known := f.free[key]
	if !known && len(f.free) >= f.cfg.MaxAddresses {
		f.evictLocked(now)
	}
	f.free[key] = min(max(free, now)+f.cfg.Every, now+2*f.limit)
}

// evictLocked forgets the least of a few addresses, which a map hands out in no order.
func (f *Failures) evictLocked(now time.Duration) {
	const sample = 8
	var least netip.Addr
	n := 0
	for addr, free := range f.free {
		if free <= now {
			delete(f.free, addr)
			return
		}
		if n == 0 || free < f.free[least] {
			least = addr
		}
		if n++; n == sample {
			break
		}
	}
	delete(f.free, least)
	f.evicted.Add(1)
}

// key is by what an address counts; ok is false if it has no limit.
func (f *Failures) key(addr netip.Addr) (key netip.Addr, ok bool) {
	if f == nil || !addr.IsValid() {
		return addr, false
	}
	addr = addr.Unmap().WithZone("")
	for _, p := range f.cfg.Exempt {
		if p.Contains(addr) {
			return addr, false
		}
	}
	if addr.Is6() {
		p, _ := addr.Prefix(64)
		addr = p.Addr()
	}
	return addr, true
}

// FailuresStats says what a Failures remembers.
type FailuresStats struct {
	Addresses int    // that are remembered
	Evicted   uint64 // forgotten before their time
}

// Stats returns the counts at this moment.
func (f *Failures) Stats() FailuresStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return FailuresStats{Addresses: len(f.free), Evicted: f.evicted.Load()}
}
