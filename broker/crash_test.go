package broker_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// crashSteps is how many things happen in one run of TestCrashes.
const crashSteps = 1500

// crashWorld is a node that is killed now and then, and its clients. What the Store has not
// committed is lost then; what clients remember is not.
type crashWorld struct {
	t       *testing.T
	rand    *rand.Rand
	cfg     broker.Config
	disk    *memory.Store
	st      *storetest.Faulty
	room    *room
	kills   bool
	faults  bool
	least   int // messages that must have been accepted at least
	fail    func(storetest.Call) error
	held    bool
	crashes int
	parts   int // of receipts that were stored, but for the first of each
	clients []*crashClient
	sent    []*crashMessage
	byText  map[string]*crashMessage
	old     []*crashConn // have ended and may still be told something
}

// crashMessage is a message and what is known of it.
type crashMessage struct {
	payload, topic string
	qos            broker.QoS
	from           string
	number         int
	accepted       bool           // its publisher has been told
	parked         bool           // a Session had no room for it at once
	mayRepeat      bool           // it may come twice: Faulty's AppendLog takes effect at once, not with its bracket
	refused        bool           // without its publisher being told
	got            map[string]int // how often, by client
}

// TestCrashes checks invariant 4 over crashes: what was accepted arrives, at QoS 2 once, in order. Clients behave as
// MQTT has them: they repeat what was not acknowledged, and know received QoS 2 messages by their Packet Identifiers.
func TestCrashes(t *testing.T) {
	runs := 25
	if testing.Short() {
		runs = 5
	}
	for _, how := range []string{"crashes", "crashes and faults", "faults"} {
		parts, ran := 0, 0
		for i := range runs {
			t.Run(fmt.Sprintf("%s %d", how, i), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newCrashWorld(t, how != "faults", how != "crashes")
					w.run()
					parts, ran = parts+w.parts, ran+1
				})
			})
		}
		t.Logf("%s: %d parts", how, parts)
		if parts == 0 && ran == runs {
			t.Errorf("%s: no receipt was stored in parts", how)
		}
	}
}

func newCrashWorld(t *testing.T, kills, faults bool) *crashWorld {
	r := randtest.New(t)
	w := &crashWorld{t: t, rand: r, kills: kills, faults: faults, least: 50, disk: memory.New(), byText: make(map[string]*crashMessage)}
	w.cfg = broker.Config{
		MaxInflight:       []int{2, 5, 100}[r.IntN(3)],
		MaxQueuedMessages: []int{10, 40, 2000}[r.IntN(3)],
		FlashTimeout:      []time.Duration{-1, time.Second, 30 * time.Second}[r.IntN(3)],
		FlashSessions:     1 + r.IntN(6),
	}
	if faults {
		w.fail = w.sometimes()
	}
	w.start()
	all := []broker.Subscribe{
		{TopicFilter: "t/#", Options: topic.NewOptions(2, false, false, 0)},
		{TopicFilter: "broadcast/" + broker.DefaultApp, Options: topic.NewOptions(2, false, false, 0)},
	}
	member := []broker.Subscribe{{TopicFilter: "$share/g/s/#", Options: topic.NewOptions(2, false, false, 0)}}
	for i := range 5 { // receipts in parts take some
		w.add(fmt.Sprint("reader", i), false, all)
	}
	w.add("member0", false, member)
	w.add("member1", false, append(member, all[0]))
	w.add("writer", false, nil)
	w.add("nomad0", true, nil)
	w.add("nomad1", true, nil)
	return w
}

// sometimes has calls fail at random.
func (w *crashWorld) sometimes() func(storetest.Call) error {
	own := rand.New(rand.NewPCG(w.rand.Uint64(), 0)) // used by the Store's goroutine only, one after the other
	return func(c storetest.Call) error {
		if w.kills && c.Entry != nil && c.Entry.Log != 0 {
			return nil // killed before it knows of that, the node does not read the log from there
		}
		switch c.Op {
		case storetest.OpAppend, storetest.OpAddReceipt, storetest.OpAddPartialReceipt, storetest.OpRemoveReceipt,
			storetest.OpLoad, storetest.OpLoadSession, storetest.OpLoadLog, storetest.OpAppendLog:
			if own.IntN(30) == 0 {
				return errBadSector
			}
		}
		return nil
	}
}

func (w *crashWorld) add(name string, nomad bool, subs []broker.Subscribe) {
	w.clients = append(w.clients, &crashClient{
		w: w, name: name, nomad: nomad, subs: subs, rand: rand.New(rand.NewPCG(w.rand.Uint64(), 0)),
		holding: make(map[broker.PacketID]bool), last: make(map[string]int), numbers: make(map[string]int),
	})
}

// start starts a node on what the disk holds.
func (w *crashWorld) start() {
	w.st = storetest.NewFaulty(w.t, w.disk, w.rand.Uint64())
	fail := w.fail
	w.st.Fail(func(c storetest.Call) error {
		w.parts += min(c.Part, 1)
		if fail == nil {
			return nil
		}
		return fail(c)
	})
	cfg := w.cfg
	cfg.Store = w.st
	b := broker.New(cfg)
	if err := b.Restore(nil); err != nil {
		w.t.Fatalf("Restore: got %v, want nil", err)
	}
	w.room = &room{Broker: b, app: b.App(broker.DefaultApp)}
	w.held = false
}

// crash kills the node and starts another one.
func (w *crashWorld) crash() {
	w.crashes++
	w.st.Hold(true)
	synctest.Wait()
	for _, c := range w.clients {
		c.nodeGone()
	}
	w.handleOld() // what was refused is known here, and not to the client
	w.old = nil
	w.room.Close() // what it stores is lost
	w.start()
}

func (w *crashWorld) run() {
	w.begin()
	w.steps(crashSteps)
	w.settle()
	w.check()
	w.end()
}

// begin has all clients there, with their subscriptions.
func (w *crashWorld) begin() {
	for _, c := range w.clients {
		for c.connect(); c.conn == nil || !c.conn.up || !c.settled && len(c.subs) > 0; synctest.Wait() {
			c.conn.handle()
			if c.conn == nil {
				c.connect()
			}
		}
	}
}

func (w *crashWorld) steps(n int) {
	for range n {
		w.step()
	}
}

// end ends all Sessions. Nothing may be left of them.
func (w *crashWorld) end() {
	for _, c := range w.clients {
		c.conn.s.Detach(c.sc, c.conn.epoch, broker.Leave{Expiry: new(uint32)})
		synctest.Wait()
	}
	w.room.wantIdle(w.t)
	w.room.Close()
	w.st.Settle()
	if got := records(w.disk); got != 0 && !w.faults {
		w.t.Errorf("left in the Store: got %d records, want none", got)
	}
	for last := w.disk.NewMailbox(); last > 0; last-- {
		if got := w.st.Entries(last); len(got) != 0 && !w.faults {
			w.t.Errorf("left in the Store: got %d entries in mailbox %d, want none", len(got), last)
		}
	}
	w.t.Logf("%d crashes, %d messages", w.crashes, len(w.sent))
}

// step has one thing happen.
func (w *crashWorld) step() {
	switch n := w.rand.IntN(300); {
	case n == 0 && w.kills:
		w.crash()
	case n < 4:
		w.held = !w.held
		w.st.Hold(w.held)
	case n < 7:
		advance(time.Duration(w.rand.IntN(40000)) * time.Millisecond)
	case n < 60:
		synctest.Wait()
	default:
		w.clients[w.rand.IntN(len(w.clients))].step()
	}
	w.handleOld()
}

// handleOld has connections that have ended deal with what they are still told: the front does so.
func (w *crashWorld) handleOld() {
	for _, n := range w.old {
		n.handle()
	}
}

// settle has all that is under way come to its end.
func (w *crashWorld) settle() {
	w.st.Hold(false)
	w.fail = nil
	w.st.Fail(nil)
	synctest.Wait()
	for _, c := range w.clients {
		c.calm = true
		c.disconnect()
	}
	for quiet, rounds := 0, 0; quiet < 65; rounds++ { // deliveries may be put off for a minute: see fruitless.go
		if rounds > 3000 {
			w.stuck()
			return
		}
		advance(time.Second)
		w.handleOld()
		quiet++
		for _, c := range w.clients {
			if c.step() {
				quiet = 0
			}
			synctest.Wait()
		}
	}
}

func (w *crashWorld) stuck() {
	for _, c := range w.clients {
		w.t.Errorf("%s does not come to an end: connection %+v, %d unacknowledged, %d to do", c.name, c.conn, len(c.unacked), len(c.todo))
	}
}

// publishing notes a new message.
func (w *crashWorld) publishing(m *crashMessage) {
	m.got = make(map[string]int)
	w.sent = append(w.sent, m)
	w.byText[m.payload] = m
}

// check compares what was accepted with what has arrived.
func (w *crashWorld) check() {
	accepted := 0
	for _, m := range w.sent {
		if m.accepted {
			accepted++
		}
		// A Store that fails to keep one entry and keeps the next, and a crash before that is known, may leave a partial
		// receipt which says too much. storage/badger does not: after a failed commit it writes nothing.
		torn := w.faults && m.qos == 2 && m.parked && m.refused
		total := 0
		for _, c := range w.clients {
			n := m.got[c.name]
			total += n
			if m.accepted && n == 0 && c.owed(m) && !torn {
				w.t.Errorf("%s never got %+v", c.name, *m)
			}
			if n > 1 && m.qos == 2 && !m.mayRepeat && !m.refused && !w.faults && !c.nomad {
				w.t.Errorf("%s got %d times %+v", c.name, n, *m)
			}
		}
		if m.topic[0] == 's' && (m.accepted && total == 0 && !torn || total > 1 && m.qos == 2 && !m.mayRepeat && !m.refused && !w.faults) {
			w.t.Errorf("the group got %d times %+v", total, *m)
		}
	}
	if accepted < w.least {
		w.t.Errorf("accepted: got %d of %d messages, want at least %d", accepted, len(w.sent), w.least)
	}
}
