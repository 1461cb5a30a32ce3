package mqtt

import (
	"fmt"
	"testing"
	"time"

	paho3 "github.com/eclipse/paho.mqtt.golang"
)

// paho3Client is a client of paho.mqtt.golang, MQTT 3.1.1, with what it has
// been sent.
type paho3Client struct {
	paho3.Client
	t   *testing.T
	got chan string
}

func newPaho3(t *testing.T, s *testServer, id string, set func(*paho3.ClientOptions)) *paho3Client {
	c := &paho3Client{t: t, got: make(chan string, 100)}
	o := paho3.NewClientOptions().AddBroker("tcp://" + s.addr).SetClientID(id).SetProtocolVersion(4).
		SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(patience).SetWriteTimeout(patience).
		SetDefaultPublishHandler(func(_ paho3.Client, m paho3.Message) {
			c.got <- fmt.Sprintf("%s %s q=%d retain=%t", m.Topic(), m.Payload(), m.Qos(), m.Retained())
		})
	if set != nil {
		set(o)
	}
	c.Client = paho3.NewClient(o)
	c.wait("connect", c.Connect())
	t.Cleanup(func() { c.Disconnect(100) })
	return c
}

func (c *paho3Client) wait(what string, token paho3.Token) {
	c.t.Helper()
	if !token.WaitTimeout(patience) || token.Error() != nil {
		c.t.Fatalf("%s: %v", what, token.Error())
	}
}

func (c *paho3Client) expect(want ...string) { expectAll(c.t, c.got, want) }

// expectAll waits for these messages in this order.
func expectAll(t *testing.T, got <-chan string, want []string) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for _, w := range want {
		select {
		case g := <-got:
			if g != w {
				t.Fatalf("got %q, want %q", g, w)
			}
		case <-limit.C:
			t.Fatalf("%q has not come", w)
		}
	}
}

// TestPaho3 takes paho.mqtt.golang through what applications do with it.
func TestPaho3(t *testing.T) {
	s := newServer(t, setup{})
	pub := newPaho3(t, s, "pub", nil)

	t.Run("QoS", func(t *testing.T) {
		c := newPaho3(t, s, "sub", nil)
		for qos := range byte(3) {
			c.wait("subscribe", c.Subscribe(fmt.Sprintf("q%d/#", qos), qos, nil))
			for i := range 5 {
				pub.wait("publish", pub.Publish(fmt.Sprintf("q%d/x", qos), qos, false, fmt.Sprint("m", i)))
				c.expect(fmt.Sprintf("q%d/x m%d q=%d retain=false", qos, i, qos))
			}
		}
		c.wait("unsubscribe", c.Unsubscribe("q0/#", "q1/#"))
		pub.wait("publish", pub.Publish("q1/x", 1, false, "unheard"))
		pub.wait("publish", pub.Publish("q2/x", 1, false, "heard"))
		c.expect("q2/x heard q=1 retain=false")
	})
	t.Run("retained", func(t *testing.T) {
		pub.wait("publish", pub.Publish("kept", 1, true, "value"))
		c := newPaho3(t, s, "late", nil)
		c.wait("subscribe", c.Subscribe("kept", 1, nil))
		c.expect("kept value q=1 retain=true")
		pub.wait("publish", pub.Publish("kept", 1, true, ""))
		c.expect("kept  q=1 retain=false")
	})
	t.Run("will", func(t *testing.T) {
		c := newPaho3(t, s, "heir", nil)
		c.wait("subscribe", c.Subscribe("will", 2, nil))
		raw := dialAs(s, "v4 id=mortal clean will=will:gone willq=2")
		raw.nc.Close()
		c.expect("will gone q=2 retain=false")
	})
	t.Run("away", func(t *testing.T) {
		persistent := func(o *paho3.ClientOptions) { o.SetCleanSession(false) }
		c := newPaho3(t, s, "device", persistent)
		c.wait("subscribe", c.Subscribe("inbox/device", 2, nil))
		c.Disconnect(100)
		for i := range 10 {
			pub.wait("publish", pub.Publish("inbox/device", byte(1+i%2), false, fmt.Sprint("m", i)))
		}
		c = newPaho3(t, s, "device", persistent)
		for i := range 10 {
			c.expect(fmt.Sprintf("inbox/device m%d q=%d retain=false", i, 1+i%2))
		}
	})
}
