package broker_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

const (
	fleetPublishers  = 6
	fleetSubscribers = 5
	fleetMessages    = 400 // of each publisher
	fleetTopics      = 3
)

// pubComp stands in place of a QoS for a PUBCOMP that is owed.
const pubComp = 3

// fleet is many publishers, and subscribers that come and go and acknowledge
// when they like.
type fleet struct {
	r *room

	mu       sync.Mutex
	accepted map[string]bool // payloads that their publishers have been told to be safe
	refused  int
	stopped  bool
}

// TestFleet checks invariant 4: every message that was accepted reaches every persistent
// subscriber, at QoS 2 once, in the order in which its publisher has published
// to its topic.
func TestFleet(t *testing.T) {
	for _, c := range []struct {
		name string
		open func(t *testing.T, r *rand.Rand) broker.Store
	}{
		{"memory", func(*testing.T, *rand.Rand) broker.Store { return memory.New() }},
		{"late", func(t *testing.T, r *rand.Rand) broker.Store { return newLateStore(t, r.Uint64()) }},
		{"late and failing", func(t *testing.T, r *rand.Rand) broker.Store {
			st := newLateStore(t, r.Uint64())
			own := rand.New(rand.NewPCG(r.Uint64(), 0)) // used by the Store's goroutine only
			st.Fail(func(c storetest.Call) error {
				if c.Op == storetest.OpAppend && own.IntN(20) == 0 {
					return errors.New("disk full")
				}
				return nil
			})
			return st
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := randtest.New(t)
				st := c.open(t, r)
				f := &fleet{accepted: make(map[string]bool), r: newRoom(t, broker.Config{
					Store: st, MaxQueuedMessages: 150, MaxInflight: 25,
				})}
				f.run(t, r)
				f.r.Close()
				if err := st.Close(); err != nil {
					t.Errorf("Close: got %v, want nil", err)
				}
			})
		})
	}
}

func (f *fleet) run(t *testing.T, r *rand.Rand) {
	t.Helper()
	var subscribers []*fleetSubscriber
	for i := range fleetSubscribers {
		s := newFleetSubscriber(t, f, i, r)
		subscribers = append(subscribers, s)
		s.connect()
		s.c.subscribe("t/#", 2)
		s.c.subscribe("t/1", 2)
	}
	var publishers, others sync.WaitGroup
	for i := range fleetPublishers {
		own := rand.New(rand.NewPCG(r.Uint64(), 0))
		publishers.Go(func() { f.publish(t, i, own) })
	}
	for _, s := range subscribers {
		others.Go(s.run)
	}
	publishers.Wait()
	f.mu.Lock()
	f.stopped = true
	f.mu.Unlock()
	for _, s := range subscribers {
		s.wake()
	}
	others.Wait()
	for _, s := range subscribers {
		s.finish()
	}
	if f.r.Stats().SlowEnded > 0 {
		t.Error("a subscriber was ended as slow: something has hung")
	}
	t.Logf("%d accepted, %d refused", len(f.accepted), f.refused)
	if len(f.accepted) < fleetMessages {
		t.Errorf("accepted: got %d messages, want more", len(f.accepted))
	}
	f.r.wantIdle(t)
}

func (f *fleet) stop() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped
}

func (f *fleet) told(payload string, r broker.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.OK() {
		f.accepted[payload] = true
	} else {
		f.refused++
	}
}

// publish is one publisher. It has a few publishes under way at once and now and then
// a new connection. A refused message is not sent again, because that would change the order.
func (f *fleet) publish(t *testing.T, number int, r *rand.Rand) {
	id := fmt.Sprint("publisher", number)
	c := f.r.connect(t, id)
	var seqs [fleetTopics]int
	window := make(chan struct{}, 8)
	for range fleetMessages {
		if r.IntN(50) == 0 {
			c = f.r.connect(t, id)
		}
		topic := r.IntN(fleetTopics)
		seqs[topic]++
		payload := fmt.Sprint(number, " ", topic, " ", seqs[topic])
		window <- struct{}{}
		p := new(publication)
		p.post = func(r broker.Result) {
			f.told(payload, r)
			<-window
		}
		c.publishAs(p, fmt.Sprint("t/", topic), payload, broker.QoS(1+r.IntN(2)))
		for range r.IntN(20) {
			runtime.Gosched()
		}
	}
	for range cap(window) { // wait for all
		window <- struct{}{}
	}
	c.detach()
}

// fleetSubscriber is one subscriber with what it remembers across connections.
type fleetSubscriber struct {
	t      *testing.T
	f      *fleet
	name   string
	rand   *rand.Rand
	c      *client
	link   atomic.Pointer[link] // c's
	steady bool                 // the Link refuses nothing; set while off line

	todo    []delivery               // not acknowledged
	seen    map[string]bool          // payloads
	last    map[[2]int]int           // the largest sequence number by publisher and topic
	holding map[broker.PacketID]bool // QoS 2: received, not complete
}

func newFleetSubscriber(t *testing.T, f *fleet, number int, r *rand.Rand) *fleetSubscriber {
	return &fleetSubscriber{
		t: t, f: f, name: fmt.Sprint("subscriber", number), rand: rand.New(rand.NewPCG(r.Uint64(), 0)),
		seen: make(map[string]bool), last: make(map[[2]int]int), holding: make(map[broker.PacketID]bool),
	}
}

func (s *fleetSubscriber) connect() {
	limit := []uint16{0, 1, 3, 20}[s.rand.IntN(4)]
	own := rand.New(rand.NewPCG(s.rand.Uint64(), 0)) // guarded by the link's mu
	s.todo = nil
	s.c = s.f.r.connect(s.t, s.name, expiry(never), receiveMaximum(limit), func(c *broker.Connect) {
		steady := s.steady
		c.Link.(*link).verdict = func(*broker.Delivery) broker.Verdict {
			if !steady && own.IntN(15) == 0 {
				return broker.Full
			}
			return broker.Sent
		}
	})
	s.link.Store(s.c.link)
}

// wake has wait look again. It may be called from another goroutine.
func (s *fleetSubscriber) wake() {
	l := s.link.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
}

// run is the subscriber while there are publishers.
func (s *fleetSubscriber) run() {
	for !s.f.stop() {
		switch s.rand.IntN(60) {
		case 0: // away for a while
			s.c.detach()
			for range s.rand.IntN(300) {
				runtime.Gosched()
			}
			s.connect()
		case 1: // another connection takes over
			s.connect()
		default:
			s.receive()
			s.acknowledge()
			s.wait()
		}
	}
}

// receive takes what the Link has got.
func (s *fleetSubscriber) receive() {
	l := s.c.link
	l.mu.Lock()
	got, released, full := l.got, l.released, l.full
	l.got, l.released, l.full = nil, nil, false
	l.mu.Unlock()
	for _, d := range got {
		if d.qos == 1 || !s.holding[d.id] {
			s.check(d)
		}
		s.holding[d.id] = s.holding[d.id] || d.qos == 2
		s.todo = append(s.todo, d)
	}
	for _, id := range released {
		s.complete(id)
	}
	if full {
		s.c.resume()
	}
}

// check looks at a message that the application gets.
func (s *fleetSubscriber) check(d delivery) {
	if s.seen[d.payload] {
		if d.qos == 2 || !d.dup {
			s.t.Errorf("%s: got %+v again", s.name, d)
		}
		return
	}
	s.seen[d.payload] = true
	var publisher, topic, seq int
	if _, err := fmt.Sscan(d.payload, &publisher, &topic, &seq); err != nil {
		s.t.Errorf("%s: got payload %q: %v", s.name, d.payload, err)
	}
	key := [2]int{publisher, topic}
	if seq <= s.last[key] {
		s.t.Errorf("%s: got %q after sequence number %d", s.name, d.payload, s.last[key])
	}
	s.last[key] = seq
}

// acknowledge acknowledges some of what it has, in any order.
func (s *fleetSubscriber) acknowledge() {
	for range s.rand.IntN(8) {
		if len(s.todo) == 0 {
			return
		}
		at := min(s.rand.IntN(len(s.todo)), s.rand.IntN(len(s.todo)))
		d := s.todo[at]
		s.todo = slices.Delete(s.todo, at, at+1)
		switch d.qos {
		case 1:
			s.settled(s.c.s.Ack(s.c.sc, s.c.epoch, d.id), d.id)
		case 2:
			got := s.c.s.Received(s.c.sc, s.c.epoch, d.id, true)
			if got == broker.Deferred {
				break // the release comes when it is safe
			}
			s.settled(got, d.id)
			s.todo = append(s.todo, delivery{qos: pubComp, id: d.id})
		case pubComp:
			s.complete(d.id)
		}
	}
}

func (s *fleetSubscriber) complete(id broker.PacketID) {
	s.todo = slices.DeleteFunc(s.todo, func(d delivery) bool { return d.id == id && d.qos > 1 })
	s.settled(s.c.s.Complete(s.c.sc, s.c.epoch, id), id)
	delete(s.holding, id)
}

func (s *fleetSubscriber) settled(got broker.Outcome, id broker.PacketID) {
	if got != broker.Settled {
		s.t.Errorf("%s: acknowledgement of %d: got outcome %d, want %d", s.name, id, got, broker.Settled)
	}
}

// pending tells whether the Link has got anything.
func (s *fleetSubscriber) pending() bool {
	l := s.c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.got)+len(l.released) > 0
}

// wait waits for something to do.
func (s *fleetSubscriber) wait() {
	l := s.c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(s.todo) == 0 && len(l.got) == 0 && len(l.released) == 0 && !l.full && !s.f.stop() {
		l.changed.Wait()
	}
}

// finish takes all that is left, in peace, and compares.
func (s *fleetSubscriber) finish() {
	s.c.detach()
	s.steady = true
	s.connect()
	advance(time.Minute) // deliveries may have been put off: see fruitless.go
	for synctest.Wait(); s.pending(); synctest.Wait() {
		s.receive()
		for len(s.todo) > 0 {
			s.acknowledge()
		}
	}
	missing := 0
	for payload := range s.f.accepted {
		if !s.seen[payload] {
			missing++
		}
	}
	if missing > 0 {
		s.t.Errorf("%s: %d of %d accepted messages never came", s.name, missing, len(s.f.accepted))
	}
	s.c.leave(broker.Leave{Expiry: new(uint32)})
	synctest.Wait()
}
