package mqtt

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// denyFrom has r deny a topic from now on.
func (r *recorder) denyFrom(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deny = topic
}

// TestForbiddenDisconnects publishes what is forbidden where that ends the connection.
func TestForbiddenDisconnects(t *testing.T) {
	hook := rejecting{}
	for _, topic := range []string{"secret", "rejected"} { // by the Authorizer, by an interceptor
		for _, version := range []string{"v3", "v4", "v5"} {
			for qos := range 3 {
				t.Run(fmt.Sprint(topic, version, qos), func(t *testing.T) {
					eachEngine(t, func(t *testing.T, loop netloop.Config) {
						s := newServer(t, setup{loop: loop, broker: broker.Config{Hooks: []broker.Hook{hook}}, mqtt: Config{
							Authorizer: denyBelow("secret"), DisconnectForbidden: true,
						}})
						c := dialAs(s, version+" id=a clean")
						command := fmt.Sprintf("pub %s m q=%d", topic, qos)
						if qos > 0 {
							command += " id=1"
						}
						c.do(command)
						if version == "v5" {
							c.expect("DISCONNECT 87")
						}
						c.expect("EOF")
						if got := s.mqtt.Stats().Malformed; got != 0 {
							t.Errorf("counted %d malformed, want none", got)
						}
					})
				})
			}
		}
	}
}

// rejecting is an interceptor that rejects one topic.
type rejecting struct{}

func (rejecting) ID() string { return "rejecting" }

func (rejecting) OnPublish(p *broker.Publication) broker.Interception {
	if p.TopicName == "rejected" {
		return broker.Reject
	}
	return broker.Pass
}

// TestRejectedByHook answers as for what the Authorizer denies.
func TestRejectedByHook(t *testing.T) {
	for version, code := range map[string]string{"v4": "", "v5": " 87"} {
		t.Run(version, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, loop netloop.Config) {
				s := newServer(t, setup{loop: loop, broker: broker.Config{Hooks: []broker.Hook{rejecting{}}}, mqtt: Config{ReceiveMaximum: 1}})
				c := dialAs(s, version+" id=a expiry=100")
				c.do("pub rejected m")
				c.do("pub rejected m q=1 id=1", "PUBACK 1"+code)
				for range 3 { // each gives its place in the Receive Maximum back
					c.do("pub rejected m q=2 id=1", "PUBREC 1"+code)
				}
				if version == "v5" {
					c.do("pub t m q=2 id=1", "PUBREC 1 10")
				} else {
					c.do("pub t m q=2 id=1", "PUBREC 1")
				}
				c.do("pubrel 1", "PUBCOMP 1")
				if got := s.broker.Stats().Rejected; got != 5 {
					t.Errorf("rejected: got %d, want 5", got)
				}
			})
		})
	}
}

// deniedRepeat has a client publish at QoS 2, lose its connection, and come back when it may not repeat that.
func deniedRepeat(t *testing.T, f func(st *storetest.Faulty, c *client)) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.NewFaulty(t, memory.New(), 1)
		r := new(recorder)
		s := newServer(t, setup{loop: netloop.Config{Portable: true}, broker: broker.Config{Store: st}, mqtt: Config{Authorizer: r}})
		c := dialAs(s, "v5 id=a expiry=100")
		c.do("pub t m1 q=2 id=1", "PUBREC 1 10")
		c.do("disconnect 04", "EOF")
		r.denyFrom("t")
		c = dialAs(s, "v5 id=a expiry=100")
		synctest.Wait()
		f(st, c)
		s.shutdown()
	})
}

// TestDeniedRepeatWaits has the answer to a QoS 2 message that may not be repeated wait until it is on disk that the
// Packet Identifier is free, and those behind it wait too.
func TestDeniedRepeatWaits(t *testing.T) {
	deniedRepeat(t, func(st *storetest.Faulty, c *client) {
		st.Hold(true)
		c.do("pub t m1 q=2 id=1 dup")
		c.do("pub u m2 q=1 id=2")
		c.do("pub t m1 q=2 id=1 dup") // again, before it is answered
		c.do("ping", "PINGRESP")
		synctest.Wait()
		if _, ok, _ := c.next(); ok {
			t.Error("answered before the Store has removed the receipt")
		}
		st.Hold(false)
		c.expect("PUBREC 1 87", "PUBACK 2 10")
		c.do("pub u m3 q=2 id=1", "PUBREC 1 10")
		c.do("pubrel 1", "PUBCOMP 1")
	})
}

// TestDeniedRepeatUnremoved has the Store fail to remove the receipt. It is not answered.
func TestDeniedRepeatUnremoved(t *testing.T) {
	deniedRepeat(t, func(st *storetest.Faulty, c *client) {
		st.Fail(storetest.FailOn(errors.New("bad sector"), storetest.OpRemoveReceipt))
		c.do("pub t m1 q=2 id=1 dup", "DISCONNECT 80", "EOF")
		st.Fail(nil)
	})
}

// TestDeniedRepeatOfPending repeats a QoS 2 message that waits for a subscriber still. It is answered after that has
// taken it, and the Packet Identifier is free for something new then.
func TestDeniedRepeatOfPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		s := newServer(t, setup{loop: netloop.Config{Portable: true}, broker: broker.Config{MaxQueuedMessages: 1}, mqtt: Config{Authorizer: r}})
		sub, other := dialAs(s, "v5 id=s clean rm=1"), dialAs(s, "v5 id=o clean")
		sub.do("sub id=1 #,1", "SUBACK 1 01")
		other.do("pub x 1 q=1 id=1", "PUBACK 1")
		other.do("pub x 2 q=1 id=2", "PUBACK 2")
		sub.expect("PUBLISH x 1 q=1 id=1")
		c := dialAs(s, "v5 id=a expiry=100")
		c.do("pub t m1 q=2 id=1")
		synctest.Wait()
		c.do("disconnect 04", "EOF")
		r.denyFrom("t")
		c = dialAs(s, "v5 id=a expiry=100")
		c.do("pub t m1 q=2 id=1 dup")
		c.do("ping", "PINGRESP")
		synctest.Wait()
		if _, ok, _ := c.next(); ok {
			t.Error("answered before it is known what becomes of the message")
		}
		sub.do("puback 1", "PUBLISH x 2 q=1 id=2")
		sub.do("puback 2", "PUBLISH t m1 q=1 id=3")
		c.expect("PUBREC 1 87")
		sub.do("puback 3")
		c.do("pub u m2 q=2 id=1", "PUBREC 1")
		sub.expect("PUBLISH u m2 q=1 id=4")
		c.do("pubrel 1", "PUBCOMP 1")
	})
}

// TestExpiredMayNothing has an authentication that has expired before the client is let in: it may not even leave a Will.
func TestExpiredMayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hook := func(context.Context, *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
			return broker.Allow, &broker.Identity{Expires: time.Now().Add(-time.Second)}, nil
		}
		s := newServer(t, setup{loop: netloop.Config{Portable: true}, mqtt: Config{Authenticator: authenticator(hook)}})
		time.Sleep(time.Second) // so that the loop's clock is not at its beginning
		v, b, err := encodeConnect("v5 id=a clean will=w:gone")
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(s, v)
		c.send(b)
		c.expect("CONNACK 87", "EOF")
		if got := s.mqtt.Stats().Denied; got != 1 {
			t.Errorf("denied: got %d, want 1", got)
		}
	})
}

// TestExpiresInCenturies has an authentication that is good until the year 9999.
func TestExpiresInCenturies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hook := func(context.Context, *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
			return broker.Allow, &broker.Identity{Expires: time.Unix(253402300799, 0)}, nil
		}
		s := newServer(t, setup{loop: netloop.Config{Portable: true}, mqtt: Config{Authenticator: authenticator(hook)}})
		time.Sleep(time.Second) // so that the loop's clock is not at its beginning
		v, b, err := encodeConnect("v5 id=a clean")
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(s, v)
		c.send(b)
		c.expect("CONNACK 00")
		time.Sleep(24 * time.Hour)
		c.do("sub id=1 a,0", "SUBACK 1 00")
	})
}
