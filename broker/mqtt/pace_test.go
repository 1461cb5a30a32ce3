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
	"github.com/holdfast-mqtt/holdfast/hooks/limits"
)

// newSlowServer starts a server in a bubble, with limits. Who has a User Name is in the App of that name.
func newSlowServer(t *testing.T, cfg limits.ThrottleConfig) *testServer {
	t.Helper()
	throttle, err := limits.NewThrottle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return newServer(t, setup{
		loop:   netloop.Config{Portable: true},
		broker: broker.Config{Throttle: throttle},
		mqtt: Config{Authenticator: authenticator(func(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
			return broker.Allow, &broker.Identity{App: r.User}, nil
		})},
	})
}

func perClient(messages int) limits.ThrottleConfig {
	return limits.ThrottleConfig{Default: limits.AppRates{Client: limits.RateConfig{Messages: float64(messages)}}}
}

// publishes is n publishes to t, with Packet Identifiers from 1 on.
func publishes(t *testing.T, v packet.Version, n, qos int, payload string) (all []byte) {
	t.Helper()
	for i := range n {
		b, err := encode(fmt.Sprintf("pub t %s q=%d id=%d", payload, qos, i+1), v)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// taken is how many messages the server has taken from clients by now.
func taken(s *testServer) int {
	synctest.Wait()
	st := s.broker.Stats()
	return int(st.Received[0] + st.Received[1] + st.Received[2])
}

// TestPace has clients send 50 messages at once that may publish 10 a second. A burst of them is taken, the one that shows that
// it is too fast, and then what the rate allows, until all are there, in order.
func TestPace(t *testing.T) {
	for _, version := range []string{"v4", "v5"} {
		for qos := range 3 {
			t.Run(fmt.Sprint(version, " QoS ", qos), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSlowServer(t, perClient(10))
					sub := dialAs(s, "v5 id=sub clean")
					sub.do("sub id=1 t,0", "SUBACK 1 00")
					c := dialAs(s, version+" id=c clean")
					c.send(publishes(t, c.version, 50, qos, "x"))
					if got := taken(s); got != 11 {
						t.Errorf("at once: %d are taken, want 11", got)
					}
					for n := 1; n < 5; n++ {
						<-time.After(time.Second)
						if got, most := taken(s), min(11+10*n, 50); got > most || got < most-1 {
							t.Errorf("after %d s: %d are taken, want %d", n, got, most)
						}
					}
					if got := sub.drain()[packet.TypePublish]; got != 50 {
						t.Errorf("%d are delivered, want 50", got)
					}
					answers := map[int]packet.Type{1: packet.TypePubAck, 2: packet.TypePubRec}
					if got := c.drain()[answers[qos]]; qos > 0 && got != 50 {
						t.Errorf("%d are acknowledged, want 50", got)
					}
					if got := s.broker.Stats().Pauses; got != 40 {
						t.Errorf("%d pauses are counted, want 40", got)
					}
					c.do("ping", "PINGRESP")
				})
			})
		}
	}
}

// TestPaceBytes counts bytes instead.
func TestPaceBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowServer(t, limits.ThrottleConfig{Default: limits.AppRates{Client: limits.RateConfig{Bytes: 10_000}}})
		c := dialAs(s, "v4 id=c clean")
		c.send(publishes(t, c.version, 20, 0, "x*3997")) // 4,000 bytes each
		if got := taken(s); got != 3 {
			t.Errorf("at once: %d are taken, want 3", got)
		}
		<-time.After(6 * time.Second)
		if got := taken(s); got < 16 || got > 18 {
			t.Errorf("after 6 s: %d are taken, want 17", got)
		}
		c.do("disconnect") // behind the rest, of which nothing is lost
		<-time.After(10 * time.Second)
		if got := taken(s); got != 20 {
			t.Errorf("%d are taken, want 20", got)
		}
		c.expect("EOF")
	})
}

// TestPaceTakesLeave ends the connection of a client that has taken leave while what it has published before is still to be
// taken. Its Will is gone: v5 [MQTT-3.14.4-3], v3.1.1 [MQTT-3.14.4-3]. That of a client is not whose DISCONNECT says so, or is none.
func TestPaceTakesLeave(t *testing.T) {
	for end, by := range map[string]func(s *testServer){
		"taken over": func(s *testServer) { dialAs(s, "v5 id=c clean") },
		"kicked": func(s *testServer) {
			if err := s.broker.Kick(broker.DefaultApp, "c", false); err != nil {
				t.Errorf("Kick: %v", err)
			}
		},
	} {
		for connect, byes := range map[string]map[string]bool{ // whether the Will is published
			"v4 id=c clean will=gone:x":           {"": true, "\xE0\x00": false},
			"v5 id=c clean will=gone:x":           {"": true, "\xE0\x00": false, "\xE0\x01\x04": true, "\xE0\x01\x03": true},
			"v5 id=c clean will=gone:x expiry=60": {"": true, "\xE0\x02\x00\x00": false},
		} {
			for bye, want := range byes {
				t.Run(fmt.Sprintf("%s, %s, % x", end, connect, bye), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newSlowServer(t, perClient(10))
						sub := dialAs(s, "v5 id=sub clean")
						sub.do("sub id=1 gone,0", "SUBACK 1 00")
						c := dialAs(s, connect)
						c.send(append(publishes(t, c.version, 20, 0, "x"), bye...))
						if got := taken(s); got != 11 {
							t.Fatalf("%d are taken, want 11", got)
						}
						by(s)
						synctest.Wait()
						if got := sub.drain()[packet.TypePublish]; (got > 0) != want {
							t.Errorf("the Will was published %d times, want %t", got, want)
						}
					})
				})
			}
		}
	}
}

// TestPaceKeepsAlive has a client that is slowed be heard: its PINGREQ is answered at once, and it is not let go.
func TestPaceKeepsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowServer(t, perClient(1))
		c := dialAs(s, "v4 id=c clean ka=1")
		c.send(publishes(t, c.version, 20, 0, "x"))
		for range 20 {
			c.do("ping", "PINGRESP")
			<-time.After(time.Second)
		}
		if got := taken(s); got != 20 {
			t.Errorf("%d are taken, want 20", got)
		}
	})
}

// TestPaceNotRead has a client send more than is parked for it: it is not read from, is not let go though nothing is heard
// of it, and costs no more memory. All arrives.
func TestPaceNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages, size = 1000, 1000
		s := newSlowServer(t, perClient(1))
		c := dialAs(s, "v4 id=c clean ka=1")
		sending := sendAll(t, c, "t", 0, messages, size)
		before := taken(s)
		if before != 2 || sending.finished() {
			t.Errorf("%d are taken, and all have been read: %t; want 2, false", before, sending.finished())
		}
		<-time.After(messages / 2 * time.Second)
		if got := taken(s); got < messages/2 || got > messages/2+2 {
			t.Errorf("half-way %d are taken, want %d", got, messages/2+1)
		}
		for range messages { // as long as it sends, it is there; then it has to ping
			if sending.finished() {
				c.do("ping")
			}
			<-time.After(time.Second)
		}
		if got := taken(s); got != messages {
			t.Errorf("%d are taken, want %d", got, messages)
		}
		if got := s.mqtt.Stats().Timeouts; got != 0 {
			t.Errorf("%d timeouts, want none", got)
		}
	})
}

// TestPaceAcknowledges has a client that is slowed acknowledge what it gets, behind what it publishes: it goes on getting messages.
func TestPaceAcknowledges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowServer(t, perClient(1))
		c := dialAs(s, "v5 id=c clean rm=1")
		c.do("sub id=1 to/c,1", "SUBACK 1 01")
		c.send(publishes(t, c.version, 20, 1, "x*1000")) // more than is parked for one that owes nothing
		c.expect("PUBACK 1 10", "PUBACK 2 10")
		for i := range 5 {
			dialAs(s, "v5 id=other clean").do(fmt.Sprintf("pub to/c %d q=1 id=1", i), "PUBACK 1")
			c.expect(fmt.Sprintf("PUBLISH to/c %d q=1 id=%d", i, i+1))
			c.do(fmt.Sprintf("puback %d", i+1))
			synctest.Wait()
			<-time.After(time.Millisecond) // no longer than it takes to pass the first of the parked
		}
		if got := s.broker.Stats().Inflight; got != 0 {
			t.Errorf("%d deliveries are in flight, want none", got)
		}
	})
}

// TestPaceWhileOthersWait has a publish of a client that is slowed wait for somebody else, too, who takes it in the pause: that does not
// end it.
func TestPaceWhileOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, err := limits.NewThrottle(perClient(1))
		if err != nil {
			t.Fatal(err)
		}
		s := newServer(t, setup{loop: netloop.Config{Portable: true}, broker: broker.Config{Throttle: throttle, MaxQueuedMessages: 1}})
		sub, c := dialAs(s, "v5 id=sub clean rm=1"), dialAs(s, "v5 id=c clean")
		sub.do("sub id=1 t,1", "SUBACK 1 01")
		c.send(publishes(t, c.version, 10, 1, "x"))
		<-time.After(1500 * time.Millisecond)
		if got := taken(s); got != 3 {
			t.Errorf("by now %d are taken, want 3", got)
		}
		if got := s.broker.Stats().Waiting; got != 1 {
			t.Fatalf("%d wait for the subscriber, want 1", got)
		}
		sub.expect("PUBLISH t x q=1 id=1")
		sub.do("puback 1", "PUBLISH t x q=1 id=2")
		c.expect("PUBACK 1", "PUBACK 2", "PUBACK 3")
		<-time.After(400 * time.Millisecond)
		if got := taken(s); got != 3 {
			t.Errorf("in the pause %d are taken, want 3", got)
		}
		<-time.After(200 * time.Millisecond)
		if got := taken(s); got != 4 {
			t.Errorf("after it %d are taken, want 4", got)
		}
	})
}

// TestPaceOfApp has the clients of an App share its rate, and those of another not notice.
func TestPaceOfApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rate := func(n float64) limits.AppRates { return limits.AppRates{App: limits.RateConfig{Messages: n}} }
		s := newSlowServer(t, limits.ThrottleConfig{Default: rate(10), Apps: map[string]limits.AppRates{"free": {}, "large": rate(100)}})
		for i, tt := range []struct {
			apps          []string
			atOnce, inTwo int
		}{
			{[]string{"a", "a"}, 12, 30}, // each is told by a message of its own that it is too fast
			{[]string{"b"}, 11, 30},
			{[]string{"large"}, 40, 40},
			{[]string{"free"}, 40, 40},
		} {
			before := taken(s)
			var clients []*client
			for j, app := range tt.apps {
				c := dialAs(s, fmt.Sprintf("v4 id=%d-%d clean username=%s", i, j, app))
				c.send(publishes(t, c.version, 40, 0, "x"))
				clients = append(clients, c)
			}
			atOnce := taken(s) - before
			<-time.After(2 * time.Second)
			inTwo := taken(s) - before
			if atOnce != tt.atOnce || inTwo < tt.inTwo || inTwo > tt.inTwo+3 {
				t.Errorf("%v: %d are taken at once and %d in 2 s, want %d and %d", tt.apps, atOnce, inTwo, tt.atOnce, tt.inTwo)
			}
			for _, c := range clients {
				c.nc.Close()
			}
			<-time.After(time.Minute)
		}
	})
}

// TestPaceEnd has a client send more than it may and be gone at once, with leave or without: all that it has sent is published
// first, and then its Will, if it has not taken leave.
func TestPaceEnd(t *testing.T) {
	for _, n := range []int{50, 300} { // all can be parked, or not
		for _, graceful := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				s := newSlowServer(t, perClient(10))
				sub := dialAs(s, "v5 id=sub clean")
				sub.do("sub id=1 t,0 w,0", "SUBACK 1 00 00")
				c := dialAs(s, "v4 id=c clean ka=1 will=w:gone")
				all := publishes(t, c.version, n, 0, "x*100")
				if graceful {
					all = append(all, 0xe0, 0)
				}
				c.send(all)
				c.nc.Close()
				for at := range n {
					if f, ok := sub.wait(); !ok || f.Body[2] != 't' {
						t.Fatalf("%d of %d have come before the Will or the end", at, n)
					}
				}
				<-time.After(10 * time.Second)
				synctest.Wait()
				if got := sub.drain()[packet.TypePublish]; (got == 1) == graceful || got > 1 {
					t.Errorf("%d Wills are published; the client has taken leave: %t", got, graceful)
				}
				if got := s.broker.Stats().Connected; got != 1 {
					t.Errorf("%d clients are connected in the end, want 1", got)
				}
			})
		}
	}
}

// TestPaceAnew has a client that is slowed authenticate anew: it is slowed as before, and has no more at once than it had
// left. It is so while it is held, and after.
func TestPaceAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, err := limits.NewThrottle(perClient(10))
		if err != nil {
			t.Fatal(err)
		}
		m := changing{make(chan *broker.Identity, 10)}
		s := newServer(t, setup{
			loop:   netloop.Config{Portable: true},
			broker: broker.Config{Throttle: throttle},
			mqtt:   Config{Enhanced: []broker.EnhancedAuthenticator{m}, Authorizer: denyBelow("secret")},
		})
		m.found <- nil
		v, b, err := encodeConnect("v5 id=c clean auth=riddle")
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(s, v)
		c.send(b)
		if f, ok := c.wait(); !ok || f.Type != packet.TypeConnAck || f.Body[1] != 0 {
			t.Fatalf("got %v % x, want CONNACK 0", f.Type, f.Body)
		}
		for round := range 3 {
			before := taken(s)
			c.send(publishes(t, c.version, 11, 0, "x"))
			m.found <- nil
			c.sendAuth(packet.ReAuthenticate, "riddle", "") // behind what shows that it is too fast
			c.send(publishes(t, c.version, 20, 0, "x"))
			if got := taken(s) - before; got != 11 {
				t.Fatalf("round %d: %d are taken at once, want 11", round, got)
			}
			<-time.After(time.Second)
			if got := taken(s) - before; got < 20 || got > 21 {
				t.Errorf("round %d: %d are taken in a second, want 21", round, got)
			}
			c.wantAuth(packet.Success, "")
			c.do("pub secret m q=1 id=1") // it is asked about its rights still, when its turn comes
			<-time.After(3 * time.Second)
			c.expect("PUBACK 1 87")
		}
	})
}

// TestPaceOtherRates changes rates while clients are connected. One that has a rate has the other from its next message on; one that
// has none gets it when it authenticates anew, or comes again.
func TestPaceOtherRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, err := limits.NewThrottle(perClient(10))
		if err != nil {
			t.Fatal(err)
		}
		set := func(cfg limits.ThrottleConfig) {
			t.Helper()
			if err := throttle.Set(cfg); err != nil {
				t.Fatal(err)
			}
		}
		m := changing{make(chan *broker.Identity, 10)}
		s := newServer(t, setup{
			loop: netloop.Config{Portable: true}, broker: broker.Config{Throttle: throttle}, mqtt: Config{Enhanced: []broker.EnhancedAuthenticator{m}},
		})
		want := func(c *client, atOnce, inTwo int) {
			t.Helper()
			before := taken(s)
			c.send(publishes(t, c.version, 100, 0, "x"))
			if got := taken(s) - before; got != atOnce {
				t.Errorf("%d are taken at once, want %d", got, atOnce)
			}
			<-time.After(2 * time.Second)
			if got := taken(s) - before; got < inTwo-1 || got > inTwo {
				t.Errorf("%d are taken in 2 s, want %d", got, inTwo)
			}
			<-time.After(time.Minute)
		}
		c := dialAs(s, "v4 id=c clean ka=0")
		want(c, 11, 31)
		set(perClient(20))
		want(c, 21, 61)
		set(limits.ThrottleConfig{})
		want(c, 100, 100)

		m.found <- nil
		v, b, err := encodeConnect("v5 id=d clean auth=riddle")
		if err != nil {
			t.Fatal(err)
		}
		d := newClient(s, v)
		d.send(b)
		if f, ok := d.wait(); !ok || f.Type != packet.TypeConnAck || f.Body[1] != 0 {
			t.Fatalf("got %v % x, want CONNACK 0", f.Type, f.Body)
		}
		set(perClient(10))
		want(c, 11, 31)
		want(d, 100, 100) // had no limit when it came
		m.found <- nil
		d.sendAuth(packet.ReAuthenticate, "riddle", "")
		d.wantAuth(packet.Success, "")
		want(d, 11, 31)
		want(dialAs(s, "v4 id=e clean ka=0"), 11, 31)
	})
}

// TestPaceParked has a slowed client send packet by packet, until no more is read from it: so much is parked for it, and more
// while it has deliveries to acknowledge.
func TestPaceParked(t *testing.T) {
	for _, tt := range []struct {
		name  string
		owing bool
		most  int
	}{
		{"owes nothing", false, maxParkedSlowed},
		{"has a delivery to acknowledge", true, maxParkedSlowedOwing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSlowServer(t, perClient(1))
				c := dialAs(s, "v5 id=c clean")
				if tt.owing {
					c.do("sub id=1 to/c,1", "SUBACK 1 01")
					dialAs(s, "v5 id=other clean").do("pub to/c m q=1 id=1", "PUBACK 1")
					c.expect("PUBLISH to/c m q=1 id=1")
				}
				c.send(publishes(t, c.version, 2, 0, "x")) // slowed from here on
				one := len(publishes(t, c.version, 1, 0, "x*1000"))
				before := heard(s)
				sending := sendAll(t, c, "t", 0, 300, 1000)
				synctest.Wait()
				if got, most := (heard(s)-before)*one, tt.most+one; got <= tt.most || got > most {
					t.Errorf("%d B are parked, want more than %d and at most %d", got, tt.most, most)
				}
				if sending.finished() || taken(s) > 3 {
					t.Errorf("all is sent: %t, %d are taken; want the client to be held back", sending.finished(), taken(s))
				}
			})
		})
	}
}

// heard is how many publishes the server has taken from connections, parked ones too.
func heard(s *testServer) int {
	synctest.Wait()
	return int(s.mqtt.Stats().Packets[packet.TypePublish])
}
