package miop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

const alice = "u:alice@7"

// A message that is published to the inbox of a user reaches the user, and what is not acknowledged comes again.
func TestInbox(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		s := newServer(t, setup{loop: loop})
		c := bound(s, alice)
		s.publish("miop-7", "inbox/m:alice", "one", 1)
		s.publish("miop-7", "inbox/m:alice", "two", 1)
		c.expect("Msg ack:1 [7 one]")
		two := c.id("Msg ack:2 [7 two]")
		c.ack(1)
		c.quiet()
		c.close()
		s.publish("miop-7", "inbox/m:alice", "three", 1)
		c = bound(s, alice)
		if again := c.id("Msg ack:1 [7 two]"); again != two {
			t.Errorf("the message id of a repetition: got %d, want %d", again, two)
		}
		three := c.id("Msg ack:2 [7 three]")
		if three <= two {
			t.Errorf("message ids: got %d after %d, want them to grow", three, two)
		}
		c.ack(2)
		c.ack(1)
		c.quiet()
		c.close()
		c = bound(s, alice)
		c.quiet()
	})
}

// TestBindAfterBind: a connection cannot make Sessions without end: how many connections come has limits.
func TestBindAfterBind(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, s *testServer) {
		c := newClient(s)
		for i := range maxTried {
			c.do(5, packet.Bind, []string{fmt.Sprintf("u:user%d@7", i)}, "BindAck id:7 r:0")
		}
		c.do(5, packet.Bind, []string{"u:another@7"}, "EOF")
		if got := s.miop.Stats().Malformed["binds"]; got != 1 {
			t.Errorf("got %d closed for that, want 1", got)
		}
		if s.broker.App("miop-7").Connected("m:another") {
			t.Error("it has a Session all the same")
		}
	})
}

func TestBindIdentity(t *testing.T) {
	for _, tt := range []struct {
		name          string
		profile       Profile
		listener      *login.Listener
		u             string
		app, clientID string
	}{
		{"nothing is configured", Profile{}, nil, "alice@7", "miop-7", "m:alice"},
		{"listener", Profile{}, &login.Listener{App: "default"}, "alice@7", "default", "m:alice"},
		{"profile wins", Profile{App: "live"}, &login.Listener{App: "default"}, "alice@7", "live", "m:alice"},
		{"negative number", Profile{}, nil, "-1234567@900000002", "miop-900000002", "m:-1234567"},
		{"everything else is escaped", Profile{}, nil, "a b/c+#%:@é_.-Z9@7", "miop-7", "m:a%20b%2Fc%2B%23%25%3A%40%C3%A9_.-Z9"},
		{"no user", Profile{}, nil, "@7", "miop-7", "m:"},
		{"leading zeros", Profile{}, nil, "alice@007", "miop-7", "m:alice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{miop: Config{Profile: tt.profile}, from: tt.listener}, func(t *testing.T, s *testServer) {
				bound(s, "u:"+tt.u)
				if !s.broker.App(tt.app).Connected(tt.clientID) {
					t.Errorf("%s of App %s is not connected", tt.clientID, tt.app)
				}
			})
		})
	}
}

func TestBindAnswers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version packet.Version
		props   []string
		want    []string
	}{
		{"version 5", 5, []string{alice}, []string{"BindAck id:7 r:0"}},
		{"version 6", 6, []string{alice, "sign:0011", "authtype:3"}, []string{"BindAck id:7 r:0"}},
		{"what is not known is ignored", 5, []string{"c:1", alice, "x:y", "no colon"}, []string{"BindAck id:7 r:0"}},
		{"no user", 5, []string{"t:300"}, []string{"BindAck id:0 r:1", "EOF"}},
		{"no appid", 5, []string{"u:alice"}, []string{"BindAck id:0 r:1", "EOF"}},
		{"appid 0", 5, []string{"u:alice@0"}, []string{"BindAck id:0 r:1", "EOF"}},
		{"longest user", 5, []string{"u:" + strings.Repeat("a", maxUser) + "@7"}, []string{"BindAck id:7 r:0"}},
		{"user too long", 5, []string{"u:" + strings.Repeat("a", maxUser+1) + "@7"}, []string{"BindAck id:0 r:1", "EOF"}},
		{"legacy", 3, []string{alice}, []string{"EOF"}},
		{"legacy secret", 2, []string{"n:1"}, []string{"EOF"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{}, func(t *testing.T, s *testServer) {
				newClient(s).do(tt.version, packet.Bind, tt.props, tt.want...)
			})
		})
	}
}

func TestRebind(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, s *testServer) {
		c := bound(s, alice)
		s.publish("miop-7", "inbox/m:alice", "one", 1)
		c.expect("Msg ack:1 [7 one]")
		c.close()
		c = newClient(s)
		c.do(5, packet.Rebind, []string{alice}, "RebindAck id:7 r:0", "Msg ack:1 [7 one]")
	})
}

// established observes connections.
type established chan *broker.SessionEstablished

func (established) ID() string { return "established" }

func (e established) OnSessionEstablished(_ context.Context, s *broker.SessionEstablished) { e <- s }

// Hooks can tell a Rebind soon after the loss of a connection from a client that has been away.
func TestRebindIsNoNewPresence(t *testing.T) {
	for _, tt := range []struct {
		op   packet.Opcode
		away time.Duration
		want bool
	}{
		{packet.Rebind, 0, true},
		{packet.Rebind, time.Hour, false},
		{packet.Bind, 0, false},
	} {
		h := make(established, 2)
		inBubble(t, setup{broker: broker.Config{Hooks: []broker.Hook{h}}}, func(t *testing.T, s *testServer) {
			bound(s, alice).close()
			time.Sleep(tt.away)
			synctest.Wait()
			newClient(s).do(5, tt.op, []string{alice}, tt.op.String()+"Ack id:7 r:0")
			if first, second := <-h, <-h; first.Resumed || second.Resumed != tt.want || !second.Present {
				t.Errorf("%v after %v: got %+v and %+v, want the second one resumed: %t", tt.op, tt.away, first, second, tt.want)
			}
		})
	}
}

// Each bind is a Session of its own, and one number counts the messages of all.
func TestSeveralBinds(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, s *testServer) {
		c := bound(s, alice)
		c.do(5, packet.Bind, []string{"u:bob@8"}, "BindAck id:8 r:0")
		c.do(6, packet.Bind, []string{"u:alice@9"}, "BindAck id:9 r:0")
		s.publish("miop-8", "inbox/m:bob", "to bob", 1)
		c.expect("Msg ack:1 [8 to bob]")
		s.publish("miop-7", "inbox/m:alice", "to alice", 1)
		c.expect("Msg ack:2 [7 to alice]")
		s.publish("miop-9", "inbox/m:alice", "another alice", 1)
		c.expect("Msg ack:3 [9 another alice]")
		c.ack(2)
		c.do(5, packet.Unbind, []string{"u:bob@8"}, "UnbindAck id:8 r:0")
		if s.broker.App("miop-8").Connected("m:bob") || !s.broker.App("miop-7").Connected("m:alice") {
			t.Error("bob is connected or alice is not, want the other way round")
		}
		c.do(5, packet.Unbind, []string{"u:bob@8"}, "UnbindAck id:8 r:1")
		c.do(5, packet.Unbind, []string{"u:bob@7"}, "UnbindAck id:7 r:1")
		c.do(5, packet.Unbind, []string{"u:nobody"}, "UnbindAck id:0 r:1")
		c.do(5, packet.Unbind, nil, "UnbindAck id:7 r:0", "UnbindAck id:9 r:0")
		c.do(5, packet.Unbind, nil)
		c.quiet()
	})
}

func TestBindsAreBounded(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, s *testServer) {
		c := newClient(s)
		for i := range maxBinds {
			c.do(5, packet.Bind, []string{fmt.Sprintf("u:alice@%d", i+1)}, fmt.Sprintf("BindAck id:%d r:0", i+1))
		}
		c.do(5, packet.Bind, []string{"u:bob@1"}, "BindAck id:1 r:0") // takes a place that there is
		c.do(5, packet.Bind, []string{"u:alice@17"}, "BindAck id:17 r:3", "EOF")
	})
}

// A second bind of an appid, or of the same Session, takes the place of the first and leaves the connection alone.
func TestBindReplaces(t *testing.T) {
	inBubble(t, setup{from: &login.Listener{App: "default"}}, func(t *testing.T, s *testServer) {
		c := bound(s, alice)
		s.publish("default", "inbox/m:alice", "one", 1)
		c.expect("Msg ack:1 [7 one]")
		c.do(5, packet.Bind, []string{alice}, "BindAck id:7 r:0", "Msg ack:2 [7 one]")
		c.do(5, packet.Bind, []string{"u:alice@8"}, "BindAck id:8 r:0", "Msg ack:3 [8 one]")
		c.ack(1) // of a bind that is no more
		c.do(5, packet.Bind, []string{"u:bob@8"}, "BindAck id:8 r:0")
		c.quiet()
		app := s.broker.App("default")
		if app.Connected("m:alice") || !app.Connected("m:bob") {
			t.Error("alice is connected or bob is not, want the other way round")
		}
		c.do(5, packet.Bind, []string{alice}, "BindAck id:7 r:0", "Msg ack:4 [7 one]")
		c.ack(4)
		c.quiet()
		bound(s, alice).quiet()
	})
}

func TestBeside(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, s *testServer) {
		first := bound(s, alice, "k:0") // nobody is there
		second := bound(s, alice, "k:0")
		s.publish("miop-7", "inbox/m:alice", "one", 1)
		first.expect("Msg ack:1 [7 one]")
		second.quiet()
		first.quiet()
		third := bound(s, alice)
		first.expect("EOF")
		third.expect("Msg ack:1 [7 one]")
		second.quiet()
	})
}

// What comes for a transient bind while it is away is not kept, except for its inbox.
func TestTransient(t *testing.T) {
	inBubble(t, setup{broker: autoSubscribe("room/7", 1)}, func(t *testing.T, s *testServer) {
		for _, tt := range []struct {
			u    []string
			want []string
		}{
			{[]string{alice}, []string{"Msg ack:1 [7 news]"}},
			{[]string{"u:bob@7", "d:0"}, nil},
		} {
			bound(s, tt.u...).close()
			s.publish("miop-7", "room/7", "news", 1)
			c := bound(s, tt.u...)
			c.expect(tt.want...)
			c.quiet()
		}
	})
}

// Unbind ends the Session.
func TestUnbindEndsSession(t *testing.T) {
	inBubble(t, setup{broker: autoSubscribe("room/7", 1)}, func(t *testing.T, s *testServer) {
		c := bound(s, alice)
		s.publish("miop-7", "room/7", "before", 1)
		c.expect("Msg ack:1 [7 before]")
		c.do(5, packet.Unbind, []string{alice}, "UnbindAck id:7 r:0")
		s.publish("miop-7", "room/7", "after", 1)
		c.do(5, packet.Bind, []string{alice}, "BindAck id:7 r:0")
		c.quiet()
	})
}

// banning is a hook that keeps a Client Identifier away once it is told to.
type banning struct {
	clientID string
	on       bool
}

func (*banning) ID() string { return "banning" }

func (b *banning) OnConnect(c *broker.Connecting) error {
	if b.on && c.ClientID == b.clientID {
		return broker.ErrBanned
	}
	return nil
}

// A user who is banned gets no Session beside the one that is connected still: nobody would know its Client Identifier to kick it.
func TestBannedBeside(t *testing.T) {
	ban := &banning{clientID: "m:alice"}
	inBubble(t, setup{broker: broker.Config{Hooks: []broker.Hook{ban}}}, func(_ *testing.T, s *testServer) {
		first := bound(s, alice, "k:0")
		ban.on = true
		newClient(s).do(5, packet.Bind, []string{alice, "k:0"}, "BindAck id:7 r:3", "EOF")
		first.do(5, packet.Ping, nil, "Pong")
		ban.on = false
		bound(s, alice, "k:0")
	})
}
