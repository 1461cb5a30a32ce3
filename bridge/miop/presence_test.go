package miop

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
)

// observer notes who comes and goes.
type observer struct {
	mu   sync.Mutex
	seen []string
}

func (o *observer) ID() string { return "observer" }

func (o *observer) note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, fmt.Sprintf(format, args...))
}

func (o *observer) OnSessionEstablished(_ context.Context, e *broker.SessionEstablished) {
	o.note("+ %s %s %s %s %d at %s", e.App, e.ClientID, e.User, e.Protocol, e.Version, e.Listener)
}

func (o *observer) OnDisconnect(_ context.Context, e *broker.Disconnected) {
	o.note("- %s graceful=%v ended=%v: %v", e.ClientID, e.Graceful, e.Ended, e.Reason)
}

func TestObservers(t *testing.T) {
	o := &observer{}
	cfg := setup{broker: broker.Config{Hooks: []broker.Hook{o}}, from: &login.Listener{App: "default", URL: "miop://here"}}
	inBubble(t, cfg, func(t *testing.T, s *testServer) {
		c := bound(s, alice)
		c.do(6, packet.Bind, []string{"u:bob@8", "d:0"}, "BindAck id:8 r:0")
		c.do(5, packet.Unbind, []string{alice}, "UnbindAck id:7 r:0")
		c.close()
		synctest.Wait()
		bound(s, alice)
		c = bound(s, alice)
		c.do(5, packet.Bind, []string{"u:carol@7"}, "BindAck id:7 r:0")
		c.send([]byte{0, 5, 0, 12})
		c.expect("EOF")
		synctest.Wait()
		o.mu.Lock()
		defer o.mu.Unlock()
		if want := []string{
			"+ default m:alice alice miop 5 at miop://here",
			"+ default m:bob bob miop 6 at miop://here",
			"- m:alice graceful=true ended=true: client has unbound",
			"- m:bob graceful=false ended=true: netloop: peer closed the connection",
			"+ default m:alice alice miop 5 at miop://here",
			"- m:alice graceful=false ended=false: session taken over",
			"+ default m:alice alice miop 5 at miop://here",
			"+ default m:carol carol miop 5 at miop://here",
			"- m:alice graceful=true ended=false: another bind has taken the place",
			"- m:carol graceful=false ended=false: opcode has no wire form",
		}; !slices.Equal(o.seen, want) {
			t.Errorf("got\n%q\nwant\n%q", o.seen, want)
		}
	})
}

// A client that is lost and does not come back in time is reported, one that has taken leave is not.
func TestPresence(t *testing.T) {
	cfg := Config{Profile: Profile{Presence: true, PresenceDelay: time.Minute}}
	inBubble(t, setup{miop: cfg}, func(t *testing.T, s *testServer) {
		sub := subscribe(s, "miop-7", "presence/m:alice", false)
		got := func(after time.Duration) []string {
			<-time.After(after)
			synctest.Wait()
			sub.mu.Lock()
			defer sub.mu.Unlock()
			return sub.got
		}
		bound(s, alice).close()
		<-time.After(59 * time.Second)
		c := bound(s, alice)
		if got := got(2 * time.Minute); len(got) != 0 {
			t.Errorf("it was back in time: got %q, want nothing", got)
		}
		c.do(5, packet.Unbind, nil, "UnbindAck id:7 r:0", "EOF")
		if got := got(2 * time.Minute); len(got) != 0 {
			t.Errorf("it has taken leave: got %q, want nothing", got)
		}
		bound(s, alice).close()
		if got, want := got(2*time.Minute), []string{"presence/m:alice qos=1 offline"}; !slices.Equal(got, want) {
			t.Errorf("it is lost: got %q, want %q", got, want)
		}
	})
}

// Who binds again, from another connection or the same one, has not been lost, though with d:0 the older Session ends by that.
func TestPresenceTakenOver(t *testing.T) {
	inBubble(t, setup{miop: Config{Profile: Profile{Presence: true}}}, func(t *testing.T, s *testServer) {
		sub := subscribe(s, "miop-7", "presence/m:alice", false)
		got := func() []string {
			<-time.After(time.Minute)
			synctest.Wait()
			sub.mu.Lock()
			defer sub.mu.Unlock()
			return sub.got
		}
		old := bound(s, alice, "d:0")
		c := bound(s, alice, "d:0")
		old.expect("EOF")
		c.do(5, packet.Bind, []string{alice, "d:0"}, "BindAck id:7 r:0")
		c.quiet()
		if got := got(); len(got) != 0 {
			t.Errorf("it is bound: got %q, want nothing", got)
		}
		c.close()
		if got, want := got(), []string{"presence/m:alice qos=1 offline"}; !slices.Equal(got, want) {
			t.Errorf("it is lost: got %q, want %q", got, want)
		}
	})
}

// pacing has each message take so long.
type pacing time.Duration

func (p pacing) Pace(_, clientID string) broker.Pace {
	if clientID == "m:bob" {
		return nil
	}
	return p
}

func (p pacing) Publish(time.Duration, int) time.Duration { return time.Duration(p) }

// A client that uploads faster than it may is not read from for a while; nothing is lost.
func TestUploadsAreSlowed(t *testing.T) {
	inBubble(t, setup{broker: broker.Config{Throttle: pacing(time.Second)}}, func(t *testing.T, s *testServer) {
		for u, want := range map[string]time.Duration{alice: 9 * time.Second, "u:bob@7": 0} {
			c := bound(s, u)
			began := time.Now()
			for i := range 10 {
				c.send(frame(5, packet.UploadData, []string{fmt.Sprint("ack:", i)}, uploads("x")))
			}
			for i := range 10 {
				c.expect(fmt.Sprintf("UploadDataAck ack:%d r:0", i))
			}
			if took := time.Since(began); took < want || took > want+time.Second {
				t.Errorf("%s: took %v, want %v", u, took, want)
			}
		}
	})
}

// A client that is not read from cannot be heard to acknowledge: it is not let go for that.
func TestSlowedAcknowledges(t *testing.T) {
	inBubble(t, setup{broker: broker.Config{Throttle: pacing(10 * time.Minute)}}, func(t *testing.T, s *testServer) {
		c := bound(s, alice)
		c.send(frame(5, packet.UploadData, []string{"ack:1"}, uploads("x")))
		c.expect("UploadDataAck ack:1 r:0")
		for i := range defaultWindow {
			s.publish("miop-7", "inbox/m:alice", "x", 1)
			c.wait()
			c.ack(i + 1)
		}
		<-time.After(11 * time.Minute)
		c.do(5, packet.Ping, nil, "Pong")
		synctest.Wait()
		if got := s.broker.Stats(); got.Inflight != 0 || got.Connected != 1 {
			t.Errorf("%d deliveries are in flight and %d clients connected, want 0 and 1", got.Inflight, got.Connected)
		}
	})
}
