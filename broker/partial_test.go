package broker_test

import (
	"fmt"
	"math/bits"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// sleepers returns a Store in which n Sessions sleep, subscribed to t at QoS 2.
func sleepers(t *testing.T, n int) *memory.Store {
	t.Helper()
	disk := memory.New()
	r := newRoom(t, broker.Config{Store: disk})
	for i := range n {
		c := r.connect(t, fmt.Sprint("r", i), expiry(never))
		c.subscribe("t", 2)
		c.detach()
	}
	r.Close()
	return disk
}

// restarted returns a node on what a Store holds.
func restarted(t *testing.T, st broker.Store) *room {
	t.Helper()
	r := newRoom(t, broker.Config{Store: st, FlashTimeout: -1})
	if err := r.Restore(nil); err != nil {
		t.Fatalf("Restore: got %v, want nil", err)
	}
	return r
}

// TestManyParked has a QoS 2 publish wait for very many Sessions, which sleep since the node has started. Who has it must not be
// written anew for each of them.
func TestManyParked(t *testing.T) {
	for _, n := range []int{1, 2, 100, 2000} {
		synctest.Test(t, func(t *testing.T) {
			st := &partials{Store: sleepers(t, n)}
			r := restarted(t, st)
			p := r.connect(t, "p", expiry(never))
			sent := p.publishID(7)
			synctest.Wait()
			wantOutcome(t, "publish", []*publication{sent}, broker.Accepted)
			written, named := 0, make(map[broker.Mailbox]bool)
			for _, part := range st.got {
				written += len(part.Given)
				for _, mb := range part.Given {
					named[mb] = true
				}
			}
			if len(st.got) != n || len(named) != n {
				t.Errorf("%d Sessions: got %d notes that name %d mailboxes, want %d of either", n, len(st.got), len(named), n)
			}
			if most := 1 + bits.Len(uint(n)); st.parts > most {
				t.Errorf("%d Sessions: got %d parts, want at most %d", n, st.parts, most)
			}
			if most := n * (1 + bits.Len(uint(n))); written > most {
				t.Errorf("%d Sessions: got %d mailboxes written in notes of who has it, want at most %d", n, written, most)
			}
		})
	}
}

// mortal is a Store that dies when it has done so much: what comes after that is lost, and nobody told.
type mortal struct {
	*memory.Store
	mu    sync.Mutex
	left  int // writes, or brackets of them; one at a time
	open  bool
	dead  bool
	parts int // the largest number of parts that a receipt had
}

func (st *mortal) dieAfter(n int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.left = n
}

// lives tells whether a write takes effect.
func (st *mortal) lives() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.open {
		st.dead = st.left == 0
		st.left -= min(1, st.left)
	}
	return !st.dead
}

// Begin implements broker.Store.
func (st *mortal) Begin() broker.Tx {
	st.lives()
	st.mu.Lock()
	defer st.mu.Unlock()
	st.open = true
	return 0
}

// End implements broker.Store.
func (st *mortal) End(broker.Tx) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.open = false
}

// SaveSession implements broker.Store.
func (st *mortal) SaveSession(key broker.SessionKey, r *broker.SessionRecord, c broker.Commit) {
	if st.lives() {
		st.Store.SaveSession(key, r, c)
	}
}

// Append implements broker.Store.
func (st *mortal) Append(mb broker.Mailbox, e *broker.Entry, c broker.Commit) {
	if st.lives() {
		st.Store.Append(mb, e, c)
	}
}

// AddReceipt implements broker.Store.
func (st *mortal) AddReceipt(mb broker.Mailbox, id broker.PacketID, c broker.Commit) {
	if st.lives() {
		st.Store.AddReceipt(mb, id, c)
	}
}

// AddPartialReceipt implements broker.Store.
func (st *mortal) AddPartialReceipt(mb broker.Mailbox, id broker.PacketID, part int, p broker.PartialReceipt, c broker.Commit) {
	if st.lives() {
		st.parts = max(st.parts, part+1)
		st.Store.AddPartialReceipt(mb, id, part, p, c)
	}
}

// TestCrashWhileParked has the node crash after each of the writes of a QoS 2 publish that waits for many Sessions, and once more
// while it is repeated. It is repeated until it is accepted, and every Session has it once.
func TestCrashWhileParked(t *testing.T) {
	const n = 20
	most := 0
	for cut, ended := 0, false; !ended; cut++ {
		synctest.Test(t, func(t *testing.T) {
			disk := sleepers(t, n)
			var last broker.Result
			for try := range 3 {
				st := &mortal{Store: disk, left: 1000}
				r := restarted(t, storetest.NewFaulty(t, st, uint64(cut)))
				p := r.connect(t, "p", expiry(never))
				synctest.Wait()
				st.dieAfter([]int{cut, 7, 1000}[try])
				sent := &publication{id: 7, dup: try > 0}
				p.publishAs(sent, "t", "m", 2)
				synctest.Wait()
				last = sent.outcome()
				most = max(most, st.parts)
				ended = ended || try == 0 && last == broker.Accepted
				st.dieAfter(0)
				r.Close()
			}
			if last != broker.Accepted && last != broker.Repeated {
				t.Errorf("crash after %d writes: got result %d, want it accepted at last", cut, last)
			}
			r := restarted(t, disk)
			for i := range n {
				c := r.connect(t, fmt.Sprint("r", i), expiry(never))
				synctest.Wait()
				if got := c.link.take(); len(got) != 1 || got[0].payload != "m" {
					t.Errorf("crash after %d writes: reader %d got %v, want the message once", cut, i, got)
				}
			}
		})
		if cut > 10*n {
			t.Fatalf("no end after %d writes", cut)
		}
	}
	if most < 4 {
		t.Errorf("parts of a receipt: got %d, want 4 or more", most)
	}
}

// refusing is a Store that refuses an Append to one mailbox, as one does that has no room.
type refusing struct {
	broker.Store
	box broker.Mailbox
}

// Append implements broker.Store.
func (st *refusing) Append(mb broker.Mailbox, e *broker.Entry, c broker.Commit) {
	if mb == st.box {
		go c.Committed(broker.ErrStoreFull)
		return
	}
	st.Store.Append(mb, e, c)
}

// TestRefusedWhileParked has the Store refuse a QoS 2 message for one of two mailboxes. While the publish waits for the other, no
// receipt may say that the first has it: if the node crashed, a repetition would not go there.
func TestRefusedWhileParked(t *testing.T) {
	for _, asleep := range []bool{false, true} {
		t.Run(fmt.Sprint("asleep ", asleep), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := sleepers(t, 1)
				st := &refusing{Store: disk}
				disk.LoadSession(broker.SessionKey{App: broker.DefaultApp, ClientID: "r0"}, func(r *broker.SessionRecord, _ error) { st.box = r.Mailbox })
				r := newRoom(t, broker.Config{Store: st, MaxQueuedMessages: 1})
				if err := r.Restore(nil); err != nil {
					t.Fatalf("Restore: got %v, want nil", err)
				}
				if !asleep {
					r.connect(t, "r0", expiry(never))
				}
				full, p := r.connect(t, "full", expiry(never), receiveMaximum(1)), r.connect(t, "p", expiry(never))
				full.subscribe("full", 1)
				p.publish("full", "1", 1)
				full.subscribe("t", 1)
				last := p.publishID(7)
				synctest.Wait()
				wantOutcome(t, "while one is full", []*publication{last}, broker.Pending)
				disk.LoadSession(broker.SessionKey{App: broker.DefaultApp, ClientID: "p"}, func(r *broker.SessionRecord, err error) {
					if err != nil || len(r.Partial) != 0 || len(r.Received) != 0 {
						t.Errorf("receipts: got %v, %v, error %v, want none", r.Partial, r.Received, err)
					}
				})
				full.ack(ids(full.link.take())...)
				synctest.Wait()
				wantOutcome(t, "in the end", []*publication{last}, broker.QuotaExceeded)
			})
		})
	}
}
