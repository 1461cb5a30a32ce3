package mqtt

import (
	"context"
	"fmt"
	"testing"

	paho5 "github.com/eclipse/paho.golang/paho"
)

// paho5Client is a client of paho.golang, MQTT 5, with what it has been sent.
type paho5Client struct {
	*paho5.Client
	t   *testing.T
	ctx context.Context
	got chan string
}

func newPaho5(t *testing.T, s *testServer, cp *paho5.Connect) *paho5Client {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c := &paho5Client{t: t, ctx: ctx, got: make(chan string, 100)}
	c.Client = paho5.NewClient(paho5.ClientConfig{
		Conn: s.dial(),
		OnPublishReceived: []func(paho5.PublishReceived) (bool, error){func(p paho5.PublishReceived) (bool, error) {
			m := p.Packet
			line := fmt.Sprintf("%s %s q=%d retain=%t", m.Topic, m.Payload, m.QoS, m.Retain)
			for _, u := range m.Properties.User {
				line += " " + u.Key + ":" + u.Value
			}
			if m.Properties.ResponseTopic != "" {
				line += fmt.Sprintf(" %s/%s", m.Properties.ResponseTopic, m.Properties.CorrelationData)
			}
			c.got <- line
			return true, nil
		}},
	})
	ack, err := c.Connect(ctx, cp)
	if err != nil || ack.ReasonCode != 0 {
		t.Fatalf("connect: %+v, %v", ack, err)
	}
	t.Cleanup(func() {
		defer cancel()
		_ = c.Disconnect(&paho5.Disconnect{}) // it may have been done
		<-c.Done()
	})
	return c
}

func (c *paho5Client) subscribe(filter string, qos byte) {
	c.t.Helper()
	_, err := c.Subscribe(c.ctx, &paho5.Subscribe{Subscriptions: []paho5.SubscribeOptions{{Topic: filter, QoS: qos}}})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *paho5Client) publish(p *paho5.Publish) {
	c.t.Helper()
	if r, err := c.Publish(c.ctx, p); err != nil {
		c.t.Fatalf("publish: %+v, %v", r, err)
	}
}

func (c *paho5Client) expect(want ...string) { expectAll(c.t, c.got, want) }

// TestPaho5 takes paho.golang through what applications do with it.
func TestPaho5(t *testing.T) {
	s := newServer(t, setup{})
	pub := newPaho5(t, s, &paho5.Connect{ClientID: "pub", CleanStart: true, KeepAlive: 60})

	t.Run("QoS", func(t *testing.T) {
		c := newPaho5(t, s, &paho5.Connect{ClientID: "sub", CleanStart: true, KeepAlive: 60})
		for qos := range byte(3) {
			c.subscribe(fmt.Sprintf("q%d/#", qos), qos)
			for i := range 5 {
				pub.publish(&paho5.Publish{Topic: fmt.Sprintf("q%d/x", qos), QoS: qos, Payload: fmt.Append(nil, "m", i)})
				c.expect(fmt.Sprintf("q%d/x m%d q=%d retain=false", qos, i, qos))
			}
		}
	})
	t.Run("properties", func(t *testing.T) {
		c := newPaho5(t, s, &paho5.Connect{ClientID: "responder", CleanStart: true, KeepAlive: 60})
		c.subscribe("request", 1)
		pub.publish(&paho5.Publish{Topic: "request", QoS: 1, Payload: []byte("question"), Properties: &paho5.PublishProperties{
			ResponseTopic: "reply", CorrelationData: []byte("42"), User: paho5.UserProperties{{Key: "z", Value: "1"}, {Key: "a", Value: "2"}},
		}})
		c.expect("request question q=1 retain=false z:1 a:2 reply/42")
	})
	t.Run("retained", func(t *testing.T) {
		pub.publish(&paho5.Publish{Topic: "kept", QoS: 1, Retain: true, Payload: []byte("value")})
		c := newPaho5(t, s, &paho5.Connect{ClientID: "late", CleanStart: true, KeepAlive: 60})
		c.subscribe("kept", 1)
		c.expect("kept value q=1 retain=true")
	})
	t.Run("will", func(t *testing.T) {
		c := newPaho5(t, s, &paho5.Connect{ClientID: "heir", CleanStart: true, KeepAlive: 60})
		c.subscribe("will", 1)
		mortal := newPaho5(t, s, &paho5.Connect{
			ClientID: "mortal", CleanStart: true, KeepAlive: 60,
			WillMessage: &paho5.WillMessage{Topic: "will", Payload: []byte("gone"), QoS: 1},
		})
		if err := mortal.Disconnect(&paho5.Disconnect{ReasonCode: 4}); err != nil {
			t.Fatal(err)
		}
		c.expect("will gone q=1 retain=false")
	})
	t.Run("away", func(t *testing.T) {
		expiry := uint32(3600)
		persistent := func() *paho5.Connect {
			return &paho5.Connect{ClientID: "device", KeepAlive: 60, Properties: &paho5.ConnectProperties{SessionExpiryInterval: &expiry}}
		}
		c := newPaho5(t, s, persistent())
		c.subscribe("inbox/device", 2)
		if err := c.Disconnect(&paho5.Disconnect{}); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			pub.publish(&paho5.Publish{Topic: "inbox/device", QoS: byte(1 + i%2), Payload: fmt.Append(nil, "m", i)})
		}
		c = newPaho5(t, s, persistent())
		for i := range 10 {
			c.expect(fmt.Sprintf("inbox/device m%d q=%d retain=false", i, 1+i%2))
		}
	})
}
