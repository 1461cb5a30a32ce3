package broker

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// AppLimits bound one App. What is 0 has no bound.
type AppLimits struct {
	// MaxConnections bounds the clients that are connected. More are refused with ErrQuotaExceeded; one that takes over its own
	// connection is not.
	MaxConnections int
	// MaxSubscriptions bounds the subscriptions of all Sessions. More are refused with ErrQuotaExceeded; a few more may get in at
	// the same moment.
	MaxSubscriptions int
	// MaxRetained bounds the retained messages, below $SYS excepted. 0 is Config.MaxRetained.
	MaxRetained int
	// MaxQueuedMessages bounds the messages that all Sessions have in queues and mailboxes, or that wait for them, as
	// AppStats.Queued and Waiting count them. A publish that a Session would have to keep is refused beyond it, whatever Config.DropOldest says;
	// a few more may get in at the same moment.
	MaxQueuedMessages int
	// MaxQueuedBytes bounds the same by bytes.
	MaxQueuedBytes int
}

// SetAppLimits puts the bounds that f returns into force for all Apps, in place of those before; nil is none. f is called once for each App
// that there is and that comes up, with a lock held, and must not block. Clients, subscriptions and messages that are beyond a new bound stay; there may be no more of
// them. It does not block, and may be called by any goroutine.
func (b *Broker) SetAppLimits(f func(app string) AppLimits) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.appLimits = f
	for name, a := range b.apps {
		a.limits.Store(b.limitsLocked(name))
	}
}

// limitsLocked returns the bounds of an App. b.mu is held.
func (b *Broker) limitsLocked(app string) *AppLimits {
	l := new(AppLimits)
	if b.appLimits != nil {
		*l = b.appLimits(app)
	}
	if l.MaxRetained == 0 {
		l.MaxRetained = b.cfg.MaxRetained
	}
	return l
}

// AppLimit is a bound of an App.
type AppLimit uint8

// Bounds.
const (
	LimitConnections AppLimit = iota
	LimitSubscriptions
	LimitRetained
	LimitQueued
	appLimits
)

func (l AppLimit) String() string {
	return [...]string{"connections", "subscriptions", "retained", "queued"}[l]
}

// appUsage is what there is of an App, and what has been refused.
type appUsage struct {
	admitted     atomic.Int64 // connections that are or are about to be
	connected    atomic.Int64
	sessions     atomic.Int64
	queued       atomic.Int64
	queuedBytes  atomic.Int64
	waiting      atomic.Int64
	waitingBytes atomic.Int64
	pauses       atomic.Uint64 // of clients that have published too fast
	refused      [appLimits]atomic.Uint64
}

// hold counts what queues and mailboxes hold more, or less.
func (a *App) hold(messages, bytes int) {
	a.usage.queued.Add(int64(messages))
	a.usage.queuedBytes.Add(int64(bytes))
}

// await counts publishes that wait more, or less.
func (a *App) await(messages, bytes int) {
	a.usage.waiting.Add(int64(messages))
	a.usage.waitingBytes.Add(int64(bytes))
}

// refuse counts that something is over a bound.
func (a *App) refuse(l AppLimit) { a.usage.refused[l].Add(1) }

// keeps tells whether the App may keep size bytes more.
func (a *App) keeps(size int) bool {
	l, u := a.limits.Load(), &a.usage
	if l.MaxQueuedMessages > 0 && u.queued.Load()+u.waiting.Load() >= int64(l.MaxQueuedMessages) ||
		l.MaxQueuedBytes > 0 && u.queuedBytes.Load()+u.waitingBytes.Load()+int64(size) > int64(l.MaxQueuedBytes) {
		a.refuse(LimitQueued)
		return false
	}
	return true
}

// takesSubscription tells whether there may be one subscription more.
func (a *App) takesSubscription() bool {
	if most := a.limits.Load().MaxSubscriptions; most > 0 && a.index.Len() >= most {
		a.refuse(LimitSubscriptions)
		return false
	}
	return true
}

// admit counts a client that wants in, and tells whether it may. If so, dismiss must be called when it has not got in, or is
// gone. Whoever takes over a connection of its own may always.
func (a *App) admit(clientID string) bool {
	most := int64(a.limits.Load().MaxConnections)
	if n := a.usage.admitted.Add(1); most == 0 || n <= most || a.Connected(clientID) {
		return true
	}
	a.usage.admitted.Add(-1)
	a.refuse(LimitConnections)
	return false
}

func (a *App) dismiss() { a.usage.admitted.Add(-1) }

// dismissing is done, which dismisses a client that has not got in. One that has an epoch had.
func (a *App) dismissing(done func(Connected)) func(Connected) {
	return func(r Connected) {
		if r.Err != nil && r.Epoch == 0 {
			a.dismiss()
		}
		done(r)
	}
}

// left counts that a Session has lost its connection.
func (a *App) left() {
	a.usage.connected.Add(-1)
	a.dismiss()
}

// of returns the counters of an App.
func (sc *Scratch) of(a *App) *Counters {
	if sc.app != a {
		sc.turnTo(a)
	}
	return sc.counters
}

func (sc *Scratch) turnTo(a *App) {
	sc.app, sc.counters = a, sc.apps[a]
	if sc.counters == nil {
		sc.counters = new(Counters)
		sc.apps[a] = sc.counters
		sc.broker.mu.Lock()
		a.counters = append(a.counters, sc.counters)
		sc.broker.mu.Unlock()
	}
}

// AppStats is a snapshot of an App.
type AppStats struct {
	Name string
	Stats

	Limited map[string]uint64 // what was refused because of AppLimits, by AppLimit
}

// AppStats returns a snapshot of each App's counters, in the order in which they have come up. What belongs to the
// node alone is 0.
func (b *Broker) AppStats() []AppStats {
	apps := b.allApps()
	slices.SortFunc(apps, func(x, y *App) int { return cmp.Compare(x.number, y.number) })
	all := make([]AppStats, len(apps))
	for i, a := range apps {
		all[i] = AppStats{Name: a.name, Stats: Stats{Dropped: make(map[string]uint64, dropReasons)}, Limited: make(map[string]uint64, appLimits)}
		st := &all[i]
		st.addApp(a)
		for l := range appLimits {
			st.Limited[l.String()] = a.usage.refused[l].Load()
		}
	}
	return all
}

// Add adds the counters of another App.
func (s *AppStats) Add(o *AppStats) {
	s.add(&o.Stats)
	for l, n := range o.Limited {
		s.Limited[l] += n
	}
}
