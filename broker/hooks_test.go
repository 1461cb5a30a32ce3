package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// witness observes everything.
type witness struct {
	id    string
	block chan struct{} // not nil: wait for it, or for the end
	panic string        // event that it panics at

	mu   sync.Mutex
	seen []string
}

func (w *witness) ID() string { return w.id }

func (w *witness) note(ctx context.Context, what string, args ...any) {
	if w.block != nil {
		select {
		case <-w.block:
		case <-ctx.Done():
		}
	}
	if what == w.panic {
		panic("secret")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, strings.TrimSpace(what+" "+fmt.Sprint(args...)))
}

func (w *witness) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

func (w *witness) OnSessionEstablished(ctx context.Context, e *broker.SessionEstablished) {
	w.note(ctx, "established", e.ClientID, " present=", e.Present, " from=", e.Remote, " v=", e.Version)
}

func (w *witness) OnDisconnect(ctx context.Context, e *broker.Disconnected) {
	w.note(ctx, "disconnected", e.ClientID, " graceful=", e.Graceful, " ended=", e.Ended, " reason=", e.Reason)
}

func (w *witness) OnSubscribed(ctx context.Context, e *broker.Subscribed) {
	w.note(ctx, "subscribed", e.ClientID, " ", e.Subscriptions[0].TopicFilter, " ", e.Errs)
}

func (w *witness) OnUnsubscribed(ctx context.Context, e *broker.Unsubscribed) {
	w.note(ctx, "unsubscribed", e.ClientID, " ", e.TopicFilters)
}

func (w *witness) OnPublished(ctx context.Context, e *broker.Published) {
	w.note(ctx, "published", "from=", e.ClientID, " ", e.Message.TopicName, " ", string(e.Message.Payload), " matched=", e.Matched)
}

func (w *witness) OnQosPublish(ctx context.Context, e *broker.Delivered) {
	w.note(ctx, "delivered", e.ClientID, " ", string(e.Message.Payload), " q=", e.QoS, " id=", e.PacketID, " dup=", e.Dup)
}

func (w *witness) OnQosComplete(ctx context.Context, e *broker.Completed) {
	payload := "?"
	if e.Message != nil {
		payload = string(e.Message.Payload)
	}
	w.note(ctx, "completed", e.ClientID, " id=", e.PacketID, " ", payload)
}

func (w *witness) OnPublishDropped(ctx context.Context, e *broker.Dropped) {
	w.note(ctx, "dropped", e.ClientID, " ", string(e.Message.Payload), " ", e.Reason)
}

func wantSeen(t *testing.T, w *witness, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := w.take(); !slices.Equal(got, want) {
		t.Errorf("%s has seen\n%s\nwant\n%s", w.id, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestObservers has two hooks watch clients come and go, and what they send.
func TestObservers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, second := &witness{id: "w"}, &witness{id: "second"}
		r := newRoom(t, broker.Config{Hooks: []broker.Hook{w, second}})
		remote := netip.MustParseAddrPort("203.0.113.7:1")
		s := r.connect(t, "s", expiry(100), func(c *broker.Connect) { c.Remote, c.Version = remote, 5 })
		s.subscribe("t", 1)
		p := r.connect(t, "p")
		p.publish("t", "1", 1)
		p.publish("u", "2", 0)
		s.ack(1)
		wantSeen(t, w,
			"established s present=false from=203.0.113.7:1 v=5",
			"subscribed s t [<nil>]",
			"established p present=false from=invalid AddrPort v=0",
			"delivered s 1 q=1 id=1 dup=false",
			"published from=p t 1 matched=true",
			"published from=p u 2 matched=false",
			"completed s id=1 1",
		)
		p.publish("t", "3", 1)
		s.leave(broker.Leave{Reason: errors.New("reset")})
		p.publish("t", "4", 0)
		s2 := r.connect(t, "s", expiry(100))
		s3 := r.connect(t, "s", expiry(100)) // takes over
		if _, _, err := s3.s.Unsubscribe(s3.sc, s3.epoch, []string{"t"}, nil); err != nil {
			t.Fatal(err)
		}
		r.connect(t, "s", clean).leave(broker.Leave{Graceful: true})
		s2.detach() // too late to be told
		wantSeen(t, w,
			"delivered s 3 q=1 id=2 dup=false",
			"published from=p t 3 matched=true",
			"disconnected s graceful=false ended=false reason=reset",
			"dropped s 4 offline",
			"published from=p t 4 matched=true",
			"established s present=true from=invalid AddrPort v=0",
			"delivered s 3 q=1 id=2 dup=true",
			"disconnected s graceful=false ended=false reason="+broker.ErrTakenOver.Error(),
			"established s present=true from=invalid AddrPort v=0",
			"delivered s 3 q=1 id=2 dup=true",
			"unsubscribed s [t]",
			"disconnected s graceful=false ended=true reason="+broker.ErrTakenOver.Error(),
			"established s present=false from=invalid AddrPort v=0",
			"disconnected s graceful=true ended=true reason=<nil>",
		)
		if got := len(second.take()); got != 21 {
			t.Errorf("the second hook has seen %d events, want 21", got)
		}
		p.detach()
	})
}

// TestObserverIsSlow has one hook block: the broker and the other hook go on, its queue keeps to its bounds, and Close waits
// only so long.
func TestObserverIsSlow(t *testing.T) {
	for _, tt := range []struct {
		name          string
		events, bytes int
		size          int // of each message
		told          int // one that it blocks in, and those that wait
	}{
		{"events", 10, 1 << 20, 1, 11},
		{"bytes", 1000, 10_000, 4000, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow, quick := &witness{id: "slow", block: make(chan struct{})}, &witness{id: "quick"}
				r := newRoom(t, broker.Config{Hooks: []broker.Hook{slow, quick}, HookQueueEvents: tt.events, HookQueueBytes: tt.bytes})
				p := r.connect(t, "p")
				synctest.Wait() // it blocks in the first event
				for range 100 {
					if got := p.publish("t", strings.Repeat("x", tt.size), 1).outcome(); got != broker.NoSubscribers {
						t.Fatalf("got result %d, want it published at once", got)
					}
					synctest.Wait()
				}
				p.detach()
				synctest.Wait()
				if got := len(quick.take()); got != 102 {
					t.Errorf("the quick hook has seen %d events, want 102", got)
				}
				if got, want := r.Stats().HookEventsLost, uint64(102-tt.told); got["slow"] != want || got["quick"] != 0 {
					t.Errorf("lost: got %v, want %d by slow", got, want)
				}
				began := time.Now()
				r.Close()
				if took := time.Since(began); took != 2*time.Second {
					t.Errorf("Close took %v on the bubble's clock, want 2s", took)
				}
				if got := len(slow.take()); got != 1 {
					t.Errorf("the slow hook has seen %d events, want the one it was in", got)
				}
				if got := r.Stats().HookEventsLost["slow"]; got != 101 {
					t.Errorf("lost: got %d, want the rest of its queue too", got)
				}
			})
		})
	}
}

// TestObserversAreTold has Close tell what is in the queues.
func TestObserversAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{id: "w", block: make(chan struct{})}
		r := newRoom(t, broker.Config{Hooks: []broker.Hook{w}})
		r.connect(t, "p").detach()
		time.AfterFunc(time.Second, func() { close(w.block) })
		r.Close()
		if got := len(w.take()); got != 2 {
			t.Errorf("it was told %d events, want 2", got)
		}
	})
}

// lines gathers what is logged.
type lines struct {
	mu sync.Mutex
	strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.Write(b)
}

// TestObserverPanics has hooks of both kinds panic. Others are told, and it is told the next.
func TestObserverPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, other := &witness{id: "w", panic: "published"}, &witness{id: "other", panic: "established"}
		log := new(lines)
		r := newRoom(t, broker.Config{Hooks: []broker.Hook{w, other}, Logger: slog.New(slog.NewTextHandler(log, nil))})
		p := r.connect(t, "p")
		for range 5 {
			p.publish("t", "1", 0)
		}
		p.detach()
		wantSeen(t, w, "established p present=false from=invalid AddrPort v=0", "disconnected p graceful=false ended=true reason=<nil>")
		if got := len(other.take()); got != 6 {
			t.Errorf("the other has seen %d events, want 6", got)
		}
		got := r.Stats().HookPanics
		if got["delivery"] != 5 || got["session"] != 1 || len(got) != 6 {
			t.Errorf("panics: got %v, want 5 of delivery and 1 of session", got)
		}
		text := log.String()
		if n := strings.Count(text, "hook_panicked"); n != 4 { // of five the first, second and fourth
			t.Errorf("logged %d times, want 4:\n%s", n, text)
		}
		if strings.Contains(text, "secret") || !strings.Contains(text, "(*witness).note (hooks_test.go:") {
			t.Errorf("got %s, want the place and not the value", text)
		}
	})
}

// door is a ConnectInterceptor that is a function.
type door func(c *broker.Connecting) error

func (door) ID() string { return "door" }

func (f door) OnConnect(c *broker.Connecting) error { return f(c) }

// TestConnectInterceptors refuse clients, of which an older connection stays as it is.
func TestConnectInterceptors(t *testing.T) {
	var asked []broker.Connecting
	mood := error(nil)
	first := door(func(c *broker.Connecting) error {
		asked = append(asked, *c)
		if errors.Is(mood, broker.ErrHookPanicked) {
			panic("hook is broken")
		}
		return mood
	})
	others := 0
	second := door(func(*broker.Connecting) error { others++; return nil })
	r := newRoom(t, broker.Config{Hooks: []broker.Hook{first, second}})
	old := r.connect(t, "a", expiry(100), func(c *broker.Connect) { c.User, c.Protocol, c.Version = "ann", "mqtt", 5 })
	if want := (broker.Connecting{App: broker.DefaultApp, ClientID: "a", User: "ann", Protocol: "mqtt", Version: 5}); len(asked) != 1 || asked[0] != want {
		t.Errorf("asked about %+v, want %+v", asked, want)
	}
	for i, tt := range []struct{ mood, want error }{
		{fmt.Errorf("list: %w", broker.ErrBanned), broker.ErrBanned},
		{errors.New("it is night"), broker.ErrNotAuthorized},
		{broker.ErrHookPanicked, broker.ErrNotAuthorized},
	} {
		mood = tt.mood
		var got []broker.Connected
		r.Connect(old.sc, &broker.Connect{App: r.App(broker.DefaultApp), ClientID: "a", CleanStart: true, Link: old.link}, func(c broker.Connected) {
			got = append(got, c)
		})
		if len(got) != 1 || got[0].Session != nil || !errors.Is(got[0].Err, tt.want) {
			t.Errorf("%v: got %+v, want %v, once", tt.mood, got, tt.want)
		}
		if st := r.Stats(); st.ClientsRejected != uint64(i+1) || st.Connected != 1 || st.Takeovers != 0 {
			t.Errorf("%v: got %d rejected, %d connected, %d takeovers, want %d, 1, 0", tt.mood, st.ClientsRejected, st.Connected, st.Takeovers, i+1)
		}
	}
	if got := r.Stats().HookPanics["session"]; others != 1 || got != 1 {
		t.Errorf("the second one is asked %d times, want once; got %d panics, want 1", others, got)
	}
	mood = nil
	r.connect(t, "a")
	if st := r.Stats(); st.Takeovers != 1 {
		t.Errorf("got %d takeovers when it was let in again, want 1", st.Takeovers)
	}
}

// interceptor is a PublishInterceptor that is a function.
type interceptor func(p *broker.Publication) broker.Interception

func (interceptor) ID() string { return "interceptor" }

func (f interceptor) OnPublish(p *broker.Publication) broker.Interception { return f(p) }

// byTopic does what the Topic Name says.
func byTopic(p *broker.Publication) broker.Interception {
	switch p.TopicName {
	case "reject":
		return broker.Reject
	case "drop":
		return broker.Drop
	case "panic":
		panic("hook is broken")
	case "bad":
		p.TopicName = "a/#"
	case "sys":
		p.TopicName = "$SYS/x"
	case "empty":
		p.TopicName = ""
	case "huge":
		p.Payload = make([]byte, 64<<10+2)
	case "large":
		p.Payload = []byte(strings.Repeat("x", 64<<10))
	case "change":
		p.TopicName, p.Payload, p.Retain = "changed/"+p.From.ClientID, append([]byte("new "), p.Payload...), true
	}
	return broker.Pass
}

// TestInterceptor publishes what is changed, rejected and dropped, at each QoS and in Sessions of both kinds.
func TestInterceptor(t *testing.T) {
	for _, qos := range []broker.QoS{0, 1, 2} {
		for _, life := range []uint32{0, 100} {
			t.Run(fmt.Sprint(qos, life), func(t *testing.T) {
				w := &witness{id: "w"}
				r := newRoom(t, broker.Config{Hooks: []broker.Hook{interceptor(byTopic), w}})
				s, p := r.connect(t, "s"), r.connect(t, "p", expiry(life))
				s.subscribe("#", 0)
				id := broker.PacketID(0)
				publish := func(name string) (broker.Result, []delivery) {
					pub := new(publication)
					if id++; qos == 2 {
						pub.id = id
					}
					p.publishAs(pub, name, "m", qos)
					return pub.outcome(), s.link.take()
				}
				for _, tt := range []struct {
					name    string
					want    broker.Result
					arrives string // Topic Name and payload
				}{
					{"other", broker.Accepted, "other m"},
					{"reject", broker.Rejected, ""},
					{"drop", broker.Accepted, ""},
					{"panic", broker.Rejected, ""},
					{"bad", broker.Rejected, ""},
					{"sys", broker.Rejected, ""},
					{"empty", broker.Rejected, ""},
					{"huge", broker.Rejected, ""},
					{"large", broker.Accepted, "large " + strings.Repeat("x", 64<<10)},
					{"change", broker.Accepted, "changed/p new m"},
				} {
					result, got := publish(tt.name)
					if result != tt.want {
						t.Errorf("%s: got result %d, want %d", tt.name, result, tt.want)
					}
					arrived := ""
					for _, d := range got {
						arrived += d.topic + " " + d.payload
					}
					if arrived != tt.arrives {
						t.Errorf("%s: got %.40q, want %.40q", tt.name, arrived, tt.arrives)
					}
				}
				late := r.connect(t, "late")
				late.subscribe("changed/p", 0)
				if got := late.link.take(); len(got) != 1 || got[0].payload != "new m" {
					t.Errorf("retained: got %v, want what the hook has made of it", got)
				}
				st := r.Stats()
				if st.Rejected != 6 || st.Discarded != 1 || st.HookPanics["publish"] != 1 || st.Refused != 0 {
					t.Errorf("got %d rejected, %d dropped, %v, %d refused, want 6, 1, 1 of publish, 0", st.Rejected, st.Discarded, st.HookPanics, st.Refused)
				}
			})
		}
	}
}

// TestInterceptorAndRepetition repeats QoS 2 messages. One that was rejected is new; one that was dropped was accepted.
func TestInterceptorAndRepetition(t *testing.T) {
	asked := 0
	r := newRoom(t, broker.Config{Hooks: []broker.Hook{interceptor(func(p *broker.Publication) broker.Interception {
		if asked++; asked == 1 {
			return broker.Reject
		}
		return byTopic(p)
	})}})
	p := r.connect(t, "p", expiry(100))
	again := func(name string, want broker.Result, wantAsked int) {
		t.Helper()
		pub := &publication{id: 1, dup: true}
		p.publishAs(pub, name, "m", 2)
		if got := pub.outcome(); got != want || asked != wantAsked {
			t.Errorf("got result %d, asked %d times, want %d, %d", got, asked, want, wantAsked)
		}
	}
	again("drop", broker.Rejected, 1)
	again("drop", broker.Accepted, 2)
	again("drop", broker.Repeated, 2)
	if got := p.s.Release(p.epoch, 1, nil); got == broker.NoSubscribers {
		t.Errorf("Release: got result %d, want the receipt to be there", got)
	}
	again("t", broker.NoSubscribers, 3)
}

// TestInterceptedWill sees who has left a Will, and leaves the Will itself as it was.
func TestInterceptedWill(t *testing.T) {
	var from []broker.ConnectionID
	r := newRoom(t, broker.Config{Hooks: []broker.Hook{interceptor(func(p *broker.Publication) broker.Interception {
		from = append(from, p.From)
		p.Payload = []byte("changed")
		return broker.Pass
	})}})
	s := r.connect(t, "s")
	s.subscribe("w", 0)
	gone := &broker.Message{TopicName: "w", Payload: []byte("gone")}
	r.connect(t, "p", will(broker.Will{Message: gone})).detach()
	m := &broker.Message{TopicName: "w", Payload: []byte("of the server")}
	r.Publish(r.NewScratch(nil), &broker.Publish{App: r.app, Message: m})
	if got := s.link.take(); len(got) != 2 || got[0].payload != "changed" || got[1].payload != "changed" {
		t.Errorf("got %v, want two changed messages", got)
	}
	want := []broker.ConnectionID{{App: broker.DefaultApp, ClientID: "p"}, {App: broker.DefaultApp}}
	if !slices.Equal(from, want) {
		t.Errorf("from: got %v, want %v", from, want)
	}
	if string(gone.Payload) != "gone" || string(m.Payload) != "of the server" {
		t.Errorf("got %q and %q, want the caller's messages unchanged", gone.Payload, m.Payload)
	}
}

// broken panics whatever it is asked.
type broken struct{}

func (broken) OnConnectAuthenticate(context.Context, *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	panic("hook is broken")
}
func (broken) Method() string                               { return "broken" }
func (broken) Begin(*broker.ConnectRequest) broker.Exchange { panic("hook is broken") }
func (broken) Check(*broker.Access) broker.Decision         { panic("hook is broken") }
func (broken) OnACLCheck(a *broker.Access) broker.Decision  { panic("hook is broken") }
func (broken) Step(context.Context, []byte) (answer []byte, d broker.Decision, id *broker.Identity, err error) {
	panic("hook is broken")
}

// TestDecidingHooksPanic has all that decide panic, which denies.
func TestDecidingHooksPanic(t *testing.T) {
	r := newRoom(t, broker.Config{})
	ctx, b := t.Context(), broken{}
	if d, id, err := r.Authenticate(ctx, b, &broker.ConnectRequest{}); d != broker.Deny || id != nil || !errors.Is(err, broker.ErrHookPanicked) {
		t.Errorf("Authenticate: got %d, %v, %v, want Deny", d, id, err)
	}
	if x := r.BeginExchange(b, &broker.ConnectRequest{}); x != nil {
		t.Errorf("BeginExchange: got %v, want nil", x)
	}
	if answer, d, id, err := r.StepExchange(ctx, b, nil); answer != nil || d != broker.Deny || id != nil || !errors.Is(err, broker.ErrHookPanicked) {
		t.Errorf("StepExchange: got %q, %d, %v, %v, want Deny", answer, d, id, err)
	}
	if d := r.Authorize(b, nil, &broker.Access{}); d != broker.Deny {
		t.Errorf("Permissions: got %d, want Deny", d)
	}
	if d := r.Authorize(nil, b, &broker.Access{}); d != broker.Deny {
		t.Errorf("Authorizer: got %d, want Deny", d)
	}
	if d := r.Authorize(nil, nil, &broker.Access{}); d != broker.Ignore {
		t.Errorf("nobody: got %d, want Ignore", d)
	}
	if got := r.Stats().HookPanics; got["authenticate"] != 3 || got["authorize"] != 2 {
		t.Errorf("panics: got %v, want 3 and 2", got)
	}
}

// misnamed implements no interface.
type misnamed struct{}

func (misnamed) ID() string       { return "misnamed" }
func (misnamed) OnPublish(string) {}

// TestHookDoesNothing has a hook be reported whose method has other parameters.
func TestHookDoesNothing(t *testing.T) {
	log := new(lines)
	newRoom(t, broker.Config{Hooks: []broker.Hook{misnamed{}}, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if got := log.String(); !strings.Contains(got, "hook_does_nothing") || !strings.Contains(got, "hook=misnamed") {
		t.Errorf("got %q, want it to be named", got)
	}
}

// TestUnobservedCostsNothing delivers with hooks that do not care, without an allocation.
func TestUnobservedCostsNothing(t *testing.T) {
	hook := interceptor(func(*broker.Publication) broker.Interception { return broker.Pass })
	r := newRoom(t, broker.Config{Hooks: []broker.Hook{hook}})
	s, sc := r.connect(t, "s"), r.NewScratch(nil)
	s.subscribeTo(broker.Subscribe{TopicFilter: "t", Options: topic.NewOptions(0, false, false, 0)})
	s.link.verdict = func(*broker.Delivery) broker.Verdict { return broker.Full }
	p := &broker.Publish{App: r.app, Message: new(broker.Message)}
	if got := testing.AllocsPerRun(100, func() {
		*p.Message = broker.Message{TopicName: "t", Payload: []byte("m")}
		p.Message.Borrow()
		r.Publish(sc, p)
	}); got > 1 { // the payload
		t.Errorf("got %v allocations, want that of the test", got)
	}
}

// resumptions observes which connections go on with the last one.
type resumptions struct {
	mu   sync.Mutex
	seen []bool
}

func (*resumptions) ID() string { return "resumptions" }

func (h *resumptions) OnSessionEstablished(_ context.Context, e *broker.SessionEstablished) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, e.Resumed)
}

// TestResumed: a client that says it goes on with its last connection is believed for FlashTimeout, if its Session does go on, also when
// that is not in RAM any more.
func TestResumed(t *testing.T) {
	const flash = 30 * time.Second
	for _, tt := range []struct {
		name    string
		rebinds bool
		expiry  uint32
		cfg     broker.Config
		between func(c *client)
		want    bool
	}{
		{"at once", true, 1000, broker.Config{}, func(c *client) { c.detach() }, true},
		{"at the last moment", true, 1000, broker.Config{}, func(c *client) { c.detach(); advance(flash) }, true},
		{"too late", true, 1000, broker.Config{}, func(c *client) { c.detach(); advance(flash + time.Second) }, false},
		{"still connected", true, 1000, broker.Config{}, func(*client) { advance(time.Hour) }, true},
		{"from the Store", true, 1000, broker.Config{FlashBytes: 1}, func(c *client) { c.detach(); advance(time.Second) }, true},
		{"from the Store, too late", true, 1000, broker.Config{FlashBytes: 1}, func(c *client) { c.detach(); advance(flash + time.Second) }, false},
		{"no flash", true, 1000, broker.Config{FlashTimeout: -1}, func(c *client) { c.detach(); advance(time.Second) }, false},
		{"without saying so", false, 1000, broker.Config{}, func(c *client) { c.detach() }, false},
		{"takes over without saying so", false, 1000, broker.Config{}, func(*client) {}, false},
		{"Session has ended", true, 0, broker.Config{}, func(c *client) { c.detach() }, false},
		{"Session ends", true, 0, broker.Config{}, func(*client) {}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(resumptions)
				tt.cfg.Hooks = []broker.Hook{h}
				r := newRoom(t, tt.cfg)
				rebind := func(c *broker.Connect) { c.Rebind = tt.rebinds }
				tt.between(r.connect(t, "c", expiry(tt.expiry), rebind))
				r.connect(t, "c", expiry(tt.expiry), rebind)
				synctest.Wait()
				if want := []bool{false, tt.want}; !slices.Equal(h.seen, want) {
					t.Errorf("got resumed %v, want %v", h.seen, want)
				}
			})
		})
	}
}
