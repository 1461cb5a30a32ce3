package broker_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// atMost bounds the connections of each App.
func atMost(n int) func(string) broker.AppLimits {
	return func(string) broker.AppLimits { return broker.AppLimits{MaxConnections: n} }
}

// wantPlaces expects the App to take n clients more.
func (r *room) wantPlaces(t *testing.T, n int) {
	t.Helper()
	for i := range n + 1 {
		var want error
		if i == n {
			want = broker.ErrQuotaExceeded
		}
		if c := r.dial(t, fmt.Sprintf("place-%d", i), clean); !errors.Is(c.Err, want) {
			t.Errorf("client %d of %d: got error %v, want %v", i+1, n+1, c.Err, want)
		}
	}
}

// TestSetAppLimits changes the bounds of an App that has clients, subscriptions and retained messages: what is there stays and counts, also what has
// come while there was no bound.
func TestSetAppLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, broker.Config{})
		set := func(l broker.AppLimits) {
			r.SetAppLimits(func(app string) broker.AppLimits {
				if app == "other" {
					return broker.AppLimits{MaxConnections: 1}
				}
				return l
			})
		}
		a := r.dial(t, "a", clean)
		r.dial(t, "b", clean)
		set(broker.AppLimits{MaxConnections: 1, MaxSubscriptions: 2, MaxRetained: 1})
		r.wantPlaces(t, 0) // the two stay
		set(broker.AppLimits{MaxConnections: 5, MaxSubscriptions: 2, MaxRetained: 1})
		r.wantPlaces(t, 3)
		a.subscribe("t/1", 1)
		a.subscribe("t/2", 1)
		third := []broker.Subscribe{{TopicFilter: "t/3", Options: topic.NewOptions(1, false, false, 0)}}
		if errs, _, err := a.s.Subscribe(a.sc, a.epoch, third, nil); err != nil || !errors.Is(errs[0], broker.ErrQuotaExceeded) {
			t.Errorf("a third subscription: got %v and %v, want %v", errs, err, broker.ErrQuotaExceeded)
		}
		r.SetAppLimits(nil)
		for i := range 4 {
			r.connect(t, fmt.Sprintf("free-%d", i), clean)
		}
		a.subscribe("t/3", 1)
		set(broker.AppLimits{MaxConnections: 11}) // there are nine
		for i, want := range []error{nil, nil, broker.ErrQuotaExceeded} {
			if c := r.dial(t, fmt.Sprintf("late-%d", i), clean); !errors.Is(c.Err, want) {
				t.Errorf("late client %d: got error %v, want %v", i, c.Err, want)
			}
		}
		a.detach()
		r.connect(t, "last", clean)
		other := r.App("other")
		for i, want := range []error{nil, broker.ErrQuotaExceeded} { // an App that comes up now
			c := r.dial(t, fmt.Sprint(i), clean, func(c *broker.Connect) { c.App = other })
			if !errors.Is(c.Err, want) {
				t.Errorf("client %d of the new App: got error %v, want %v", i, c.Err, want)
			}
		}
		if got := r.AppStats()[0].Limited["connections"]; got != 3 {
			t.Errorf("got %d counted as refused, want 3", got)
		}
	})
}

// fullStore is a Store that has no room for records, and tells so later.
type fullStore struct {
	broker.Store
	saves []broker.Commit
}

func (st *fullStore) SaveSession(_ broker.SessionKey, _ *broker.SessionRecord, c broker.Commit) {
	if c != nil {
		st.saves = append(st.saves, c)
	}
}

// TestAppPlaceTakenOver has a client wait, or be taken over, before its record is safe, which then fails: its place in the App is
// given back once.
func TestAppPlaceTakenOver(t *testing.T) {
	for _, again := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			st := &fullStore{Store: memory.New()}
			r := newRoom(t, broker.Config{AppLimits: atMost(2), Store: st})
			connect := func() <-chan broker.Connected {
				done := make(chan broker.Connected, 1)
				r.Connect(r.NewScratch(nil), &broker.Connect{App: r.app, ClientID: "s", Link: newLink(), Expiry: 100},
					func(c broker.Connected) { done <- c })
				synctest.Wait()
				return done
			}
			older, places := connect(), 2
			var newer <-chan broker.Connected
			if again {
				newer = connect()
				places--
			}
			for _, c := range st.saves {
				c.Committed(broker.ErrStoreFull)
			}
			if c := <-older; !errors.Is(c.Err, broker.ErrStoreFull) {
				t.Errorf("got error %v, want %v", c.Err, broker.ErrStoreFull)
			}
			if again {
				if c := <-newer; c.Err != nil {
					t.Errorf("the newer: got error %v, want none", c.Err)
				}
			}
			r.wantPlaces(t, places)
		})
	}
}

// TestAppPlaceExpired has a client come back in the moment in which its Session has expired, while the record is fetched. It takes one
// place in the App.
func TestAppPlaceExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{AppLimits: atMost(2), FlashTimeout: -1})
		<-time.After(300 * time.Millisecond) // it sleeps and expires within a second
		s := n.connect(t, "s", expiry(60))
		s.subscribe("t", 1)
		synctest.Wait()
		s.detach()
		advance(60*time.Second + 100*time.Millisecond)
		if s = n.connect(t, "s", expiry(60)); s.Present {
			t.Fatal("Session Present: got true, want false: it has expired")
		}
		n.wantPlaces(t, 1)
	})
}
