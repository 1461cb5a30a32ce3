package limits

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// AdmissionConfig says how many connections there may be. What is 0 has no limit.
type AdmissionConfig struct {
	MaxConnections int                       // of the node
	MaxPerAddress  int                       // of each address
	Listeners      map[string]ListenerConfig // by the listener's name

	Rate         float64 // new connections a second, of the node
	Burst        int     // of them at once. 0 is Rate, 1 at least
	AddressRate  float64 // new connections a second, of each address
	AddressBurst int     // of them at once. 0 is AddressRate, 1 at least

	// MaxAddresses bounds the addresses that are counted, at some 150 bytes each. If there are more, one that is not connected is
	// forgotten, and if all are, new ones are refused. 0 is twice MaxConnections, or a million if that has no limit.
	MaxAddresses int
}

// ListenerConfig is what holds for one listener besides. What is 0 has no limit.
type ListenerConfig struct {
	MaxConnections int
	Rate           float64 // new connections a second
	Burst          int     // of them at once. 0 is Rate, 1 at least
}

// listener is what is counted of one listener.
type listener struct {
	max         int
	rate        bucket
	connections int           // guarded by its Admission's lock
	full        time.Duration // when the bucket will be full; guarded likewise
}

// bounds are what holds for the node and each address.
type bounds struct {
	max, perAddress int // connections
	node, address   bucket
}

// Admission counts connections. It is for any number of goroutines.
type Admission struct {
	byAddress   bool // static: something goes by address, or may
	refused     [refusals]atomic.Uint64
	forgotten   atomic.Uint64
	mu          sync.Mutex
	bounds      bounds
	connections int
	listeners   map[string]*listener // the map is static
	nodeFull    time.Duration        // when the node's bucket will be full
	table       addressTable
}

// NewAdmission returns an Admission that has counted nothing. The error is about numbers.
func NewAdmission(cfg AdmissionConfig) (*Admission, error) {
	b, err := newBounds(&cfg)
	negative := false
	listeners := make(map[string]*listener, len(cfg.Listeners))
	for name, l := range cfg.Listeners {
		rate, err1 := newBucket(l.Rate, l.Burst)
		err = errors.Join(err, err1)
		negative = negative || l.MaxConnections < 0
		listeners[name] = &listener{max: l.MaxConnections, rate: rate}
	}
	if negative {
		err = errors.Join(err, errNegative)
	}
	return &Admission{bounds: b, byAddress: b.byAddress(), listeners: listeners, table: newAddressTable(cfg.addresses())}, err
}

// addresses is how many are counted at most.
func (cfg *AdmissionConfig) addresses() int {
	switch {
	case cfg.MaxAddresses > 0:
		return cfg.MaxAddresses
	case cfg.MaxConnections > 0:
		return 2 * cfg.MaxConnections
	}
	return 1 << 20
}

var (
	errNegative = errors.New("a limit of connections must not be negative")

	// ErrNotCounted is the error of limits by address for connections that have not been counted by address.
	ErrNotCounted = errors.New("connections are not counted by address, since there was no such limit at the start")
)

func newBounds(cfg *AdmissionConfig) (bounds, error) {
	node, err1 := newBucket(cfg.Rate, cfg.Burst)
	address, err2 := newBucket(cfg.AddressRate, cfg.AddressBurst)
	err := errors.Join(err1, err2)
	if cfg.MaxConnections < 0 || cfg.MaxPerAddress < 0 || cfg.MaxAddresses < 0 {
		err = errors.Join(err, errNegative)
	}
	return bounds{max: cfg.MaxConnections, perAddress: cfg.MaxPerAddress, node: node, address: address}, err
}

// byAddress tells whether something goes by address.
func (b *bounds) byAddress() bool { return b.perAddress > 0 || b.address.each > 0 }

// Set puts the limits of cfg for node and addresses into force in place of those before; Listeners stay as they were. Connections
// that are there stay, also if there are more than may be now. With an error, ErrNotCounted or one about numbers, all is as before.
func (a *Admission) Set(cfg AdmissionConfig) error {
	b, err := newBounds(&cfg)
	if err == nil && b.byAddress() && !a.byAddress {
		err = ErrNotCounted
	}
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.bounds, a.table.max = b, cfg.addresses()
	a.mu.Unlock()
	return nil
}

// Admit counts a connection that has come to a listener from an address, before anything is read from it. now is the time since
// some moment. release is to be called when the connection is closed; calling it again does nothing. err is a Refused,
// with which nothing is counted: refused connections do not use up the rate.
func (a *Admission) Admit(now time.Duration, listener string, addr netip.Addr) (release func(), err error) {
	l := a.listeners[listener]
	a.mu.Lock()
	e, why := a.admitLocked(now, l, addr)
	a.mu.Unlock()
	if why != 0 {
		a.refused[why].Add(1)
		return nil, why
	}
	return once(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.connections--
		if l != nil {
			l.connections--
		}
		if e != nil {
			a.table.release(e)
		}
	}), nil
}

// admitLocked checks everything, and counts then: all or nothing.
func (a *Admission) admitLocked(now time.Duration, l *listener, addr netip.Addr) (*addressEntry, Refused) {
	b := &a.bounds
	switch {
	case isFull(a.connections, b.max):
		return nil, NodeFull
	case l != nil && isFull(l.connections, l.max):
		return nil, ListenerFull
	case l != nil && !l.rate.has(l.full, now):
		return nil, ListenerRate
	}
	var e *addressEntry
	if a.byAddress && addr.IsValid() {
		key := addressKey(addr)
		if e = a.table.entries[key]; e != nil {
			if isFull(e.connections, b.perAddress) {
				return nil, AddressFull
			}
			if !b.address.has(e.full, now) {
				return nil, AddressRate
			}
		}
		if !b.node.has(a.nodeFull, now) {
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
		b.address.take(&e.full, now, 1)
	} else if !b.node.has(a.nodeFull, now) {
		return nil, NodeRate
	}
	b.node.take(&a.nodeFull, now, 1)
	a.connections++
	if l != nil {
		l.rate.take(&l.full, now, 1)
		l.connections++
	}
	return e, 0
}

func isFull(n, limit int) bool { return limit > 0 && n >= limit }

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
	Listeners   map[string]int // connections, of listeners that have a limit
	Addresses   int            // that are counted, connected or not
	Forgotten   uint64         // addresses, before their time
	Refused     map[Refused]uint64
}

// Stats returns the counts at this moment; those of refusals are since the start, and only those that are not 0.
func (a *Admission) Stats() AdmissionStats {
	a.mu.Lock()
	s := AdmissionStats{Connections: a.connections, Listeners: make(map[string]int, len(a.listeners)), Addresses: len(a.table.entries)}
	for name, l := range a.listeners {
		s.Listeners[name] = l.connections
	}
	a.mu.Unlock()
	s.Forgotten, s.Refused = a.forgotten.Load(), make(map[Refused]uint64)
	for r := range refusals {
		if n := a.refused[r].Load(); n > 0 {
			s.Refused[r] = n
		}
	}
	return s
}
