package broker_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// TestTakeover connects with one Client Identifier again and again.
// v5 [MQTT-3.1.4-3], v3.1.1 [MQTT-3.1.4-2].
func TestTakeover(t *testing.T) {
	for _, c := range []struct {
		name    string
		first   uint32 // Session Expiry Interval
		second  []func(*broker.Connect)
		present bool
	}{
		{"persistent", never, []func(*broker.Connect){expiry(never)}, true},
		{"persistent, to end", never, nil, true},
		{"persistent, clean", never, []func(*broker.Connect){expiry(never), clean}, false},
		{"transient", 0, nil, false},
		{"transient, to last", 0, []func(*broker.Connect){expiry(never)}, false},
		{"transient, clean", 0, []func(*broker.Connect){clean}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t, broker.Config{})
			a := r.connect(t, "c", expiry(c.first))
			a.subscribe("t", 1)
			b := r.connect(t, "c", c.second...)
			if b.Present != c.present {
				t.Errorf("Session Present: got %t, want %t", b.Present, c.present)
			}
			if got := a.link.ended(); len(got) != 1 || !errors.Is(got[0], broker.ErrTakenOver) {
				t.Errorf("first connection ended with %v, want %v", got, broker.ErrTakenOver)
			}
			if b.epoch <= a.epoch {
				t.Errorf("epoch: got %d after %d, want a larger one", b.epoch, a.epoch)
			}
			a.stale()
			if st := r.Stats(); st.Connected != 1 || st.Sessions != 1 || st.Takeovers != 1 {
				t.Errorf("got %d connected, %d sessions, %d takeovers, want 1 each", st.Connected, st.Sessions, st.Takeovers)
			}
			p := r.connect(t, "p")
			p.publish("t", "1", 1)
			if got := len(b.link.take()); got != map[bool]int{true: 1}[c.present] {
				t.Errorf("deliveries to the second: got %d, want them only if the Session goes on", got)
			}
			if got := a.link.take(); len(got) != 0 {
				t.Errorf("deliveries to the first: got %v, want none", got)
			}
		})
	}
}

// stale does all that a connection can still do after it has been taken over.
// Nothing of it may have an effect.
func (c *client) stale() {
	c.t.Helper()
	if _, _, err := c.s.Subscribe(c.sc, c.epoch, []broker.Subscribe{{TopicFilter: "stale"}}, nil); !errors.Is(err, broker.ErrStale) {
		c.t.Errorf("Subscribe: got error %v, want %v", err, broker.ErrStale)
	}
	if _, _, err := c.s.Unsubscribe(c.sc, c.epoch, []string{"t"}, nil); !errors.Is(err, broker.ErrStale) {
		c.t.Errorf("Unsubscribe: got error %v, want %v", err, broker.ErrStale)
	}
	if got := c.publish("t", "", 1).outcome(); got != broker.Stale {
		c.t.Errorf("Publish: got result %d, want %d", got, broker.Stale)
	}
	if got := c.s.Ack(c.sc, c.epoch, 1); got != broker.Unknown {
		c.t.Errorf("Ack: got outcome %d, want %d", got, broker.Unknown)
	}
	c.s.Start(c.sc, c.epoch)
	c.s.Retained(c.sc, c.epoch)
	c.resume()
	c.detach()
}

// TestConnectAtOnce has 20 clients connect with one Client Identifier at the same time, in
// all ways there are. One of them has it in the end; all are answered.
func TestConnectAtOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		opts func(i int) []func(*broker.Connect)
	}{
		{"persistent", func(int) []func(*broker.Connect) { return []func(*broker.Connect){expiry(never)} }},
		{"transient", func(int) []func(*broker.Connect) { return nil }},
		{"clean", func(int) []func(*broker.Connect) { return []func(*broker.Connect){clean} }},
		{"mixed", func(i int) []func(*broker.Connect) {
			return [][]func(*broker.Connect){{expiry(never)}, {clean, expiry(never)}, nil, {clean}}[i%4]
		}},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late %t", c.name, late), func(t *testing.T) {
				for round := range 20 {
					var st broker.Store = memory.New()
					if late {
						st = newLateStore(t, uint64(round))
					}
					connectAtOnce(t, newRoom(t, broker.Config{Store: st}), c.opts)
				}
			})
		}
	}
}

func connectAtOnce(t *testing.T, r *room, opts func(i int) []func(*broker.Connect)) {
	t.Helper()
	clients := make([]*client, 20)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			c := r.dial(t, "c", opts(i)...)
			clients[i] = c
			if c.Err == nil {
				c.s.Start(c.sc, c.epoch)
			}
		})
	}
	wg.Wait()
	owners, epochs := 0, make(map[uint64]bool)
	var newest, owner *client
	for _, c := range clients {
		switch {
		case c.Err != nil:
			if !errors.Is(c.Err, broker.ErrTakenOver) {
				t.Errorf("Connect: got error %v, want %v", c.Err, broker.ErrTakenOver)
			}
			continue
		case epochs[c.epoch]:
			t.Errorf("epoch %d given twice", c.epoch)
		case newest == nil || c.epoch > newest.epoch:
			newest = c
		}
		epochs[c.epoch] = true
		switch ends := c.link.ended(); {
		case len(ends) == 0:
			owners++
			owner = c
		case len(ends) > 1:
			t.Errorf("connection ended %d times", len(ends))
		}
	}
	if owners != 1 || owner != newest {
		t.Fatalf("connections that go on: got %d, want 1, the newest", owners)
	}
	if st := r.Stats(); st.Connected != 1 || st.Sessions != 1 {
		t.Errorf("got %d connected, %d sessions, want 1 and 1", st.Connected, st.Sessions)
	}
	for _, c := range clients {
		if c.Err == nil && c != owner {
			c.stale()
		}
	}
	owner.leave(broker.Leave{Expiry: new(uint32)})
	r.wantIdle(t)
}

// TestConnectWhileLoading connects while the Session's record is being fetched.
// Only the newest gets the Session.
func TestConnectWhileLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newLateStore(t, 1)
		defer func() { _ = st.Close() }()
		r := newRoom(t, broker.Config{Store: st})
		st.Hold(true)
		sc := r.NewScratch(nil)
		var mu sync.Mutex
		var got []string
		connect := func(name string, opts ...func(*broker.Connect)) {
			req := &broker.Connect{App: r.app, ClientID: "c", Expiry: never, Link: newLink()}
			for _, o := range opts {
				o(req)
			}
			r.Connect(sc, req, func(c broker.Connected) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, fmt.Sprint(name, " ", c.Err == nil))
			})
		}
		connect("a")
		connect("b")
		connect("clean", clean)
		connect("c")
		st.Hold(false)
		synctest.Wait()
		want := "[a false b false clean false c true]"
		if fmt.Sprint(got) != want {
			t.Errorf("connects: got %v, want %v", got, want)
		}
		if st := r.Stats(); st.Connected != 1 || st.Sessions != 1 {
			t.Errorf("got %d connected, %d sessions, want 1 and 1", st.Connected, st.Sessions)
		}
	})
}

// TestLoadSessionFails refuses a client whose record cannot be read, and lets
// it in once it can.
func TestLoadSessionFails(t *testing.T) {
	st := newLateStore(t, 1)
	fault := errors.New("bad sector")
	st.Fail(storetest.FailOn(fault, storetest.OpLoadSession))
	r := newRoom(t, broker.Config{Store: st})
	if c := r.dial(t, "c", expiry(never)); !errors.Is(c.Err, fault) {
		t.Errorf("Connect: got error %v, want %v", c.Err, fault)
	}
	r.wantIdle(t)
	st.Settle()
	st.Fail(nil)
	c := r.connect(t, "c", expiry(never))
	c.leave(broker.Leave{Expiry: new(uint32)})
	r.wantIdle(t)
}

// TestConnectedMayCall calls the broker from the callback of Connect, which is called
// with no lock held.
func TestConnectedMayCall(t *testing.T) {
	r := newRoom(t, broker.Config{})
	s := r.connect(t, "s", expiry(never))
	s.subscribe("t", 1)
	s.detach()
	p := r.connect(t, "p")
	p.publishAll("t", 1, 1, 600, broker.Accepted)
	l, sc := newLink(), r.NewScratch(nil)
	r.Connect(sc, &broker.Connect{App: r.app, ClientID: "s", Expiry: never, Link: l}, func(c broker.Connected) {
		c.Session.Start(sc, c.Epoch)
	})
	wantPayloads(t, "deliveries", l.take(), 1, 600)

	restarted := newRoom(t, broker.Config{})
	restarted.Connect(sc, &broker.Connect{App: restarted.app, ClientID: "s", Expiry: never, Link: newLink()}, func(c broker.Connected) {
		c.Session.Start(sc, c.Epoch)
		restarted.Publish(sc, &broker.Publish{App: restarted.app, Message: &broker.Message{TopicName: "t"}})
	})
}

// TestMaxSessionExpiry cuts what clients ask for.
func TestMaxSessionExpiry(t *testing.T) {
	r := newRoom(t, broker.Config{MaxSessionExpiry: 60e9})
	for asked, want := range map[uint32]uint32{0: 0, 59: 59, 60: 60, 61: 60, never: 60} {
		if got := r.connect(t, "c", expiry(asked)).Expiry; got != want {
			t.Errorf("asked for %d s: got %d, want %d", asked, got, want)
		}
	}
	r = newRoom(t, broker.Config{MaxSessionExpiry: -1})
	if got := r.connect(t, "c", expiry(never)).Expiry; got != never {
		t.Errorf("without a bound: got %d, want %d", got, uint32(never))
	}
}
