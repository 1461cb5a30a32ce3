package broker_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// TestCleanStartOfWhatChanges has something happen to a Session between the moment in which a clean start finds it and
// the one in which it takes its place. What was addressed to the device is kept.
func TestCleanStartOfWhatChanges(t *testing.T) {
	for _, tt := range []struct {
		name   string
		filter string // of a subscription; "" is none
		change func(t *testing.T, n *node, d *client)
	}{
		{"nothing", "t", func(*testing.T, *node, *client) {}},
		{"goes to sleep", "t", func(*testing.T, *node, *client) { advance(time.Minute) }},
		{"leaves RAM", "", func(*testing.T, *node, *client) { advance(time.Minute) }},
		{"goes to sleep and is woken", "t", func(t *testing.T, n *node, _ *client) {
			advance(time.Minute)
			q := n.connect(t, "q")
			for i := 6; i <= 11; i++ { // it has no room for the last
				q.publish("inbox/d", itoa(i), 1)
			}
			q.detach()
		}},
		{"expires", "t", func(*testing.T, *node, *client) { advance(2 * time.Hour) }},
		{"takes over", "t", func(t *testing.T, n *node, _ *client) { n.connect(t, "d", expiry(3600)) }},
		{"starts clean", "t", func(t *testing.T, n *node, _ *client) { n.connect(t, "d", clean, expiry(3600)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, broker.Config{MaxQueuedMessages: 10})
				d := n.connect(t, "d", expiry(3600))
				if tt.filter != "" {
					d.subscribe(tt.filter, 1)
				}
				d.detach()
				p := n.connect(t, "p")
				p.publishAllWait("inbox/d", 1, 1, 5)
				found := n.app.FoundForTest("d")
				tt.change(t, n, d)
				c := &client{t: t, room: n.room, sc: n.NewScratch(nil), link: newLink()}
				done := make(chan broker.Connected, 1)
				n.ConnectCleanForTest(c.sc, found, &broker.Connect{App: n.app, ClientID: "d", CleanStart: true, Link: c.link},
					func(got broker.Connected) { done <- got })
				synctest.Wait()
				c.Connected = <-done
				if c.Err != nil || c.Present {
					t.Fatalf("Connect: got error %v, Session Present %t, want nil and false", c.Err, c.Present)
				}
				c.s, c.epoch = c.Session, c.Epoch
				c.s.Start(c.sc, c.epoch)
				if got := payloads(c.receive()); !slices.Equal(got[:min(5, len(got))], []string{"1", "2", "3", "4", "5"}) {
					t.Errorf("mail: got %v, want 1 to 5 first", got)
				}
				c.detach()
				p.detach()
				n.wantIdle(t)
			})
		})
	}
}

// bracketed is a Store that notes, of what is deleted and added, in which bracket that is.
type bracketed struct {
	*memory.Store
	open, number int
	calls        []string
}

func (st *bracketed) note(what string) {
	in := " outside"
	if st.open > 0 {
		in = " in " + itoa(st.number)
	}
	st.calls = append(st.calls, what+in)
}

// Begin implements broker.Store.
func (st *bracketed) Begin() broker.Tx {
	if st.open++; st.open == 1 {
		st.number++
	}
	return 0
}

// End implements broker.Store.
func (st *bracketed) End(broker.Tx) { st.open-- }

// SaveSession implements broker.Store.
func (st *bracketed) SaveSession(key broker.SessionKey, r *broker.SessionRecord, c broker.Commit) {
	st.note("save " + key.ClientID)
	st.Store.SaveSession(key, r, c)
}

// DeleteSession implements broker.Store.
func (st *bracketed) DeleteSession(key broker.SessionKey, mb broker.Mailbox, c broker.Commit) {
	st.note("delete " + key.ClientID)
	st.Store.DeleteSession(key, mb, c)
}

// Append implements broker.Store.
func (st *bracketed) Append(mb broker.Mailbox, e *broker.Entry, c broker.Commit) {
	st.note("append " + string(e.Message.Payload))
	st.Store.Append(mb, e, c)
}

// TestTakeoverIsTogether takes over the connection of a client that leaves a Will and messages of a Shared Subscription. What
// is deleted of it, or saved, and what others get are in one bracket: a crash in between must not lose the Will, nor what was
// acknowledged to its publisher.
func TestTakeoverIsTogether(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []func(*broker.Connect)
		want []string
	}{
		{"clean start", []func(*broker.Connect){clean}, []string{"delete a in 1", "append 1 in 1", "append gone in 1"}},
		{"goes on", nil, []string{"save a in 1", "append gone in 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := &bracketed{Store: memory.New()}
			r := newRoom(t, broker.Config{Store: st})
			b := r.connect(t, "b", expiry(never))
			b.subscribe("will", 1)
			b.subscribe("$share/g/t", 1)
			b.detach()
			a := r.connect(t, "a", expiry(never), will(broker.Will{Message: &broker.Message{TopicName: "will", Payload: []byte("gone"), QoS: 1}}))
			a.subscribe("$share/g/t", 1)
			r.connect(t, "p").publishAll("t", 1, 1, 1, broker.Accepted)
			st.calls, st.number = nil, 0
			r.connect(t, "a", append(tt.opts, expiry(0))...)
			if !slices.Equal(st.calls[:min(len(tt.want), len(st.calls))], tt.want) {
				t.Errorf("the Store is called with %q, want first %q", st.calls, tt.want)
			}
		})
	}
}

// slowPages is a Store that answers Loads of small pages later than those of large ones: the last page of a scan comes after what
// a client reads of its mailbox.
type slowPages struct {
	*memory.Store
	late []func()
}

// Load implements broker.Store.
func (st *slowPages) Load(mb broker.Mailbox, after uint64, limit, maxBytes int, done func([]broker.Entry, bool, error)) {
	if limit < 100 && after != 0 {
		st.late = append(st.late, func() { st.Store.Load(mb, after, limit, maxBytes, done) })
		return
	}
	st.Store.Load(mb, after, limit, maxBytes, done)
}

// TestCleanStartLeavesToGroup starts clean, once or twice, with a mailbox that holds mail for the device, which stays, and
// more than a page of a Shared Subscription's messages, which go to another member.
func TestCleanStartLeavesToGroup(t *testing.T) {
	const messages = 200
	for starts := 1; starts <= 2; starts++ {
		st := &slowPages{Store: memory.New()}
		r := newRoom(t, broker.Config{Store: st})
		a, b, p := r.connect(t, "a", expiry(never)), r.connect(t, "b", expiry(never)), r.connect(t, "p")
		a.subscribe("$share/g/t", 1)
		a.detach()
		p.publishAll("t", 1, 1, messages, broker.Accepted)
		p.publishAll("inbox/a", 1, 1, 1, broker.Accepted)
		b.subscribe("$share/g/t", 1)
		for range starts {
			a = r.connect(t, "a", clean, expiry(never))
		}
		if got := a.link.take(); len(got) != 0 {
			t.Errorf("%d starts: got %v before the mailbox has been looked through, want nothing", starts, payloads(got))
		}
		for len(st.late) > 0 {
			page := st.late[0]
			st.late = st.late[1:]
			page()
		}
		wantPayloads(t, "handed on", b.link.take(), 1, messages)
		wantPayloads(t, "mail", a.link.take(), 1, 1)
		if st := r.Stats(); st.Queued != messages+1 {
			t.Errorf("%d starts: got %d messages queued, want %d", starts, st.Queued, messages+1)
		}
	}
}

// TestCleanStartSharesAgain starts clean, up to four times, and subscribes to the group again each time, before what it had has been handed
// on. Each message reaches one member, once, and the Session goes to sleep in the end.
func TestCleanStartSharesAgain(t *testing.T) {
	const messages = 200
	for starts := 1; starts <= 4; starts++ {
		for _, newest := range []bool{false, true} { // page first
			t.Run(fmt.Sprintf("%d starts, newest first: %t", starts, newest), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					st := &slowPages{Store: memory.New()}
					r := newRoom(t, broker.Config{Store: st})
					a, p := r.connect(t, "a", expiry(never)), r.connect(t, "p")
					a.subscribe("$share/g/t", 1)
					a.detach()
					p.publishAll("t", 1, 1, messages, broker.Accepted)
					p.publishAll("inbox/a", 1, 0, 0, broker.Accepted)
					b := r.connect(t, "b", expiry(never))
					b.subscribe("$share/g/t", 1)
					want := messages
					for range starts {
						a = r.connect(t, "a", clean, expiry(never))
						a.subscribe("$share/g/t", 1)
						p.publishAll("t", 1, want+1, want+messages, broker.Accepted)
						want += messages
					}
					got := b.drain()
					for len(st.late) > 0 {
						at := 0
						if newest {
							at = len(st.late) - 1
						}
						page := st.late[at]
						st.late = slices.Delete(st.late, at, at+1)
						page()
						got = append(got, b.drain()...)
					}
					got = append(got, a.drain()...)
					times := make([]int, want+1)
					for _, d := range got {
						n, err := strconv.Atoi(d.payload)
						if err != nil {
							t.Fatalf("got payload %q: %v", d.payload, err)
						}
						times[n]++
					}
					for n := range times {
						if times[n] != 1 {
							t.Errorf("message %d has come %d times, want once", n, times[n])
						}
					}
					a.detach()
					b.detach()
					p.detach()
					advance(time.Hour)
					if got := r.Stats(); got.Flash != 0 || got.Queued != 0 {
						t.Errorf("got %d Sessions awake, %d messages queued, want none", got.Flash, got.Queued)
					}
				})
			})
		}
	}
}

// TestSharedWhileAdopted has a Session end, and its client connect again, while what it leaves to its group is still being handed on: from
// what was in RAM and what was on its way, and from the mailbox. Each message reaches the other member once.
func TestSharedWhileAdopted(t *testing.T) {
	const messages = 200
	for _, tt := range []struct {
		name     string
		awake    bool // most are in RAM
		restarts []func(*broker.Connect)
	}{
		{"clean start, and another", false, []func(*broker.Connect){clean, clean}},
		{"clean start of a Session that ends", false, []func(*broker.Connect){clean, expiry(never)}},
		{"from RAM, clean start", true, []func(*broker.Connect){clean, expiry(never)}},
		{"from RAM, the end", true, []func(*broker.Connect){expiry(never)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := &slowPages{Store: memory.New()}
			r := newRoom(t, broker.Config{Store: st})
			a, b, p := r.connect(t, "a", expiry(never), receiveMaximum(10)), r.connect(t, "b", expiry(never)), r.connect(t, "p")
			a.subscribe("$share/g/t", 1)
			if !tt.awake {
				a.detach()
			}
			p.publishAll("inbox/a", 1, 1, 1, broker.Accepted)
			p.publishAll("t", 1, 1, messages, broker.Accepted)
			b.subscribe("$share/g/t", 1)
			if tt.awake {
				a.leave(broker.Leave{Expiry: new(uint32)})
			}
			for _, how := range tt.restarts {
				a = r.connect(t, "a", how)
				for _, d := range a.link.take() {
					if d.topic != "inbox/a" {
						t.Errorf("a gets %q, want its mail alone", d.payload)
					}
				}
				a.leave(broker.Leave{Expiry: new(uint32)})
			}
			got := b.drain()
			for len(st.late) > 0 {
				page := st.late[0]
				st.late = st.late[1:]
				page()
				got = append(got, b.drain()...)
			}
			a = r.connect(t, "a", expiry(never))
			wantPayloads(t, "mail", a.drain(), 1, 1)
			got = append(got, b.drain()...)
			slices.SortFunc(got, func(x, y delivery) int {
				return cmp.Or(len(x.payload)-len(y.payload), strings.Compare(x.payload, y.payload))
			})
			wantPayloads(t, "handed on", got, 1, messages)
			if st := r.Stats(); st.Queued != 0 || st.Waiting != 0 {
				t.Errorf("got %d messages queued, %d waiting, want none", st.Queued, st.Waiting)
			}
		})
	}
}
