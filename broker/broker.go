package broker

import (
	"sync"
	"sync/atomic"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// DefaultApp is the App of Sessions that belong to no other.
const DefaultApp = "default"

type (
	matches     = topic.Matches[*Session]
	group       = topic.Group[*Session]
	groupMember = topic.Subscription[*Session]
)

// Broker holds all Apps of a node. Its methods are safe for concurrent use.
type Broker struct {
	cfg       Config
	store     Store
	deadlines *deadlines
	resumer   *resumer
	sweeper   *sweeper
	flash     flash
	hooks     *hooks                   // nil without any
	taps      atomic.Pointer[[]tapped] // nil without any

	epochs         atomic.Uint64 // the last one given
	takeovers      atomic.Uint64
	slowEnded      atomic.Uint64
	fruitlessEnded atomic.Uint64
	kicked         atomic.Uint64
	rejected       atomic.Uint64
	hookPanics     [hookKinds]atomic.Uint64
	relief         relief

	mu        sync.Mutex // guards the rest
	apps      map[string]*App
	appLimits func(app string) AppLimits // nil is none
	idle      []*Scratch                 // lent by withScratch
}

// New returns a broker without Sessions. Close ends it.
func New(cfg Config) *Broker {
	b := &Broker{cfg: cfg.withDefaults(), store: cfg.Store, apps: make(map[string]*App), appLimits: cfg.AppLimits}
	b.hooks = newHooks(b, b.cfg.Hooks)
	b.deadlines = newDeadlines(b.cfg.Clock, b.onDeadline)
	b.resumer = newResumer(b.goOn)
	b.sweeper = newSweeper(b)
	return b
}

// Close stops timers, and has the Store know how far all Sessions have got,
// which must have been detached before; Wills that are delayed are in their
// records. It blocks until that is on disk, and for a
// moment while hooks are told what they have not been told yet. The Store is the caller's to close.
func (b *Broker) Close() {
	b.sweeper.stop()
	b.deadlines.stop()
	b.saveAll()
	b.resumer.stop()
	b.hooks.stop()
}

// savePace is how many records are saved at a time: the Store does not take any number.
const savePace = 1000

// saveAll saves the record of each Session that is awake.
func (b *Broker) saveAll() {
	n := 0
	w := newWaiter()
	for _, s := range b.sessions() {
		if s.saveLast(w, n%savePace == savePace-1) {
			n++
			if n%savePace == 0 {
				_ = w.wait() // the record that there is does no harm
			}
		}
	}
}

// allApps returns the Apps there are.
func (b *Broker) allApps() []*App {
	b.mu.Lock()
	defer b.mu.Unlock()
	apps := make([]*App, 0, len(b.apps))
	for _, a := range b.apps {
		apps = append(apps, a)
	}
	return apps
}

// sessions returns all that are in RAM.
func (b *Broker) sessions() []*Session {
	var all []*Session
	for _, a := range b.allApps() {
		for i := range a.shards {
			all = append(all, a.shards[i].sessions()...)
		}
	}
	return all
}

// Scratch is the working memory of one goroutine that calls the broker: a
// front has one per loop. It must not be used by two at once.
type Scratch struct {
	broker   *Broker
	hooks    *hooks // the Broker's
	via      any
	matches  matches
	delivery Delivery
	ids      []uint32
	op       *publishOp // of the publish that is going on, once something is deferred
	attended bool       // somebody waits for the result of the publish that is going on
	parked   bool       // a Session has yet to accept the publish that is going on
	tracking bool       // given is being gathered
	parkedAt []*Session // that have yet to accept it, while tracking
	given    []Mailbox  // that have the QoS 2 publish which is going on
	skip     []Mailbox  // that had it before
	entry    Entry
	retained Message            // that is being sent
	print    uint64             // of the QoS 2 publish that is going on, as its client has sent it
	gone     []*Session         // have left RAM and are in the registry still
	apps     map[*App]*Counters // of those that it has had to do with
	app      *App               // whose counters are at hand
	counters *Counters

	publication Publication // that hooks are asked about
}

// NewScratch returns working memory; via is handed to Links as Delivery.Via.
func (b *Broker) NewScratch(via any) *Scratch {
	return &Scratch{broker: b, hooks: b.hooks, via: via, apps: make(map[*App]*Counters)}
}

// withScratch calls f with working memory for callers that have none: the
// Store, timers. There are as many as have ever been in use at once, because
// a Store that answers at once has calls nested in calls.
func (b *Broker) withScratch(f func(*Scratch)) {
	sc := b.borrow()
	f(sc)
	sc.forgetGone()
	b.mu.Lock()
	b.idle = append(b.idle, sc)
	b.mu.Unlock()
}

func (b *Broker) borrow() *Scratch {
	b.mu.Lock()
	if n := len(b.idle); n > 0 {
		sc := b.idle[n-1]
		b.idle = b.idle[:n-1]
		b.mu.Unlock()
		return sc
	}
	b.mu.Unlock()
	return b.NewScratch(nil)
}

// App is a product, a world of its own: Client Identifiers, topics and retained messages of one
// App mean nothing in another.
type App struct {
	broker   *Broker
	name     string
	index    *topic.Index[*Session]
	retained *topic.Retained[*retained]
	retainMu sync.Mutex // has RAM and Store change in one order

	systemRetained int                     // retained messages below $SYS; guarded by retainMu
	retaining      atomic.Int64            // calls that store or remove one, and have not been told the result
	retainFailures map[*retained]*retained // those that the Store has failed to keep after they were replaced: what they replaced; guarded by retainMu
	retainFailed   bool                    // the Store may hold what RAM does not, because it has failed once; guarded by retainMu
	shards         [sessionShards]sessionShard
	number         int                       // in the order in which they have come up
	limits         atomic.Pointer[AppLimits] // replaced as a whole
	usage          appUsage
	counters       []*Counters // of all Scratches; guarded by the Broker's mu, and only appended to

	broadcastTopic string        // "broadcast/" and the name
	logMu          sync.Mutex    // has the log and the Sessions see broadcasts in one order
	logEnd         atomic.Uint64 // place of the last broadcast
}

// App returns the App of that name, which is made if need be.
func (b *Broker) App(name string) *App {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.apps[name]
	if a == nil {
		a = &App{
			broker:   b,
			name:     name,
			number:   len(b.apps),
			index:    topic.NewIndex[*Session](),
			retained: topic.NewRetained[*retained](),

			broadcastTopic: "broadcast/" + name,
		}
		a.limits.Store(b.limitsLocked(name))
		a.logEnd.Store(b.store.LogEnd(name))
		for i := range a.shards {
			a.shards[i].m = make(map[string]*Session)
		}
		b.apps[name] = a
	}
	return a
}

// Stats returns a snapshot of the broker's counters.
func (b *Broker) Stats() Stats {
	st := Stats{
		Dropped:   make(map[string]uint64, dropReasons),
		Takeovers: b.takeovers.Load(),
		SlowEnded: b.slowEnded.Load(),

		FruitlessEnded:  b.fruitlessEnded.Load(),
		Kicked:          b.kicked.Load(),
		ClientsRejected: b.rejected.Load(),
		Flash:           b.flash.count.Load(),
		FlashBytes:      b.flash.bytes.Load(),
		HookPanics:      make(map[string]uint64, hookKinds),
		HookEventsLost:  make(map[string]uint64),
	}
	for k := range b.hookPanics {
		st.HookPanics[HookKind(k).String()] = b.hookPanics[k].Load()
	}
	if b.hooks != nil {
		for _, q := range b.hooks.queues {
			st.HookEventsLost[q.id] += q.lost.Load()
		}
	}
	for _, a := range b.allApps() {
		st.addApp(a)
	}
	return st
}

// Name is the App's.
func (a *App) Name() string { return a.name }
