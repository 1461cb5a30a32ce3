package broker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// crashClient is a client in the way of MQTT, with what it remembers across connections and crashes of the node.
type crashClient struct {
	w     *crashWorld
	name  string
	nomad bool // begins new Sessions
	subs  []broker.Subscribe
	rand  *rand.Rand
	calm  bool // nothing new is published, and no connection lost

	room      *room
	sc        *broker.Scratch // of room
	conn      *crashConn      // nil while off line
	known     bool            // the server has told that it has a Session
	transient bool            // its Session ends with the connection
	stateless bool            // it has discarded what it knew of a Session
	mustClean bool            // and the server has not
	settled   bool            // its subscriptions are acknowledged

	// as a sender
	unacked []*outgoing
	nextID  broker.PacketID
	numbers map[string]int // of messages by topic

	// as a receiver
	holding map[broker.PacketID]bool // QoS 2: received, not released
	todo    []delivery               // not acknowledged on this connection
	last    map[string]int           // the largest number by publisher and topic
}

// outgoing is a publish that is not finished.
type outgoing struct {
	m        *crashMessage
	id       broker.PacketID
	received bool // QoS 2: the release is to be sent, or was
	sent     bool // on this connection
	tried    bool // on any
	dead     bool // finished
}

// crashConn is a connection. What it is told from other goroutines it hands to its client's next step.
type crashConn struct {
	link  *link
	s     *broker.Session
	epoch uint64
	up    bool

	mu    sync.Mutex
	posts []func()
}

func (n *crashConn) post(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.posts = append(n.posts, f)
}

// answer is the Completion of one publish.
type answer struct {
	c    *crashClient
	conn *crashConn
	o    *outgoing
}

// Defer implements broker.Deferrer.
func (a answer) Defer() broker.Completion { return a }

// Published implements broker.Completion.
func (a answer) Published(r broker.Result) {
	a.conn.post(func() {
		if a.o.m.qos == 2 {
			if other := a.conn.s.Conclude(a.o.id, r); other != nil {
				other.Published(r)
			}
		}
		a.c.answered(a.conn, a.o, r)
	})
}

// posted is a Commit.
type posted struct {
	conn *crashConn
	f    func(err error)
}

// Committed implements broker.Commit.
func (p posted) Committed(err error) { p.conn.post(func() { p.f(err) }) }

// nodeGone tells that the node has crashed.
func (c *crashClient) nodeGone() {
	for _, o := range c.unacked {
		o.m.mayRepeat = o.m.mayRepeat || o.tried && !o.received && strings.HasPrefix(o.m.topic, "broadcast/")
	}
	if c.conn != nil {
		c.drainOld(c.conn)
	}
	c.conn, c.todo = nil, nil
}

func (c *crashClient) connect() {
	if c.room != c.w.room {
		c.room, c.sc = c.w.room, c.w.room.NewScratch(nil)
	}
	n := &crashConn{link: newLink()}
	own := rand.New(rand.NewPCG(c.rand.Uint64(), 0)) // guarded by the link's mu
	calm := c.calm
	n.link.verdict = func(*broker.Delivery) broker.Verdict {
		if !calm && own.IntN(15) == 0 {
			return broker.Full
		}
		return broker.Sent
	}
	req := &broker.Connect{App: c.w.room.app, ClientID: c.name, Link: n.link, Expiry: never, ReceiveMaximum: uint16(1 + c.rand.IntN(10))}
	if c.nomad && !c.calm {
		req.CleanStart = c.rand.IntN(2) == 0
		req.Expiry = []uint32{0, never}[c.rand.IntN(2)] // not one that ends while it is away: it would not know
	}
	req.CleanStart = req.CleanStart || c.mustClean
	if req.CleanStart || c.transient {
		c.forget()
		c.stateless = true
	}
	c.transient = req.Expiry == 0
	c.conn, c.todo = n, nil
	for _, o := range c.unacked {
		o.sent = false
	}
	c.w.room.Connect(c.sc, req, func(got broker.Connected) {
		n.post(func() { c.connected(n, got) })
	})
}

// connected is told what became of a Connect.
func (c *crashClient) connected(n *crashConn, got broker.Connected) {
	if got.Err == nil {
		n.s, n.epoch = got.Session, got.Epoch
	}
	switch {
	case c.conn != n:
		if got.Err == nil { // it has gone meanwhile
			got.Session.Detach(c.sc, got.Epoch, broker.Leave{})
		}
		return
	case got.Err != nil:
		c.conn = nil
		return
	}
	c.mustClean = got.Present && c.stateless
	if c.mustClean { // v5 [MQTT-3.2.2-4]
		c.conn = nil
		n.s.Detach(c.sc, n.epoch, broker.Leave{})
		return
	}
	c.stateless = false
	if !got.Present {
		if c.known && !c.nomad {
			c.w.t.Errorf("%s: the server has lost its Session", c.name)
		}
		c.forget()
	}
	c.known, n.up = true, true
	n.s.Start(c.sc, n.epoch)
	if len(c.subs) > 0 && (!c.settled || c.rand.IntN(5) == 0) {
		_, pending, _ := n.s.Subscribe(c.sc, n.epoch, c.subs, posted{n, func(err error) { c.settled = c.settled || err == nil }})
		c.settled = c.settled || !pending
	}
}

// forget ends the client's part of the Session.
func (c *crashClient) forget() {
	clear(c.holding)
	for _, o := range c.unacked {
		o.dead = true
	}
	c.unacked = nil
}

func (c *crashClient) disconnect() {
	n := c.conn
	if n == nil {
		return
	}
	c.conn, c.todo = nil, nil
	if n.up {
		n.s.Detach(c.sc, n.epoch, broker.Leave{Graceful: true})
	}
	c.drainOld(n)
}

// drainOld has a connection that has gone deal with what it is still told: the front does so.
func (c *crashClient) drainOld(n *crashConn) {
	c.w.old = append(c.w.old, n)
}

// step has the client do something. It tells whether there was anything to do.
func (c *crashClient) step() bool {
	n := c.conn
	if n == nil {
		if c.calm || c.rand.IntN(6) == 0 {
			c.connect()
		}
		return true
	}
	busy := n.handle()
	if n != c.conn || !n.up {
		return true
	}
	if len(n.link.ended()) > 0 {
		c.disconnect()
		return true
	}
	busy = c.receive() || busy
	busy = c.acknowledge() || busy
	busy = c.sendAll() || busy
	if c.calm {
		return busy
	}
	switch p := c.rand.IntN(60); {
	case p < 2:
		c.disconnect()
	case p == 2:
		c.drainOld(n)
		c.connect()
	case p < 25:
		c.publish()
	}
	return true
}

// handle does what the connection was told.
func (n *crashConn) handle() bool {
	n.mu.Lock()
	posts := n.posts
	n.posts = nil
	n.mu.Unlock()
	for _, f := range posts {
		f()
	}
	return len(posts) > 0
}

// publish begins with a new message.
func (c *crashClient) publish() {
	if len(c.unacked) >= 6 {
		return
	}
	to := c.w.clients[c.rand.IntN(len(c.w.clients))].name
	name := []string{"t/0", "t/1", "s/0", "broadcast/" + broker.DefaultApp, "inbox/" + to}[c.rand.IntN(5)]
	c.numbers[name]++
	m := &crashMessage{
		topic: name, qos: broker.QoS(1 + c.rand.IntN(2)), from: c.name, number: c.numbers[name],
		payload: fmt.Sprint(c.name, " ", name, " ", c.numbers[name]),
	}
	if c.nomad && c.w.faults { // receipts that the Store fails to forget have later messages be taken for repetitions
		m.qos = 1
	}
	c.w.publishing(m)
	c.nextID = c.nextID%20 + 1
	for slices.ContainsFunc(c.unacked, func(o *outgoing) bool { return o.id == c.nextID }) {
		c.nextID = c.nextID%20 + 1
	}
	c.unacked = append(c.unacked, &outgoing{m: m, id: c.nextID})
	c.sendAll()
}

// sendAll sends what has not been sent on this connection.
func (c *crashClient) sendAll() (busy bool) {
	for _, o := range slices.Clone(c.unacked) {
		if o.sent || o.dead || c.conn == nil || o.received && !c.calm && c.rand.IntN(3) > 0 {
			continue
		}
		again := o.tried
		o.sent, o.tried, busy = true, true, true
		if o.received {
			c.release(o)
			continue
		}
		n := c.conn
		p := broker.Publish{
			App: c.w.room.app, Session: n.s, Epoch: n.epoch, Deferrer: answer{c, n, o},
			Message: &broker.Message{TopicName: o.m.topic, Payload: []byte(o.m.payload), QoS: o.m.qos},
		}
		if o.m.qos == 2 {
			p.PacketID, p.Dup = o.id, again
		}
		r := c.w.room.Publish(c.sc, &p)
		o.m.parked = o.m.parked || c.w.room.Stats().Waiting > 0
		o.m.refused = o.m.refused || again && o.m.parked
		if r != broker.Pending {
			c.answered(n, o, r)
		}
	}
	return busy
}

// answered takes PUBACK or PUBREC.
func (c *crashClient) answered(n *crashConn, o *outgoing, r broker.Result) {
	if c.conn != n || o.dead || o.received {
		// It is sent again, and those who have taken it already get it twice.
		o.m.refused = o.m.refused || r == broker.QuotaExceeded || r == broker.StoreFailed
		return
	}
	switch {
	case r.OK(), r == broker.Repeated:
		o.m.accepted = true
		if o.m.qos == 2 {
			o.received, o.sent = true, false
			return
		}
	case r == broker.Stale:
		return
	}
	c.finished(o)
}

func (c *crashClient) finished(o *outgoing) {
	o.dead = true
	c.unacked = slices.DeleteFunc(c.unacked, func(other *outgoing) bool { return other == o })
}

// release sends PUBREL.
func (c *crashClient) release(o *outgoing) {
	n := c.conn
	done := posted{n, func(err error) {
		switch {
		case c.conn != n || o.dead:
		case err != nil:
			c.disconnect()
		default:
			c.finished(o)
		}
	}}
	r := n.s.Release(n.epoch, o.id, done)
	if r != broker.Pending && r != broker.Stale {
		c.finished(o)
	}
}

// receive takes what the connection has got.
func (c *crashClient) receive() bool {
	l := c.conn.link
	l.mu.Lock()
	got, released, full := l.got, l.released, l.full
	l.got, l.released, l.full = nil, nil, false
	l.mu.Unlock()
	for _, d := range got {
		if d.qos == 1 || !c.holding[d.id] {
			c.take(d)
		}
		c.holding[d.id] = c.holding[d.id] || d.qos == 2
		c.todo = append(c.todo, d)
	}
	for _, id := range released {
		c.complete(id)
	}
	if full {
		c.conn.s.Resume(c.sc, c.conn.epoch)
	}
	return len(got)+len(released) > 0 || full
}

// take is the application getting a message.
func (c *crashClient) take(d delivery) {
	m := c.w.byText[d.payload]
	if m == nil || m.topic != d.topic {
		c.w.t.Errorf("%s: got %+v, which nobody has published", c.name, d)
		return
	}
	m.got[c.name]++
	if m.got[c.name] > 1 || c.w.faults || strings.HasPrefix(m.topic, "s/") {
		return
	}
	key := m.from + " " + m.topic
	if m.number <= c.last[key] && !m.refused {
		c.w.t.Errorf("%s: got %q after number %d", c.name, m.payload, c.last[key])
	}
	c.last[key] = max(c.last[key], m.number)
}

// acknowledge acknowledges some of what it has, in any order.
func (c *crashClient) acknowledge() bool {
	if len(c.todo) == 0 {
		return false
	}
	count := c.rand.IntN(4)
	if c.calm {
		count = len(c.todo)
	}
	n := c.conn
	for range min(count, len(c.todo)) {
		at := min(c.rand.IntN(len(c.todo)), c.rand.IntN(len(c.todo)))
		d := c.todo[at]
		c.todo = slices.Delete(c.todo, at, at+1)
		var got broker.Outcome
		switch d.qos {
		case 1:
			got = n.s.Ack(c.sc, n.epoch, d.id)
		case 2:
			if got = n.s.Received(c.sc, n.epoch, d.id, true); got == broker.Settled {
				c.todo = append(c.todo, delivery{qos: pubComp, id: d.id})
			}
		case pubComp:
			c.complete(d.id)
			return true
		}
		if got != broker.Settled && got != broker.Deferred {
			c.w.t.Errorf("%s: acknowledgement of %+v: got outcome %d, want %d", c.name, d, got, broker.Settled)
		}
		if c.conn != n {
			return true
		}
	}
	return true
}

// complete takes PUBREL and answers with PUBCOMP.
func (c *crashClient) complete(id broker.PacketID) {
	c.todo = slices.DeleteFunc(c.todo, func(d delivery) bool { return d.id == id && d.qos > 1 })
	delete(c.holding, id)
	if got := c.conn.s.Complete(c.sc, c.conn.epoch, id); got != broker.Settled {
		c.w.t.Errorf("%s: PUBCOMP %d: got outcome %d, want %d", c.name, id, got, broker.Settled)
	}
}

// owed tells whether the client must get m, and nobody in its place.
func (c *crashClient) owed(m *crashMessage) bool {
	if name, ok := strings.CutPrefix(m.topic, "inbox/"); ok {
		return name == c.name
	}
	return slices.ContainsFunc(c.subs, func(s broker.Subscribe) bool {
		return s.TopicFilter == m.topic || s.TopicFilter == "t/#" && strings.HasPrefix(m.topic, "t/")
	})
}
