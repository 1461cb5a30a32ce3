package limits

import (
	"errors"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// AdmissionConfig says how many connections there may be. What is 0 has no limit.
type AdmissionConfig struct {
	MaxConnections int            // of the node
	MaxPerListener map[string]int // by the listener's name
	MaxPerAddress  int
	MaxPerApp      int            // of Apps that are not in AppLimits
	AppLimits      map[string]int // by App; 0 has no limit

	Rate         float64 // new connections a second, of the node
	Burst        int     // of them at once. 0 is Rate, 1 at least
	AddressRate  float64 // new connections a second, of each address
	AddressBurst int     // of them at once. 0 is AddressRate, 1 at least

	// MaxAddresses bounds the addresses that are counted, at some 150 bytes each. If there are more, one that is not connected is
	// forgotten, and if all are, new ones are refused. 0 is twice MaxConnections, or a million if that has no limit.
	MaxAddresses int
}

// Admission counts connections. It is for any number of goroutines.
type Admission struct {
	cfg         AdmissionConfig // static
	node        bucket
	address     bucket
	byAddress   bool // something goes by address
	refused     [refusals]atomic.Uint64
	forgotten   atomic.Uint64
	mu          sync.Mutex
	connections int
	listeners   map[string]int
	apps        map[string]int
	nodeFull    time.Duration // when the node's bucket will be full
	table       addressTable
}

// NewAdmission returns an Admission that has counted nothing. The error is about numbers.
func NewAdmission(cfg AdmissionConfig) (*Admission, error) {
	node, err1 := newBucket(cfg.Rate, cfg.Burst)
	address, err2 := newBucket(cfg.AddressRate, cfg.AddressBurst)
	err := errors.Join(err1, err2)
	negative := cfg.MaxConnections < 0 || cfg.MaxPerAddress < 0 || cfg.MaxPerApp < 0 || cfg.MaxAddresses < 0
	for _, limits := range []map[string]int{cfg.MaxPerListener, cfg.AppLimits} {
		for _, n := range limits {
			negative = negative || n < 0
		}
	}
	if negative {
		err = errors.Join(err, errors.New("a limit of connections must not be negative"))
	}
	if cfg.MaxAddresses == 0 {
		cfg.MaxAddresses = 1 << 20
		if cfg.MaxConnections > 0 {
			cfg.MaxAddresses = 2 * cfg.MaxConnections
		}
	}
	cfg.MaxPerListener, cfg.AppLimits = maps.Clone(cfg.MaxPerListener), maps.Clone(cfg.AppLimits)
	return &Admission{cfg: cfg, node: node, address: address, byAddress: cfg.MaxPerAddress > 0 || address.each > 0,
		listeners: make(map[string]int), apps: make(map[string]int), table: newAddressTable(cfg.MaxAddresses)}, err
}

// Admit counts a connection that has come to a listener from an address, before anything is read from it. now is the time since
// some moment. release is to be called when the connection is closed; calling it again does nothing. err is a Refused,
// with which nothing is counted: refused connections do not use up the rate.
func (a *Admission) Admit(now time.Duration, listener string, addr netip.Addr) (release func(), err error) {
	a.mu.Lock()
	e, why := a.admitLocked(now, listener, addr)
	a.mu.Unlock()
	if why != 0 {
		a.refused[why].Add(1)
		return nil, why
	}
	return once(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.connections--
		decrement(a.listeners, listener)
		if e != nil {
			a.table.release(e)
		}
	}), nil
}

// admitLocked checks everything, and counts then: all or nothing.
func (a *Admission) admitLocked(now time.Duration, listener string, addr netip.Addr) (*addressEntry, Refused) {
	c := &a.cfg
	switch {
	case isFull(a.connections, c.MaxConnections):
		return nil, NodeFull
	case isFull(a.listeners[listener], c.MaxPerListener[listener]):
		return nil, ListenerFull
	}
	var e *addressEntry
	if a.byAddress && addr.IsValid() {
		key := addressKey(addr)
		if e = a.table.entries[key]; e != nil {
			if isFull(e.connections, c.MaxPerAddress) {
				return nil, AddressFull
			}
			if !a.address.has(e.full, now) {
				return nil, AddressRate
			}
		}
		if !a.node.has(a.nodeFull, now) {
			return nil, NodeRate
		}
		var forgotten bool
		if e, forgotten = a.table.obtain(key, now); e == nil {
			return nil, TableFull
		}
		if forgotten {
			a.forgotten.Add(1)
		}
		e.connections++
		a.address.take(&e.full, now, 1)
	} else if !a.node.has(a.nodeFull, now) {
		return nil, NodeRate
	}
	a.node.take(&a.nodeFull, now, 1)
	a.connections++
	a.listeners[listener]++
	return e, 0
}

// AdmitApp counts a connection of an App, once it is known. It is like Admit otherwise.
func (a *Admission) AdmitApp(app string) (release func(), err error) {
	limit, own := a.cfg.AppLimits[app]
	if !own {
		limit = a.cfg.MaxPerApp
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if isFull(a.apps[app], limit) {
		a.refused[AppFull].Add(1)
		return nil, AppFull
	}
	a.apps[app]++
	return once(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		decrement(a.apps, app)
	}), nil
}

func isFull(n, limit int) bool { return limit > 0 && n >= limit }

// decrement takes one off a count, and forgets it at 0.
func decrement(counts map[string]int, name string) {
	if counts[name]--; counts[name] == 0 {
		delete(counts, name)
	}
}

// once is sync.OnceFunc, which takes several times as much memory for each connection.
func once(f func()) func() {
	var done atomic.Bool
	return func() {
		if !done.Swap(true) {
			f()
		}
	}
}

// AdmissionStats says what an Admission has counted.
type AdmissionStats struct {
	Connections int
	Listeners   map[string]int // connections, by listener
	Apps        map[string]int // connections, by App
	Addresses   int            // that are counted, connected or not
	Forgotten   uint64         // addresses, before their time
	Refused     map[Refused]uint64
}

// Stats returns the counts at this moment; those of refusals are since the start, and only those that are not 0.
func (a *Admission) Stats() AdmissionStats {
	a.mu.Lock()
	s := AdmissionStats{Connections: a.connections, Listeners: maps.Clone(a.listeners), Apps: maps.Clone(a.apps), Addresses: len(a.table.entries)}
	a.mu.Unlock()
	s.Forgotten, s.Refused = a.forgotten.Load(), make(map[Refused]uint64)
	for r := range refusals {
		if n := a.refused[r].Load(); n > 0 {
			s.Refused[r] = n
		}
	}
	return s
}
