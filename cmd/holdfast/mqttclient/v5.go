package mqttclient

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session"
	"github.com/eclipse/paho.golang/paho/session/state"
)

// receiveMaximum5 is what we let a server have in flight; Paho makes a channel of that length.
const receiveMaximum5 = 1024

// client5 speaks MQTT 5.
type client5 struct {
	*finish
	paho    *paho.Client
	session *receipts
}

func connect5(ctx context.Context, o Options, conn net.Conn) (Client, error) {
	c := &client5{finish: newFinish()}
	c.session = &receipts{SessionManager: state.NewInMemory(), finish: c.finish}
	c.paho = paho.NewClient(paho.ClientConfig{
		Conn:          packets.NewThreadSafeConn(conn),
		Session:       c.session,
		PacketTimeout: Timeout,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			if m := p.Packet; o.OnMessage != nil && !c.session.last {
				c.session.last = o.OnMessage(Message{TopicName: m.Topic, Payload: m.Payload, QoS: m.QoS, Retain: m.Retain})
			}
			return true, nil
		}},
		OnServerDisconnect: func(d *paho.Disconnect) {
			e := &RefusedError{Op: opDisconnected, Code: d.ReasonCode, V5: true}
			if d.Properties != nil {
				e.Reason = d.Properties.ReasonString
			}
			c.with(e)
		},
		OnClientError: func(err error) { c.with(lost(err)) },
	})
	ack, err := c.paho.Connect(ctx, connectPacket(o))
	if err != nil {
		_ = c.session.Close()
		if ack != nil && ack.ReasonCode >= 0x80 {
			e := &RefusedError{Op: opConnection, Code: ack.ReasonCode, V5: true}
			if ack.Properties != nil {
				e.Reason = ack.Properties.ReasonString
			}
			return nil, e
		}
		return nil, explainConnect(o, err)
	}
	return c, nil
}

func connectPacket(o Options) *paho.Connect {
	expiry := uint32(min(o.SessionExpiry/time.Second, math.MaxUint32))
	receiveMaximum := uint16(receiveMaximum5)
	p := &paho.Connect{
		ClientID: o.ClientID, CleanStart: o.CleanStart, KeepAlive: seconds(o.KeepAlive),
		UsernameFlag: o.HasUsername, Username: o.Username,
		PasswordFlag: o.HasPassword, Password: []byte(o.Password),
		Properties: &paho.ConnectProperties{ReceiveMaximum: &receiveMaximum, RequestProblemInfo: true},
	}
	if expiry > 0 {
		p.Properties.SessionExpiryInterval = &expiry
	}
	if w := o.Will; w != nil {
		p.WillMessage = &paho.WillMessage{Topic: w.TopicName, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain}
	}
	return p
}

func (c *client5) Publish(ctx context.Context, m Message) error {
	r, err := c.paho.Publish(ctx, &paho.Publish{Topic: m.TopicName, Payload: m.Payload, QoS: m.QoS, Retain: m.Retain})
	// The client returns a PUBREC's failure without an error, a PUBACK's with one that hides the code.
	if r != nil && r.ReasonCode >= 0x80 {
		e := &RefusedError{Op: opMessage, Code: r.ReasonCode, V5: true}
		if r.Properties != nil {
			e.Reason = r.Properties.ReasonString
		}
		return e
	}
	return c.cause(err)
}

func (c *client5) Subscribe(ctx context.Context, filters []string, qos byte) ([]byte, error) {
	s := &paho.Subscribe{}
	for _, f := range filters {
		s.Subscriptions = append(s.Subscriptions, paho.SubscribeOptions{Topic: f, QoS: qos})
	}
	ack, err := c.paho.Subscribe(ctx, s)
	if ack != nil {
		for i, code := range ack.Reasons {
			if code >= 0x80 && i < len(filters) {
				return nil, &RefusedError{Op: fmt.Sprintf("subscription to %q", filters[i]), Code: code, V5: true}
			}
		}
	}
	if err != nil {
		return nil, c.cause(err)
	}
	return ack.Reasons, nil
}

// cause prefers what the server said in DISCONNECT over what the broken connection says.
func (c *client5) cause(err error) error {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*RefusedError](c.Err()); ok {
		return refused
	}
	return err
}

func (c *client5) Close() {
	_ = c.paho.Disconnect(&paho.Disconnect{})
	_ = c.session.Close()
}

// receipts is a session that knows when the last message wanted has been acknowledged, and acknowledges
// none after it. Paho calls Ack on the goroutine that called OnPublishReceived, right after it.
type receipts struct {
	session.SessionManager
	finish *finish
	last   bool // owned by Paho's goroutine that routes messages
	over   bool // likewise
}

// Ack implements [session.SessionManager].
func (r *receipts) Ack(p *packets.Publish) error {
	if r.over {
		return nil
	}
	var err error
	if p.QoS > 0 {
		err = r.SessionManager.Ack(p)
	}
	if r.last {
		r.over = true
		r.finish.with(nil)
	}
	return err
}
