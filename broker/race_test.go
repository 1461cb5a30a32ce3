package broker_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// TestQueuedBeforeResume has a connection that takes messages again and has not
// said so yet: what is published then must not overtake what is queued.
func TestQueuedBeforeResume(t *testing.T) {
	for _, life := range []uint32{0, never} {
		r := newRoom(t, broker.Config{})
		s, p := r.connect(t, "s", expiry(life)), r.connect(t, "p")
		s.subscribe("t", 1)
		s.link.setVerdict(broker.Full)
		p.publishAll("t", 1, 1, 3, broker.Accepted)
		s.link.setVerdict(broker.Sent)
		p.publishAll("t", 1, 4, 6, broker.Accepted)
		s.resume()
		wantPayloads(t, "deliveries", s.link.take(), 1, 6)
	}
}

// TestRepeatedAtTheSameTime repeats a QoS 2 publish on another connection while
// the first one is being published.
func TestRepeatedAtTheSameTime(t *testing.T) {
	r := newRoom(t, broker.Config{})
	s := r.connect(t, "s")
	s.subscribe("t", 2)
	p := r.connect(t, "p", expiry(never))
	var again *publication
	s.link.verdict = func(*broker.Delivery) broker.Verdict {
		again = r.connect(t, "p", expiry(never)).publishID(7)
		return broker.Sent
	}
	if got := p.publishID(7).outcome(); got != broker.Accepted {
		t.Errorf("first: got result %d, want %d", got, broker.Accepted)
	}
	wantOutcome(t, "repeated", []*publication{again}, broker.Accepted)
	if got := len(s.link.take()); got != 1 {
		t.Errorf("published: got %d times, want once", got)
	}
}

// deleteHook is a Store that tells when a Session is deleted, which is after the
// Session has ended and before it has left the subscription index.
type deleteHook struct {
	*memory.Store
	deleted func()
}

// DeleteSession implements broker.Store.
func (st deleteHook) DeleteSession(key broker.SessionKey, mb broker.Mailbox, c broker.Commit) {
	st.Store.DeleteSession(key, mb, c)
	if st.deleted != nil {
		st.deleted()
	}
}

// TestSharedMemberEnding publishes to a group one of whose members has just ended.
func TestSharedMemberEnding(t *testing.T) {
	st := &deleteHook{Store: memory.New()}
	r := newRoom(t, broker.Config{Store: st})
	a, b, p := r.connect(t, "a", expiry(never)), r.connect(t, "b", expiry(never)), r.connect(t, "p")
	a.subscribe("$share/g/t", 1)
	b.subscribe("$share/g/t", 1)
	b.detach()
	st.deleted = func() {
		st.deleted = nil
		p.publishAll("t", 1, 1, 10, broker.Accepted)
	}
	a.leave(broker.Leave{Expiry: new(uint32)})
	b = r.connect(t, "b", expiry(never))
	wantPayloads(t, "the member that is left", b.link.take(), 1, 10)
}

// TestSharedFleet has members of a group come and go while others publish. One
// of them sleeps and has room for all. Every message reaches one of them.
func TestSharedFleet(t *testing.T) {
	rnd := randtest.New(t)
	r := newRoom(t, broker.Config{MaxQueuedMessages: 1 << 20, MaxQueuedBytes: 1 << 30})
	keeper := r.connect(t, "keeper", expiry(never))
	keeper.subscribe("$share/g/t", 1)
	keeper.detach()
	var mu sync.Mutex
	seen := make(map[string]bool)
	note := func(got []delivery) {
		mu.Lock()
		defer mu.Unlock()
		for _, d := range got {
			seen[d.payload] = true
		}
	}
	done := make(chan struct{})
	var members, publishers sync.WaitGroup
	for i := range 4 {
		own := rand.New(rand.NewPCG(rnd.Uint64(), 0))
		members.Go(func() {
			for running := true; running; {
				c := r.connect(t, fmt.Sprint("member", i), clean, expiry([]uint32{0, never}[own.IntN(2)]))
				c.subscribe("$share/g/t", 1)
				for range own.IntN(5) {
					got := c.link.take()
					for _, d := range got[:own.IntN(len(got)+1)] { // the rest is not acknowledged
						c.ack(d.id)
						note([]delivery{d})
					}
					runtime.Gosched()
				}
				c.leave(broker.Leave{Expiry: new(uint32)})
				select {
				case <-done:
					running = false
				default:
				}
			}
		})
	}
	const n = 1000
	for i := range 3 {
		publishers.Go(func() {
			c := r.connect(t, fmt.Sprint("publisher", i))
			for j := range n {
				if got := c.publish("t", fmt.Sprint(i, " ", j), 1).outcome(); got != broker.Accepted {
					t.Errorf("Publish: got result %d, want %d", got, broker.Accepted)
				}
				runtime.Gosched()
			}
			c.detach()
		})
	}
	publishers.Wait()
	close(done)
	members.Wait()
	keeper = r.connect(t, "keeper", expiry(never))
	note(keeper.drain())
	if len(seen) != 3*n {
		t.Errorf("messages that were acknowledged by a member: got %d, want %d", len(seen), 3*n)
	}
	keeper.leave(broker.Leave{Expiry: new(uint32)})
	r.wantIdle(t)
}

// retainHook is a Store that notes what it is given to retain.
type retainHook struct {
	*memory.Store
	mu   sync.Mutex
	last map[string]string
}

// SetRetained implements broker.Store.
func (st *retainHook) SetRetained(_, name string, m *broker.Message, c broker.Commit) {
	for range 3 {
		runtime.Gosched()
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if m == nil {
		delete(st.last, name)
	} else {
		st.last[name] = string(m.Payload)
	}
	if c != nil {
		c.Committed(nil)
	}
}

// TestRetainedOrder retains and removes messages of one Topic Name at the same
// time. RAM and Store agree in the end.
func TestRetainedOrder(t *testing.T) {
	st := &retainHook{Store: memory.New(), last: make(map[string]string)}
	r := newRoom(t, broker.Config{Store: st})
	publishers := []*client{r.connect(t, "0"), r.connect(t, "1"), r.connect(t, "2"), r.connect(t, "3")}
	for round := range 500 {
		var wg sync.WaitGroup
		for i, c := range publishers {
			payload := []string{"", "1", "2", "3"}[i]
			wg.Go(func() { c.publish(fmt.Sprint("t/", round), payload, 1, retained) })
		}
		wg.Wait()
	}
	s := r.connect(t, "s")
	s.subscribe("t/#", 1)
	got := make(map[string]string)
	for _, d := range s.link.take() {
		got[d.topic] = d.payload
	}
	if !maps.Equal(got, st.last) {
		t.Errorf("in RAM: got %v, want what is in the Store: %v", got, st.last)
	}
}
