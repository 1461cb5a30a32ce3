package mqtt

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// testClock is time that stands still until a test moves it, for servers that
// no synctest bubble can hold.
type testClock struct {
	// guarded by mu
	mu     sync.Mutex
	now    time.Time
	timers []*testTimer // that are set, in order of time; at most one per Broker
}

func newTestClock() *testClock {
	return &testClock{now: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// Now implements broker.Clock and netloop.Config.Now.
func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc implements broker.Clock. Who moves the clock makes the call.
func (c *testClock) AfterFunc(d time.Duration, f func()) broker.Timer {
	t := &testTimer{clock: c, f: f}
	t.Reset(d)
	return t
}

// testTimer is a call that a testClock has promised.
type testTimer struct {
	clock *testClock
	f     func()
	at    time.Time // guarded by the clock's mu
}

// Stop implements broker.Timer.
func (t *testTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.stop()
}

func (t *testTimer) stop() bool {
	i := slices.Index(t.clock.timers, t)
	if i < 0 {
		return false
	}
	t.clock.timers = slices.Delete(t.clock.timers, i, i+1)
	return true
}

// Reset implements broker.Timer.
func (t *testTimer) Reset(d time.Duration) bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	was := t.stop()
	t.at = c.now.Add(d)
	i := 0
	for i < len(c.timers) && !t.at.Before(c.timers[i].at) {
		i++
	}
	c.timers = slices.Insert(c.timers, i, t)
	return was
}

// next is when the first timer is due; ok is false if none is set.
func (c *testClock) next() (at time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.timers) == 0 {
		return at, false
	}
	return c.timers[0].at, true
}

// moveTo sets the time, unless that would be back, and makes the calls that have
// become due.
func (c *testClock) moveTo(now time.Time) {
	c.mu.Lock()
	if now.After(c.now) {
		c.now = now
	}
	for len(c.timers) > 0 && !c.timers[0].at.After(c.now) {
		t := c.timers[0]
		t.stop()
		c.mu.Unlock()
		t.f()
		c.mu.Lock()
	}
	c.mu.Unlock()
}

// TestTestClock has timers of a testClock set, moved and stopped.
func TestTestClock(t *testing.T) {
	c := newTestClock()
	start := c.Now()
	var got []string
	call := func(name string) func() { return func() { got = append(got, name+c.Now().Sub(start).String()) } }
	c.AfterFunc(2*time.Second, call("a"))
	b := c.AfterFunc(time.Second, call("b"))
	d := c.AfterFunc(time.Second, call("d"))
	c.AfterFunc(3*time.Second, func() { call("e")(); b.Reset(time.Second) })
	if !b.Reset(5 * time.Second) {
		t.Error("a timer that is set was not still to come")
	}
	if !d.Stop() || d.Stop() {
		t.Error("a timer was not stopped once")
	}
	for s := range 6 {
		c.moveTo(start.Add(time.Duration(s) * time.Second))
	}
	if at, ok := c.next(); ok {
		t.Errorf("a timer is left at %v", at)
	}
	if want := []string{"a2s", "e3s", "b4s"}; !slices.Equal(got, want) {
		t.Errorf("calls: got %v, want %v", got, want)
	}
}

// TestExpiryIsMonotonic sees that the time at which a message expires is
// counted by the clock that nobody sets: a machine whose time of day is set
// back or forth has no message expire early or late.
func TestExpiryIsMonotonic(t *testing.T) {
	s := newServer(t, setup{loop: netloop.Config{Portable: true}})
	c := &conn{ls: s.mqtt.loops[0]}
	p := &packet.Publish{}
	p.Properties.HasMessageExpiry, p.Properties.MessageExpiry = true, 60
	m := c.message(p, "t")
	for what, at := range map[string]time.Time{"expires at": m.Expires, "now it is": s.broker.Clock().Now()} {
		if !strings.Contains(at.String(), " m=+") {
			t.Errorf("%s %v, want that to have a monotonic reading", what, at)
		}
	}
}
