package broker_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// room is a broker under test.
type room struct {
	*broker.Broker
	app *broker.App
}

// newRoom returns a broker that is closed when the test ends. cfg.Store is a
// memory store if it is nil.
func newRoom(t testing.TB, cfg broker.Config) *room {
	if cfg.Store == nil {
		cfg.Store = memory.New()
	}
	b := broker.New(cfg)
	t.Cleanup(b.Close)
	return &room{Broker: b, app: b.App(broker.DefaultApp)}
}

// delivery is what a link keeps of a broker.Delivery.
type delivery struct {
	payload string
	topic   string
	qos     broker.QoS
	retain  bool
	dup     bool
	id      broker.PacketID
	seq     uint64
	log     uint64
	ids     []uint32
}

// link is a broker.Link that records what it is given.
type link struct {
	mu       sync.Mutex
	changed  sync.Cond
	got      []delivery
	released []broker.PacketID
	ends     []error
	yields   int
	full     bool                                    // it has refused a delivery and is owed a Resume
	verdict  func(d *broker.Delivery) broker.Verdict // nil: all is Sent
}

func newLink() *link {
	l := new(link)
	l.changed.L = &l.mu
	return l
}

// Deliver implements broker.Link.
func (l *link) Deliver(d *broker.Delivery) broker.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.changed.Broadcast()
	if l.verdict != nil {
		if v := l.verdict(d); v != broker.Sent {
			l.full = l.full || v == broker.Full
			return v
		}
	}
	l.got = append(l.got, delivery{
		payload: string(d.Message.Payload), topic: string([]byte(d.Message.TopicName)), qos: d.QoS,
		retain: d.Retain, dup: d.Dup, id: d.PacketID, seq: d.Seq, log: d.Log, ids: slices.Clone(d.SubscriptionIDs),
	})
	return broker.Sent
}

// Release implements broker.Link.
func (l *link) Release(id broker.PacketID, _ any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released = append(l.released, id)
	l.changed.Broadcast()
}

// Yield implements broker.Link.
func (l *link) Yield(any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.yields++
	l.changed.Broadcast()
}

// End implements broker.Link.
func (l *link) End(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, reason)
	l.changed.Broadcast()
}

// setVerdict has the link answer v from now on.
func (l *link) setVerdict(v broker.Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.verdict = func(*broker.Delivery) broker.Verdict { return v }
}

// take returns what has been delivered since the last take.
func (l *link) take() []delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	got := l.got
	l.got = nil
	return got
}

func (l *link) takeReleased() []broker.PacketID {
	l.mu.Lock()
	defer l.mu.Unlock()
	got := l.released
	l.released = nil
	return got
}

func (l *link) ended() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ends)
}

// client is a connected client.
type client struct {
	t     testing.TB
	room  *room
	sc    *broker.Scratch
	link  *link
	s     *broker.Session
	epoch uint64
	broker.Connected
	buf []byte // of borrowed messages
}

// never is a Session Expiry Interval without end.
const never = broker.NeverExpires

// dial connects and does not call Start.
func (r *room) dial(t testing.TB, id string, opts ...func(*broker.Connect)) *client {
	t.Helper()
	c := &client{t: t, room: r, sc: r.NewScratch(nil), link: newLink()}
	req := &broker.Connect{App: r.app, ClientID: id, Link: c.link}
	for _, o := range opts {
		o(req)
	}
	done := make(chan broker.Connected, 2)
	r.Connect(c.sc, req, func(got broker.Connected) { done <- got })
	c.Connected = <-done
	c.s, c.epoch = c.Session, c.Epoch
	return c
}

// connect is dial and Start. It must succeed.
func (r *room) connect(t testing.TB, id string, opts ...func(*broker.Connect)) *client {
	t.Helper()
	c := r.dial(t, id, opts...)
	if c.Err != nil {
		t.Fatalf("Connect %q: got error %v, want nil", id, c.Err)
	}
	c.s.Start(c.sc, c.epoch)
	return c
}

func clean(c *broker.Connect) { c.CleanStart = true }

func expiry(seconds uint32) func(*broker.Connect) {
	return func(c *broker.Connect) { c.Expiry = seconds }
}

func receiveMaximum(n uint16) func(*broker.Connect) {
	return func(c *broker.Connect) { c.ReceiveMaximum = n }
}

func will(w broker.Will) func(*broker.Connect) { return func(c *broker.Connect) { c.Will = &w } }

// verdict is what the Link answers from the beginning.
func verdict(v broker.Verdict) func(*broker.Connect) {
	return func(c *broker.Connect) { c.Link.(*link).setVerdict(v) }
}

func (c *client) subscribe(filter string, qos uint8) {
	c.t.Helper()
	c.subscribeTo(broker.Subscribe{TopicFilter: filter, Options: topic.NewOptions(qos, false, false, 0)})
}

func (c *client) subscribeTo(sub broker.Subscribe) {
	c.t.Helper()
	errs, _, err := c.s.Subscribe(c.sc, c.epoch, []broker.Subscribe{sub}, nil)
	if err != nil || errs[0] != nil {
		c.t.Fatalf("Subscribe %q: got %v and %v, want nil", sub.TopicFilter, errs, err)
	}
	c.s.Retained(c.sc, c.epoch)
}

func (c *client) detach() { c.leave(broker.Leave{}) }

func (c *client) leave(how broker.Leave) { c.s.Detach(c.sc, c.epoch, how) }

func (c *client) resume() { c.s.Resume(c.sc, c.epoch) }

func (c *client) ack(ids ...broker.PacketID) {
	c.t.Helper()
	for _, id := range ids {
		if got := c.s.Ack(c.sc, c.epoch, id); got != broker.Settled {
			c.t.Errorf("Ack(%d): got outcome %d, want %d", id, got, broker.Settled)
		}
	}
}

// publication is a publish and its outcome.
type publication struct {
	mu     sync.Mutex
	result broker.Result // Pending until told
	told   int
	post   func(broker.Result) // called when it is told, if not nil
	id     broker.PacketID     // of a QoS 2 publish that may be repeated; else 0
	dup    bool
}

// Defer implements broker.Deferrer.
func (p *publication) Defer() broker.Completion { return p }

// Published implements broker.Completion.
func (p *publication) Published(r broker.Result) {
	p.mu.Lock()
	p.result = r
	p.told++
	p.mu.Unlock()
	if p.post != nil {
		p.post(r)
	}
}

func (p *publication) outcome() broker.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.result
}

// publish publishes a borrowed message whose memory is used for something else
// afterwards.
func (c *client) publish(name, payload string, qos broker.QoS, opts ...func(*broker.Message)) *publication {
	p := new(publication)
	c.publishAs(p, name, payload, qos, opts...)
	return p
}

func (c *client) publishAs(p *publication, name, payload string, qos broker.QoS, opts ...func(*broker.Message)) {
	c.buf = append(append(c.buf[:0], name...), payload...)
	m := &broker.Message{TopicName: borrowString(c.buf[:len(name)]), Payload: c.buf[len(name):], QoS: qos}
	for _, o := range opts {
		o(m)
	}
	m.Borrow()
	r := c.room.Publish(c.sc, &broker.Publish{
		App: c.room.app, Message: m, Session: c.s, Epoch: c.epoch, PacketID: p.id, Dup: p.dup, Deferrer: p,
	})
	for i := range c.buf {
		c.buf[i] = '?'
	}
	if r != broker.Pending {
		p.Published(r)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told == 0 {
		p.result = broker.Pending
	}
}

func retained(m *broker.Message) { m.Retain = true }

// publishAll publishes payloads from to to and wants one outcome for all.
func (c *client) publishAll(name string, qos broker.QoS, from, to int, want broker.Result) []*publication {
	c.t.Helper()
	var ps []*publication
	for i := from; i <= to; i++ {
		p := c.publish(name, fmt.Sprint(i), qos)
		if got := p.outcome(); got != want {
			c.t.Fatalf("Publish %d to %q: got result %d, want %d", i, name, got, want)
		}
		ps = append(ps, p)
	}
	return ps
}

// wantPayloads fails unless the payloads of got are the numbers from to to.
func wantPayloads(t testing.TB, what string, got []delivery, from, to int) {
	t.Helper()
	var g, w []string
	for _, d := range got {
		g = append(g, d.payload)
	}
	for i := from; i <= to; i++ {
		w = append(w, fmt.Sprint(i))
	}
	if !slices.Equal(g, w) {
		t.Fatalf("%s: got %v, want %d to %d", what, g, from, to)
	}
}

// ids returns the Packet Identifiers of deliveries.
func ids(got []delivery) []broker.PacketID {
	var all []broker.PacketID
	for _, d := range got {
		all = append(all, d.id)
	}
	return all
}

// wantOutcome fails unless all publications ended, once, with want.
func wantOutcome(t testing.TB, what string, ps []*publication, want broker.Result) {
	t.Helper()
	for i, p := range ps {
		p.mu.Lock()
		if p.result != want || want != broker.Pending && p.told != 1 {
			t.Errorf("%s: publication %d: got result %d, told %d times, want %d", what, i, p.result, p.told, want)
		}
		p.mu.Unlock()
	}
}

// wantIdle fails unless nothing is left of any Session.
func (r *room) wantIdle(t testing.TB) {
	t.Helper()
	st := r.Stats()
	got := [...]int64{st.Connected, st.Sessions, st.Subscriptions, st.SharedGroups, st.Queued, st.QueuedBytes, st.Waiting, st.Inflight}
	if got != [len(got)]int64{} {
		t.Errorf("gauges with all Sessions ended: got %+v, want 0", st)
	}
}

// advance moves the clock of a synctest bubble and lets all come to rest.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
