package mqttclient

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// disconnectWait bounds the wait until DISCONNECT has been written.
const disconnectWait = time.Second

// client3 speaks MQTT 3.1 and 3.1.1.
type client3 struct {
	*finish
	paho paho.Client
}

func connect3(ctx context.Context, o Options, conn net.Conn) (Client, error) {
	c := &client3{finish: newFinish()}
	po := paho.NewClientOptions().
		AddBroker("tcp://" + o.Address). // only for its messages: the connection is there already
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return conn, nil }).
		SetProtocolVersion(uint(o.Version)).
		SetClientID(o.ClientID).
		SetCleanSession(o.CleanStart).
		SetKeepAlive(o.KeepAlive).
		SetConnectTimeout(Timeout).
		SetAutoReconnect(false).
		SetOrderMatters(true).
		SetAutoAckDisabled(true).
		SetConnectionLostHandler(func(_ paho.Client, err error) { c.with(lost(err)) }).
		SetDefaultPublishHandler(c.handler(o.OnMessage))
	if o.HasUsername {
		po.SetUsername(o.Username)
	}
	if o.HasPassword {
		po.SetPassword(o.Password)
	}
	if w := o.Will; w != nil {
		po.SetBinaryWill(w.TopicName, w.Payload, w.QoS, w.Retain)
	}
	c.paho = paho.NewClient(po)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	token := c.paho.Connect()
	token.Wait()
	if err := token.Error(); err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			return nil, explainConnect(o, ctx.Err())
		}
		if code := token.(*paho.ConnectToken).ReturnCode(); code < packets.ErrNetworkError {
			return nil, &RefusedError{Op: opConnection, Code: code}
		}
		return nil, explainConnect(o, err)
	}
	return c, nil
}

// handler hands messages to onMessage and acknowledges them itself: the acknowledgement of the last one
// is then on its way before Done closes and the caller disconnects.
func (c *client3) handler(onMessage func(Message) bool) paho.MessageHandler {
	last := false
	return func(_ paho.Client, m paho.Message) {
		if last {
			return
		}
		if onMessage != nil {
			last = onMessage(Message{TopicName: m.Topic(), Payload: m.Payload(), QoS: m.Qos(), Retain: m.Retained()})
		}
		m.Ack()
		if last {
			c.with(nil)
		}
	}
}

func (c *client3) Publish(ctx context.Context, m Message) error {
	return c.wait(ctx, c.paho.Publish(m.TopicName, m.QoS, m.Retain, m.Payload))
}

func (c *client3) Subscribe(ctx context.Context, filters []string, qos byte) ([]byte, error) {
	wanted := make(map[string]byte, len(filters))
	for _, f := range filters {
		wanted[f] = qos
	}
	// A nil callback leaves the messages to the default handler.
	token := c.paho.SubscribeMultiple(wanted, nil)
	err := c.wait(ctx, token)
	select {
	case <-token.Done():
	default: // Paho may still be writing the result
		return nil, err
	}
	result := token.(*paho.SubscribeToken).Result()
	granted := make([]byte, len(filters))
	for i, f := range filters {
		granted[i] = result[f]
		if granted[i] == 0x80 {
			return nil, &RefusedError{Op: fmt.Sprintf("subscription to %q", f), Code: 0x80}
		}
	}
	if err != nil {
		return nil, err
	}
	return granted, nil
}

// wait blocks until the operation of token has ended.
func (c *client3) wait(ctx context.Context, token paho.Token) error {
	timer := time.NewTimer(Timeout)
	defer timer.Stop()
	select {
	case <-token.Done():
		return token.Error()
	case <-c.Done():
		if err := c.Err(); err != nil {
			return err
		}
		return ErrConnectionLost
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("no acknowledgement within %v", Timeout)
	}
}

func (c *client3) Close() { c.paho.Disconnect(uint(disconnectWait / time.Millisecond)) }

// lost makes an error of the end of a connection: MQTT 3 servers end it without a word.
func lost(err error) error {
	return fmt.Errorf("%w: %w", ErrConnectionLost, err)
}
