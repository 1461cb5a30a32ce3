package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// quiet is a Link to a device that takes everything.
type quiet struct{}

func (quiet) Deliver(*broker.Delivery) broker.Verdict { return broker.Sent }
func (quiet) Release(broker.PacketID, any)            {}
func (quiet) Yield(any)                               {}
func (quiet) End(error)                               {}

// withPump is a broker to which the device "pump" connects, subscribing to "news" with QoS 1.
func withPump(hooks ...broker.Hook) (b *broker.Broker, sc *broker.Scratch, pump broker.Connected) {
	b = broker.New(broker.Config{Store: memory.New(), Hooks: hooks})
	sc = b.NewScratch(nil)
	b.Connect(sc, &broker.Connect{
		App: b.App(broker.DefaultApp), ClientID: "pump", User: "ann", Protocol: "mqtt", Version: 5, Link: quiet{},
	}, func(c broker.Connected) { pump = c })
	pump.Session.Start(sc, pump.Epoch)
	news := []broker.Subscribe{{TopicFilter: "news", Options: topic.NewOptions(1, false, false, 0)}}
	if _, _, err := pump.Session.Subscribe(sc, pump.Epoch, news, nil); err != nil {
		fmt.Println(err)
	}
	return b, sc, pump
}

// presence tells who is there.
type presence struct{}

func (presence) ID() string { return "presence" }

func (presence) OnSessionEstablished(_ context.Context, e *broker.SessionEstablished) {
	fmt.Printf("%s connected as %s by %s %d\n", e.ClientID, e.User, e.Protocol, e.Version)
}

func (presence) OnSubscribed(_ context.Context, e *broker.Subscribed) {
	fmt.Printf("%s subscribed to %s\n", e.ClientID, e.Subscriptions[0].TopicFilter)
}

func (presence) OnDisconnect(_ context.Context, e *broker.Disconnected) {
	fmt.Printf("%s disconnected: %v\n", e.ClientID, e.Reason)
}

// A session observer implements those of the interfaces that it needs. It may write to a database: it is called
// beside the loops.
func ExampleSessionEstablishedObserver() {
	b, sc, pump := withPump(presence{})
	pump.Session.Detach(sc, pump.Epoch, broker.Leave{Reason: errors.New("connection reset")})
	b.Close() // waits for what is still to be told
	// Output:
	// pump connected as ann by mqtt 5
	// pump subscribed to news
	// pump disconnected: connection reset
}

// curfew lets nobody in but pumps.
type curfew struct{}

func (curfew) ID() string { return "curfew" }

func (curfew) OnConnect(c *broker.Connecting) error {
	if c.User == "mallory" {
		return broker.ErrBanned
	}
	if !strings.HasPrefix(c.ClientID, "pump") {
		return errors.New("it is night")
	}
	return nil
}

// A connect interceptor is called on the client's loop when authentication has let the client in, and answers at once.
func ExampleConnectInterceptor() {
	b, sc, _ := withPump(curfew{})
	defer b.Close()
	for _, clientID := range []string{"pump-2", "lamp"} {
		b.Connect(sc, &broker.Connect{App: b.App(broker.DefaultApp), ClientID: clientID, Link: quiet{}}, func(c broker.Connected) {
			fmt.Printf("%s: %v\n", clientID, c.Err)
		})
	}
	// Output:
	// pump-2: <nil>
	// lamp: not authorized
}

// censor keeps words out, and moves old Topic Names to where they are today.
type censor struct{}

func (censor) ID() string { return "censor" }

func (censor) OnPublish(p *broker.Publication) broker.Interception {
	if old, ok := strings.CutPrefix(p.TopicName, "v1/"); ok {
		p.TopicName = old
	}
	switch {
	case strings.Contains(string(p.Payload), "spam"):
		return broker.Drop
	case len(p.Payload) == 0:
		return broker.Reject
	}
	return broker.Pass
}

// A publish interceptor is called on the publisher's loop, and answers at once.
func ExamplePublishInterceptor() {
	b, sc, pump := withPump(censor{})
	defer b.Close()
	for _, text := range []string{"hello", "spam", ""} {
		r := b.Publish(sc, &broker.Publish{
			App: pump.Session.App(), Session: pump.Session, Epoch: pump.Epoch,
			Message: &broker.Message{TopicName: "v1/news", Payload: []byte(text)},
		})
		fmt.Printf("%q: accepted %t, rejected %t\n", text, r.OK(), r == broker.Rejected)
	}
	st := b.Stats()
	fmt.Println(st.Delivered[0], "delivered,", st.Discarded, "dropped,", st.Rejected, "rejected")
	// Output:
	// "hello": accepted true, rejected false
	// "spam": accepted true, rejected false
	// "": accepted false, rejected true
	// 1 delivered, 1 dropped, 1 rejected
}

// receipts follows messages to their devices.
type receipts struct{}

func (receipts) ID() string { return "receipts" }

func (receipts) OnQosPublish(_ context.Context, e *broker.Delivered) {
	fmt.Printf("%q is on its way to %s as packet %d\n", e.Message.Payload, e.ClientID, e.PacketID)
}

func (receipts) OnQosComplete(_ context.Context, e *broker.Completed) {
	fmt.Printf("%s has acknowledged packet %d\n", e.ClientID, e.PacketID)
}

func (receipts) OnPublishDropped(_ context.Context, e *broker.Dropped) {
	fmt.Printf("%q does not reach %s: %s\n", e.Message.Payload, e.ClientID, e.Reason)
}

// A delivery observer is told what becomes of messages.
func ExampleDeliveredObserver() {
	b, sc, pump := withPump(receipts{})
	publish := func(name, text string, qos broker.QoS) {
		m := &broker.Message{TopicName: name, Payload: []byte(text), QoS: qos}
		b.Publish(sc, &broker.Publish{App: pump.Session.App(), Message: m})
	}
	publish("news", "hello", 1)
	pump.Session.Ack(sc, pump.Epoch, 1)
	publish("inbox/valve", "are you there?", 0)
	b.Close()
	// Output:
	// "hello" is on its way to pump as packet 1
	// pump has acknowledged packet 1
	// "are you there?" does not reach valve: offline
}
