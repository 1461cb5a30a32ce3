package broker_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

var errBadSector = errors.New("bad sector")

// failAppend has the Store fail to keep messages with that payload.
func failAppend(payload string) func(storetest.Call) error {
	return func(c storetest.Call) error {
		if c.Op == storetest.OpAppend && string(c.Entry.Message.Payload) == payload {
			return errBadSector
		}
		return nil
	}
}

// TestEveryFault has each operation of the Store fail in turn, or the Store be held, while clients do all that they do,
// and then kills the node or not. What was accepted by then arrives, and all goes on.
func TestEveryFault(t *testing.T) {
	for op := storetest.OpLoadSession; op <= storetest.OpLoadRetained; op++ {
		for _, fault := range []error{errBadSector, broker.ErrStoreFull, nil} {
			for _, killed := range []bool{false, true} {
				t.Run(fmt.Sprint(op, fault, killed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := newCrashWorld(t, false, false)
						w.faults, w.least = true, 5
						w.begin()
						w.steps(200)
						if fault == nil {
							w.held = true
							w.st.Hold(true)
						}
						w.st.Fail(func(c storetest.Call) error {
							if c.Op == op && (!killed || c.Entry == nil || c.Entry.Log == 0) {
								return fault
							}
							return nil
						})
						w.steps(150)
						advance(5 * time.Second)
						w.steps(150)
						if killed {
							w.crash()
						}
						w.settle()
						w.check()
						w.end()
					})
				})
			}
		}
	}
}

// TestFailureLetsOthersPass has a QoS 2 message fail that others wait behind. They go on.
func TestFailureLetsOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, broker.Config{})
		s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
		s.subscribe("t", 2)
		n.st.Fail(failAppend("f"))
		n.st.Hold(true)
		ps := []*publication{p.publish("t", "f", 2), p.publish("t", "1", 1), p.publish("t", "2", 1)}
		n.st.Hold(false)
		synctest.Wait()
		wantOutcome(t, "that fails", ps[:1], broker.StoreFailed)
		wantOutcome(t, "behind it", ps[1:], broker.Accepted)
		wantPayloads(t, "deliveries", s.link.take(), 1, 2)
	})
}

// TestBroadcastEntryFails has the Store fail to keep the entry of a broadcast that is in the log. The log is read
// again, and what there is already does not come twice; also if the Session is not in the position to do so before it sleeps.
func TestBroadcastEntryFails(t *testing.T) {
	for _, sleeps := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t, broker.Config{FlashTimeout: -1})
			s, p := n.connect(t, "s", expiry(never)), n.connect(t, "p")
			s.subscribe(broadcasts, 2)
			s.detach()
			advance(time.Minute)
			p.publishAllWait(broadcasts, 2, 1, 5)
			failed := 0
			n.st.Fail(func(c storetest.Call) error {
				if err := failAppend("2")(c); err != nil && failed == 0 {
					failed++
					return err
				}
				return nil
			})
			s = n.dial(t, "s", expiry(never))
			s.s.Start(s.sc, s.epoch)
			synctest.Wait()
			if sleeps {
				s.detach()
				advance(time.Minute)
				s = n.connect(t, "s", expiry(never))
			}
			advance(2 * time.Second) // the log is read again after one
			seen := make(map[string]int)
			for _, d := range s.receive() {
				if !d.dup {
					seen[d.payload]++
				}
			}
			for i := 1; i <= 5; i++ {
				if got := seen[itoa(i)]; got != 1 && !sleeps || got > 1 {
					t.Errorf("sleeps %t: broadcast %d: got it %d times, want once", sleeps, i, got)
				}
			}
			n = n.crash(t)
			if got := n.connect(t, "s", expiry(never)).receive(); len(got) > 0 {
				t.Errorf("sleeps %t: after all: got %q again, want nothing", sleeps, payloads(got))
			}
			if failed == 0 {
				t.Error("nothing has failed")
			}
		})
	}
}
