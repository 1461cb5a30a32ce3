package ximp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// gatekeeper is a RoomAdmitter and RoomQuitObserver for tests. It notes what it is told, as +USER ROOM and -USER ROOM.
type gatekeeper struct {
	join func(ctx context.Context, e *RoomEntry) (RoomAnswer, error) // nil admits
	quit func(ctx context.Context, e *RoomEntry) error

	mu   sync.Mutex
	told []string
}

func (p *gatekeeper) note(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, s)
}

func (p *gatekeeper) OnRoomJoin(ctx context.Context, e *RoomEntry) (RoomAnswer, error) {
	p.note("+" + e.User + " " + e.Room)
	if p.join == nil {
		return RoomAnswer{}, nil
	}
	return p.join(ctx, e)
}

func (p *gatekeeper) OnRoomQuit(ctx context.Context, e *RoomEntry) error {
	p.note("-" + e.User + " " + e.Room)
	if p.quit == nil {
		return nil
	}
	return p.quit(ctx, e)
}

// want compares what the product has been told, and forgets it.
func (p *gatekeeper) want(t *testing.T, when string, want ...string) {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.told, want) {
		t.Errorf("%s: the product was told %q, want %q", when, p.told, want)
	}
	p.told = nil
}

func withGatekeeper(p *gatekeeper) setup {
	return setup{ximp: Config{RoomAdmitter: p, RoomQuitObserver: p}}
}

// TestRoomAdmitter: what the product says is in the answer, and decides.
func TestRoomAdmitter(t *testing.T) {
	const late = "late"
	for _, tt := range []struct {
		name   string
		join   func(ctx context.Context, e *RoomEntry) (RoomAnswer, error)
		result int32
		reason string
		data   string
		quits  bool // the product is told that the user has left
		count  func(Stats) uint64
	}{
		{"admits", func(_ context.Context, e *RoomEntry) (RoomAnswer, error) {
			return RoomAnswer{Reason: "welcome", PartnerData: fmt.Appendf(nil, "%s %s %t %s", e.User, e.Arguments[0].Value, e.Audience, e.UserData)}, nil
		}, 0, "welcome", "alice 42 true me", false, func(s Stats) uint64 { return s.JoinsAdmitted }},
		{"refuses", func(context.Context, *RoomEntry) (RoomAnswer, error) {
			return RoomAnswer{Result: 1007, Reason: "the room is closed", PartnerData: []byte("x")}, nil
		}, 1007, "the room is closed", "", false, func(s Stats) uint64 { return s.JoinsRefused }},
		{"fails", func(context.Context, *RoomEntry) (RoomAnswer, error) { return RoomAnswer{}, errors.New("down") },
			resultDenied, "try again later", "", false, func(s Stats) uint64 { return s.JoinsFailed }},
		{"panics", func(context.Context, *RoomEntry) (RoomAnswer, error) { panic("secret") },
			resultDenied, "try again later", "", false, func(s Stats) uint64 { return s.JoinsFailed }},
		{"says too much", func(context.Context, *RoomEntry) (RoomAnswer, error) {
			return RoomAnswer{PartnerData: make([]byte, maxPartnerData+1)}, nil
		}, resultDenied, "the answer is too long", "", true, func(s Stats) uint64 { return s.JoinsRefused }},
		{late, func(ctx context.Context, _ *RoomEntry) (RoomAnswer, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // it does not look at its context
			return RoomAnswer{}, nil
		}, resultDenied, "try again later", "", true, func(s Stats) uint64 { return s.JoinsFailed }},
		{"waits", func(ctx context.Context, _ *RoomEntry) (RoomAnswer, error) {
			<-ctx.Done()
			return RoomAnswer{}, ctx.Err()
		}, resultDenied, "try again later", "", true, func(s Stats) uint64 { return s.JoinsFailed }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &gatekeeper{join: tt.join}
			inBubble(t, withGatekeeper(p), func(s *testServer) {
				c := s.connect("alice").login("d")
				up := joinOf("r")
				up.Join.Room = &packet.Room{RoomID: []byte("r"), Properties: []packet.RoomPair{{Key: []byte("level"), Value: []byte("42")}}}
				up.Join.UserData = []byte("me")
				began := time.Now()
				d := c.room("r", up)
				if took := time.Since(began); took >= time.Second {
					t.Errorf("the answer took %v, want less than 1 s", took)
				}
				room := d.Join.Room
				if d.Result != tt.result || string(d.Reason) != tt.reason || string(room.PartnerData) != tt.data || string(room.RoomID) != "r" {
					t.Errorf("got result %d, reason %q, partnerdata %q, want %d, %q, %q", d.Result, d.Reason, room.PartnerData, tt.result, tt.reason, tt.data)
				}
				s.publish("group/r", "hello", 0)
				if tt.result == 0 {
					c.talk()
				} else {
					c.quiet()
				}
				if got := tt.count(s.ximp.Stats()); got != 1 {
					t.Errorf("the outcome is counted %d times, want once", got)
				}
				if got, want := s.broker.Stats().HookPanics["front"], uint64(strings.Count(tt.name, "panics")); got != want {
					t.Errorf("got %d panics, want %d", got, want)
				}
				time.Sleep(time.Minute)
				want := []string{"+alice r"}
				if tt.quits {
					want = append(want, "-alice r")
				}
				p.want(t, tt.name, want...)
			})
		})
	}
}

// TestRoomQuitObserver: a user has left when the last connection has, however that came.
func TestRoomQuitObserver(t *testing.T) {
	p := new(gatekeeper)
	inBubble(t, withGatekeeper(p), func(s *testServer) {
		one, two := s.connect("alice").login("1"), s.connect("alice").login("2")
		for _, c := range []*client{one, two, two} {
			c.room("r", joinOf("r"))
		}
		p.want(t, "three joins", "+alice r", "+alice r", "+alice r")
		one.room("r", quitOf("r"))
		p.want(t, "the first quits")
		two.room("r", quitOf("r"))
		two.room("r", quitOf("r"))
		p.want(t, "the second quits, twice", "-alice r")
		two.room("r", joinOf("r"))
		two.room("q", joinOf("q"))
		p.want(t, "joins", "+alice r", "+alice q")
		two.close()
		synctest.Wait()
		p.mu.Lock()
		slices.Sort(p.told)
		p.mu.Unlock()
		p.want(t, "is lost", "-alice q", "-alice r")
		one.room("r", joinOf("r"))
		one = s.connect("alice").login("1") // takes over
		p.want(t, "was taken over", "+alice r", "-alice r")
		one.room("r", joinOf("r"))
		one.request(packet.IDLogout, packet.Request{Logout: &packet.LogoutRequest{}})
		p.want(t, "logs out", "+alice r", "-alice r")
		three := s.connect("alice").login("3")
		three.room("r", joinOf("r"))
		p.want(t, "joins", "+alice r")
		s.shutdown()
		p.want(t, "the node ends", "-alice r")
		if st := s.ximp.Stats(); st.QuitsTold != 6 || st.QuitsLost != 0 || len(s.ximp.desk.users) != 0 {
			t.Errorf("got %d quits told, %d lost, and %d users are remembered, want 6, 0 and none", st.QuitsTold, st.QuitsLost, len(s.ximp.desk.users))
		}
	})
}

// TestRoomQuitsAlone: quits are told though nobody decides about joins.
func TestRoomQuitsAlone(t *testing.T) {
	p := new(gatekeeper)
	inBubble(t, setup{ximp: Config{RoomQuitObserver: p}}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.room("r", joinOf("r"))
		c.room("r", joinOf("r"))
		c.room("r", quitOf("r"))
		p.want(t, "quit", "-alice r")
	})
}

// TestRoomQuitCalledOff: one who is back before the product was told has not left.
func TestRoomQuitCalledOff(t *testing.T) {
	free := make(chan struct{})
	p := &gatekeeper{quit: func(context.Context, *RoomEntry) error { <-free; return errors.New("down") }}
	cfg := withGatekeeper(p)
	cfg.ximp.RoomWorkers = 1
	inBubble(t, cfg, func(s *testServer) {
		free = make(chan struct{})
		alice, bob := s.connect("alice").login("d"), s.connect("bob").login("d")
		alice.room("r", joinOf("r"))
		bob.room("r", joinOf("r"))
		alice.room("r", quitOf("r")) // the hook is busy with that
		synctest.Wait()
		bob.room("r", quitOf("r"))
		sn := bob.sendRoom("r", joinOf("r"))
		synctest.Wait()
		close(free)
		if m := bob.next(); m == nil || m.SN != sn {
			t.Fatalf("got %s, want the answer to the second join", show(m))
		}
		p.want(t, "bob is back", "+alice r", "+bob r", "-alice r", "+bob r")
		if got := s.ximp.Stats().QuitsFailed; got != 1 {
			t.Errorf("QuitsFailed: got %d, want 1", got)
		}
	})
}

// TestRoomQuitWhileJoining: a client that quits is not in, whatever the product says then, which is told.
func TestRoomQuitWhileJoining(t *testing.T) {
	var free chan struct{}
	p := &gatekeeper{join: func(context.Context, *RoomEntry) (RoomAnswer, error) { <-free; return RoomAnswer{}, nil }}
	inBubble(t, withGatekeeper(p), func(s *testServer) {
		free = make(chan struct{})
		c := s.connect("alice").login("d")
		sn := c.sendRoom("r", joinOf("r"))
		synctest.Wait()
		quit := c.sendRoom("r", quitOf("r"))
		for _, want := range []struct {
			sn     uint64
			result int32
		}{{sn, resultFull}, {quit, 0}} {
			m := c.next()
			var got packet.RoomPacket
			if m == nil || m.SN != want.sn || packet.Decode(m.Response.Service.Response, &got) != nil || got.Down.Result != want.result {
				t.Fatalf("got %s with %+v, want the answer to %d with result %d", show(m), got.Down, want.sn, want.result)
			}
		}
		p.want(t, "quit", "+alice r")
		close(free)
		p.want(t, "answered", "-alice r")
		s.publish("group/r", "x", 0)
		c.quiet()
	})
}

// TestRoomJoinBounds: joins that there is no room for are refused at once, and loops go on.
func TestRoomJoinBounds(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		most int
	}{
		{"all that wait", Config{MaxRoomJoins: 3, RoomWorkers: 1}, 4}, // one is being asked about
		{"of a connection", Config{RoomWorkers: 1}, maxJoining},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &gatekeeper{join: func(ctx context.Context, _ *RoomEntry) (RoomAnswer, error) {
				<-ctx.Done()
				return RoomAnswer{}, ctx.Err()
			}}
			tt.cfg.RoomAdmitter = p
			inBubble(t, setup{ximp: tt.cfg}, func(s *testServer) {
				c := s.connect("alice").login("d")
				for i := range tt.most {
					c.sendRoom(fmt.Sprint(i), joinOf(fmt.Sprint(i)))
					synctest.Wait()
				}
				c.quiet()
				if d := c.room("more", joinOf("more")); d.Result != resultDenied {
					t.Errorf("one too many: got result %d, want %d", d.Result, resultDenied)
				}
				time.Sleep(s.ximp.cfg.RoomTimeout) // the others are answered, though most have not been asked about
				for range tt.most {
					if m := c.next(); m == nil || m.Response == nil || m.Response.Service == nil {
						t.Fatalf("got %s, want an answer", show(m))
					}
				}
				if st := s.ximp.Stats(); st.JoinsOverflow != 1 || st.JoinsFailed != uint64(tt.most) {
					t.Errorf("got %d of too many and %d that failed, want 1 and %d", st.JoinsOverflow, st.JoinsFailed, tt.most)
				}
			})
		})
	}
}

// TestRoomJoinAndQuit: a client that quits rooms about which nobody could be asked yet does not get more than its part of what may
// wait, and the product is not asked about those any more.
func TestRoomJoinAndQuit(t *testing.T) {
	var free chan struct{}
	p := &gatekeeper{join: func(context.Context, *RoomEntry) (RoomAnswer, error) { <-free; return RoomAnswer{}, nil }}
	cfg := withGatekeeper(p)
	cfg.ximp.RoomWorkers, cfg.ximp.MaxRoomJoins = 1, 2*maxJoining
	inBubble(t, cfg, func(s *testServer) {
		free = make(chan struct{})
		alice, bob, carol := s.connect("alice").login("d"), s.connect("bob").login("d"), s.connect("carol").login("d")
		bob.sendRoom("r", joinOf("r")) // the hook is busy with that
		synctest.Wait()
		for i := range 3 * maxJoining {
			room := fmt.Sprint(i)
			alice.sendRoom(room, joinOf(room))
			alice.sendRoom(room, quitOf(room))
			alice.next()
			alice.next()
		}
		if got := s.ximp.Stats().JoinsOverflow; got != 2*maxJoining {
			t.Errorf("JoinsOverflow: got %d, want %d", got, 2*maxJoining)
		}
		dave := s.connect("dave").login("d")
		dave.sendRoom("r", joinOf("r"))
		synctest.Wait()
		dave.close()
		carol.sendRoom("r", joinOf("r"))
		synctest.Wait()
		close(free)
		carol.next()
		p.want(t, "the hook goes on", "+bob r", "+carol r")
		if d := alice.room("again", joinOf("again")); d.Result != 0 {
			t.Errorf("later: got result %d, want 0", d.Result)
		}
	})
}

// TestRoomJoinSize: what waits for the product's answer is not large.
func TestRoomJoinSize(t *testing.T) {
	p := new(gatekeeper)
	inBubble(t, withGatekeeper(p), func(s *testServer) {
		c := s.connect("alice").login("d")
		large := joinOf("r")
		large.Join.UserData = make([]byte, maxJoinSize+1)
		many := joinOf("r")
		many.Join.Room = &packet.Room{RoomID: []byte("r"), Properties: make([]packet.RoomPair, 300)}
		for _, up := range []*packet.RoomUp{large, many} {
			if d := c.room("r", up); d.Result != resultDenied {
				t.Errorf("got result %d, want %d", d.Result, resultDenied)
			}
		}
		p.want(t, "too much is given")
		fits := joinOf("r")
		fits.Join.UserData = make([]byte, maxJoinSize)
		if d := c.room("r", fits); d.Result != 0 {
			t.Errorf("as much as there may be: got result %d, want 0", d.Result)
		}
	})
}

// TestRoomQuitBound: quits that there is no room for are counted.
func TestRoomQuitBound(t *testing.T) {
	p := &gatekeeper{quit: func(ctx context.Context, _ *RoomEntry) error { <-ctx.Done(); return nil }}
	cfg := withGatekeeper(p)
	cfg.ximp.RoomWorkers, cfg.ximp.MaxRoomQuits = 1, 2
	inBubble(t, cfg, func(s *testServer) {
		c := s.connect("alice").login("d")
		for i := range 5 {
			c.room(fmt.Sprint(i), joinOf(fmt.Sprint(i)))
		}
		for i := range 5 {
			c.room(fmt.Sprint(i), quitOf(fmt.Sprint(i)))
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		if st := s.ximp.Stats(); st.QuitsTold != 3 || st.QuitsLost != 2 {
			t.Errorf("got %d told and %d lost, want 3 and 2", st.QuitsTold, st.QuitsLost)
		}
	})
}

// TestRoomSubscribeNeedsMembership: where the product decides, nobody listens who was not let in.
func TestRoomSubscribeNeedsMembership(t *testing.T) {
	inBubble(t, withGatekeeper(new(gatekeeper)), func(s *testServer) {
		c := s.connect("alice").login("d")
		if d := c.room("r", subscribeOf("r", true)); d.Result != resultDenied {
			t.Errorf("not a member: got result %d, want %d", d.Result, resultDenied)
		}
		c.room("r", joinOf("r"))
		if d := c.room("r", subscribeOf("r", true)); d.Result != 0 {
			t.Errorf("a member: got result %d, want 0", d.Result)
		}
	})
}

// TestRoomHookOrder: whatever clients do at once, the product knows at last who is in.
func TestRoomHookOrder(t *testing.T) {
	p := &gatekeeper{join: func(_ context.Context, e *RoomEntry) (RoomAnswer, error) {
		if len(e.ClientID)%2 == 0 {
			time.Sleep(time.Millisecond)
		}
		return RoomAnswer{}, nil
	}}
	s := newServer(t, withGatekeeper(p))
	var wg sync.WaitGroup
	for i := range 8 {
		c := s.connect(fmt.Sprint("user", i%3)).login(fmt.Sprint("d", i))
		wg.Go(func() {
			for range 40 {
				c.sendRoom("r", joinOf("r"))
				if i%2 == 1 { // the others do not wait for their answers
					c.next()
				}
				c.sendRoom("r", quitOf("r"))
				if i%2 == 1 {
					c.next()
				}
			}
			c.close()
		})
	}
	wg.Wait()
	s.shutdown()
	in := make(map[string]bool)
	for _, told := range p.told {
		in[told[1:]] = told[0] == '+'
	}
	for who, is := range in {
		if is {
			t.Errorf("the product thinks that %s is in", who)
		}
	}
	if len(s.ximp.desk.users) != 0 || len(in) != 3 {
		t.Errorf("%d users are remembered, the product knows %d, want none and 3", len(s.ximp.desk.users), len(in))
	}
}
