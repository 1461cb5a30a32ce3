package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
)

// sessionExpiry is the Session Expiry Interval in seconds of a Session that outlives its connection.
const sessionExpiry = 600

// mqtt5 is paho.golang.
type mqtt5 struct {
	address string
	tls     *tls.Config  // nil for none
	session *state.State // of all connections, since they have one Client Identifier
	client  *paho.Client
	leaving *atomic.Bool // of client: the library reports the end of its own connection as an error
}

func newMQTT5(address string, secure *tls.Config) *mqtt5 {
	return &mqtt5{address: address, tls: secure, session: state.NewInMemory()}
}

func (c *mqtt5) connect(clientID string, clean bool, will *message) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		return false, err
	}
	if c.tls != nil {
		conn = tls.Client(conn, c.tls)
	}
	leaving := new(atomic.Bool)
	c.leaving = leaving
	c.client = paho.NewClient(paho.ClientConfig{
		Conn:    conn,
		Session: c.session,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			printMessage(message{p.Packet.Topic, p.Packet.QoS, p.Packet.Retain, string(p.Packet.Payload)})
			return true, nil
		}},
		OnServerDisconnect: func(d *paho.Disconnect) { fail(fmt.Errorf("DISCONNECT with Reason Code %#x", d.ReasonCode)) },
		OnClientError: func(err error) {
			if !leaving.Load() {
				fail(err)
			}
		},
	})
	connect := &paho.Connect{ClientID: clientID, CleanStart: clean, KeepAlive: 60}
	if !clean {
		expiry := uint32(sessionExpiry)
		connect.Properties = &paho.ConnectProperties{SessionExpiryInterval: &expiry}
	}
	if will != nil {
		connect.WillMessage = &paho.WillMessage{
			Topic: will.topic, QoS: will.qos, Retain: will.retain, Payload: []byte(will.payload),
		}
	}
	ack, err := c.client.Connect(ctx, connect)
	if err != nil {
		return false, err
	}
	return ack.SessionPresent, nil
}

func (c *mqtt5) subscribe(filter string, qos byte) (byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ack, err := c.client.Subscribe(ctx, &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: qos}},
	})
	if err != nil {
		return 0, err
	}
	return ack.Reasons[0], nil
}

func (c *mqtt5) publish(m message) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := c.client.Publish(ctx, &paho.Publish{
		Topic: m.topic, QoS: m.qos, Retain: m.retain, Payload: []byte(m.payload),
	})
	return err
}

func (c *mqtt5) disconnect() error {
	c.leaving.Store(true)
	if err := c.client.Disconnect(&paho.Disconnect{}); err != nil {
		return err
	}
	<-c.client.Done()
	return nil
}
