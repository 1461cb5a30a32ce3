package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// commitFunc is a Commit that is a function.
type commitFunc func(err error)

func (f commitFunc) Committed(err error) { f(err) }

// TestSubscribeAgain has clients subscribe to what they have subscribed to, as they do whenever they connect. The Store is not asked if it
// has that already, even over a restart of the client; it is if it may not have it.
func TestSubscribeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{FlashTimeout: -1})
		saves := 0
		full := false
		n.st.Fail(func(c storetest.Call) error {
			if c.Op != storetest.OpSaveSession {
				return nil
			}
			if saves++; full {
				return broker.ErrStoreFull
			}
			return nil
		})
		s := n.connect(t, "s", expiry(never))
		var answers []error
		subscribe := func(what, filter string, qos uint8, want bool) {
			t.Helper()
			before := saves
			subs := []broker.Subscribe{{TopicFilter: filter, Options: topic.NewOptions(qos, false, false, 0)}}
			errs, pending, err := s.s.Subscribe(s.sc, s.epoch, subs, commitFunc(func(err error) { answers = append(answers, err) }))
			if err != nil || errs[0] != nil || pending != want {
				t.Errorf("%s: got pending %t, %v, %v, want pending %t", what, pending, errs, err, want)
			}
			synctest.Wait()
			if got := saves - before; got > 0 != want {
				t.Errorf("%s: %d records go to the Store, want some: %t", what, got, want)
			}
		}
		subscribe("first", "t", 1, true)
		subscribe("own inbox", "inbox/s", 1, false)
		full = true
		subscribe("again when the disk is full", "t", 1, false)
		s.detach()
		advance(time.Minute) // it sleeps, and is woken
		s = n.connect(t, "s", expiry(never))
		subscribe("again after it was away", "t", 1, false)
		subscribe("with another QoS", "t", 2, true)
		subscribe("again what the Store has refused", "t", 2, true)
		full = false
		subscribe("again when there is room", "t", 2, true)
		subscribe("again what is stored", "t", 2, false)
		n.st.Hold(true)
		answers = nil
		subs := []broker.Subscribe{{TopicFilter: "u", Options: topic.NewOptions(1, false, false, 0)}}
		for range 2 { // the second must not be answered before the first is safe
			if _, pending, err := s.s.Subscribe(s.sc, s.epoch, subs, commitFunc(func(err error) { answers = append(answers, err) })); !pending || err != nil {
				t.Errorf("while the Store is held: got pending %t, %v, want it to wait", pending, err)
			}
		}
		synctest.Wait()
		if len(answers) != 0 {
			t.Errorf("got answers %v while the Store is held, want none", answers)
		}
		n.st.Hold(false)
		synctest.Wait()
		if len(answers) != 2 {
			t.Errorf("got answers %v, want two", answers)
		}
	})
}
