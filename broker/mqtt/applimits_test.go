package mqtt

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// newLimitedServer starts a server in a bubble whose Apps have these limits, except for the App free. Who has a User
// Name is in the App of that name.
func newLimitedServer(t *testing.T, l broker.AppLimits, cfg Config) *testServer {
	t.Helper()
	cfg.Authenticator = authenticator(func(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		return broker.Allow, &broker.Identity{App: r.User}, nil
	})
	return newServer(t, setup{
		loop: netloop.Config{Portable: true},
		mqtt: cfg,
		broker: broker.Config{AppLimits: func(app string) broker.AppLimits {
			if app == "free" {
				return broker.AppLimits{}
			}
			return l
		}},
	})
}

// refusedAs connects and expects this answer.
func refusedAs(s *testServer, connect, want string) {
	s.t.Helper()
	v, b, err := encodeConnect(connect)
	if err != nil {
		s.t.Fatal(err)
	}
	c := newClient(s, v)
	c.send(b)
	c.expect(want, "EOF")
}

func limited(s *testServer, app string) map[string]uint64 {
	for _, a := range s.broker.AppStats() {
		if a.Name == app {
			return a.Limited
		}
	}
	return nil
}

// TestAppConnections has an App be full: who is not in gets 0x97, or return code 3 in MQTT 3 (88 here), until somebody has gone. One that
// takes over its own connection is let in, and other Apps do not notice.
func TestAppConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLimitedServer(t, broker.AppLimits{MaxConnections: 2}, Config{})
		dialAs(s, "v5 id=a username=x clean")
		b := dialAs(s, "v4 id=b username=x")
		for _, other := range []string{"y", "free", "free", "free"} {
			dialAs(s, fmt.Sprintf("v5 id=%d username=%s clean", s.broker.Stats().Connected, other))
		}
		for range 3 {
			refusedAs(s, "v5 id=c username=x clean", "CONNACK 97")
			refusedAs(s, "v4 id=c username=x clean", "CONNACK 88")
			dialAs(s, "v5 id=b username=x expiry=100")
			b = dialAs(s, "v5 id=b username=x expiry=100 clean")
		}
		b.do("disconnect", "EOF")
		synctest.Wait()
		dialAs(s, "v4 id=c username=x clean").nc.Close()
		synctest.Wait()
		dialAs(s, "v5 id=d username=x clean")
		refusedAs(s, "v5 id=b username=x", "CONNACK 97")
		if got := limited(s, "x")["connections"]; got != 7 {
			t.Errorf("App x: %d are counted as refused, want 7", got)
		}
		if got := limited(s, "y")["connections"] + limited(s, "free")["connections"]; got != 0 {
			t.Errorf("other Apps: %d are counted as refused, want none", got)
		}
	})
}

// TestAppSubscriptions bounds those of all Sessions of an App together.
func TestAppSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLimitedServer(t, broker.AppLimits{MaxSubscriptions: 3}, Config{})
		a, b := dialAs(s, "v5 id=a username=x clean"), dialAs(s, "v4 id=b username=x clean")
		a.do("sub id=1 t/1,0 t/2,1", "SUBACK 1 00 01")
		b.do("sub id=1 t/3,0 t/4,1", "SUBACK 1 00 80")
		a.do("sub id=2 t/1,1 t/5,1", "SUBACK 2 01 97") // one that is there already may be replaced
		dialAs(s, "v5 id=a username=y clean").do("sub id=1 t/1,0 t/2,1", "SUBACK 1 00 01")
		dialAs(s, "v5 id=a username=free clean").do("sub id=1 t/1,0 t/2,1 t/3,0 t/4,0", "SUBACK 1 00 01 00 00")
		a.do("unsub id=3 t/1", "UNSUBACK 3 00")
		b.do("sub id=2 t/4,1", "SUBACK 2 01")
		if got := limited(s, "x")["subscriptions"]; got != 2 {
			t.Errorf("%d are counted as refused, want 2", got)
		}
	})
}

// TestAppRetainedSys has the server retain what it says below $SYS, which is more than an App may: it does not count, neither
// before the App has retained something of its own nor after.
func TestAppRetainedSys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLimitedServer(t, broker.AppLimits{MaxRetained: 2}, Config{SysInterval: time.Second})
		dialAs(s, "v5 id=p clean").do("pub t x q=1 id=1", "PUBACK 1 10") // something to tell
		said := func() int {
			<-time.After(3 * time.Second)
			synctest.Wait()
			c := dialAs(s, "v5 id=reader clean")
			c.do("sub id=1 $SYS/#,0", "SUBACK 1 00")
			synctest.Wait()
			return c.drain()[packet.TypePublish]
		}
		if got := said(); got <= 2 {
			t.Fatalf("%d messages are retained below $SYS, want more than the limit", got)
		}
		a := dialAs(s, "v5 id=a clean")
		for i, want := range []string{"10", "10", "97"} {
			a.do(fmt.Sprintf("pub r/%d x q=1 id=1 retain", i), ackOf("PUBACK 1", want))
		}
		if got := said(); got <= 2 { // it is full, and the server goes on
			t.Errorf("%d messages are retained below $SYS afterwards, want more than the limit", got)
		}
		if got := limited(s, broker.DefaultApp)["retained"]; got != 1 {
			t.Errorf("%d are counted as refused, want the client's one", got)
		}
	})
}

// TestAppRetained bounds retained messages by App.
func TestAppRetained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLimitedServer(t, broker.AppLimits{MaxRetained: 2}, Config{})
		a := dialAs(s, "v5 id=a clean")
		a.do("sub id=1 r/+,1", "SUBACK 1 01")
		for i, want := range []string{"00", "00", "97"} {
			a.do(fmt.Sprintf("pub r/%d x q=1 id=1 retain", i), fmt.Sprintf("PUBLISH r/%d x q=1 id=%d", i, i+1))
			a.do(fmt.Sprintf("puback %d", i+1), ackOf("PUBACK 1", want))
		}
		a.do("pub r/0 y q=1 id=1 retain", "PUBLISH r/0 y q=1 id=4", "PUBACK 1")
		dialAs(s, "v5 id=a clean username=y").do("pub r/0 x q=1 id=1 retain", "PUBACK 1 10")
		if got := limited(s, broker.DefaultApp)["retained"]; got != 1 {
			t.Errorf("%d are counted as refused, want 1", got)
		}
	})
}

func ackOf(line, code string) string {
	if code == "00" {
		return line
	}
	return line + " " + code
}

// TestAppQueued has the mailboxes of an App be full: what they would have to keep is refused, and what need not be kept is not.
// Another App does not notice. There is room again when something is acknowledged.
func TestAppQueued(t *testing.T) {
	for _, l := range []broker.AppLimits{{MaxQueuedMessages: 4}, {MaxQueuedBytes: 4 * (len("t/.0123456789") + 64)}} {
		synctest.Test(t, func(t *testing.T) {
			s := newLimitedServer(t, l, Config{RefusePause: time.Second})
			for _, app := range []string{"x", "free"} {
				for i := range 2 {
					c := dialAs(s, fmt.Sprintf("v5 id=%d username=%s expiry=1000", i, app))
					c.do(fmt.Sprintf("sub id=1 t/%d,1", i), "SUBACK 1 01")
					c.do("disconnect", "EOF")
				}
			}
			synctest.Wait()
			x, free := dialAs(s, "v5 id=p username=x clean"), dialAs(s, "v5 id=p username=free clean")
			for i := range 6 {
				want := "PUBACK 1"
				if i >= 4 {
					want += " 97"
				}
				x.do(fmt.Sprintf("pub t/%d 0123456789 q=1 id=1", i%2), want)
				free.do(fmt.Sprintf("pub t/%d 0123456789 q=1 id=1", i%2), "PUBACK 1")
			}
			x.do("pub inbox/new 0123456789 q=1 id=1", "PUBACK 1 97")
			x.do("pub t/0 0123456789 q=0")
			old := dialAs(s, "v4 id=old username=x clean")
			old.do("sub id=1 on,1", "SUBACK 1 01")
			x.do("pub on 0123456789 q=1 id=1", "PUBACK 1") // goes to its client at once
			old.expect("PUBLISH on 0123456789 q=1 id=1")
			old.do("pub t/0 0123456789 q=1 id=1", "EOF") // MQTT 3 has no answer: v3.1.1 [MQTT-3.3.5-2]

			c := dialAs(s, "v5 id=0 username=x expiry=1000 rm=1")
			c.expect("PUBLISH t/0 0123456789 q=1 id=1")
			c.do("puback 1", "PUBLISH t/0 0123456789 q=1 id=2")
			synctest.Wait()
			x.do("pub t/1 0123456789 q=1 id=1", "PUBACK 1")
			x.do("pub t/1 0123456789 q=1 id=1", "PUBACK 1 97")
			if got := limited(s, "x")["queued"]; got != 5 {
				t.Errorf("%+v: %d are counted as refused, want 5", l, got)
			}
			if got := limited(s, "free")["queued"]; got != 0 {
				t.Errorf("%+v: another App: %d are counted as refused, want none", l, got)
			}
		})
	}
}

// TestAppQueuedWaiting has publishes wait for a subscriber whose queue is full: they count for what the App may have queued, until they
// have been taken or their publisher is gone.
func TestAppQueuedWaiting(t *testing.T) {
	const size = len("t0123456789") + 64
	for _, l := range []broker.AppLimits{{MaxQueuedMessages: 4}, {MaxQueuedBytes: 4 * size}} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, setup{loop: netloop.Config{Portable: true}, broker: broker.Config{
				MaxQueuedMessages: 1, AppLimits: func(string) broker.AppLimits { return l },
			}})
			sub, p := dialAs(s, "v5 id=sub clean rm=1"), dialAs(s, "v5 id=p clean")
			sub.do("sub id=1 t,1", "SUBACK 1 01")
			p.do("pub t 0123456789 q=1 id=1", "PUBACK 1") // is in flight
			sub.expect("PUBLISH t 0123456789 q=1 id=1")
			p.do("pub t 0123456789 q=1 id=2", "PUBACK 2") // is queued
			for id := range 3 {
				p.do(fmt.Sprintf("pub t 0123456789 q=1 id=%d", id+3))
			}
			synctest.Wait()
			if st := s.broker.Stats(); st.Queued != 1 || st.Waiting != 3 {
				t.Fatalf("%d are queued and %d wait, want 1 and 3", st.Queued, st.Waiting)
			}
			other := dialAs(s, "v5 id=other clean")
			other.do("pub t 0123456789 q=1 id=1", "PUBACK 1 97")

			sub.do("puback 1", "PUBLISH t 0123456789 q=1 id=2")
			p.expect("PUBACK 3") // has been taken
			other.do("pub t 0123456789 q=1 id=2")
			synctest.Wait()
			if got := s.broker.Stats().Waiting; got != 3 {
				t.Errorf("%d wait, want 3: there was room for one", got)
			}
			dialAs(s, "v5 id=third clean").do("pub t 0123456789 q=1 id=1", "PUBACK 1 97")
			if got := limited(s, broker.DefaultApp)["queued"]; got != 2 {
				t.Errorf("%+v: %d are counted as refused, want 2", l, got)
			}
			sub.nc.Close() // a transient Session: what was for it counts no more
			synctest.Wait()
			if a := s.broker.AppStats()[0]; a.Queued != 0 || a.Waiting != 0 {
				t.Errorf("%d are queued and %d wait in the end, want none", a.Queued, a.Waiting)
			}
		})
	}
}
