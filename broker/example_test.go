package broker_test

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// printer is a Link that prints what it is to send.
type printer struct{ last broker.PacketID }

func (p *printer) Deliver(d *broker.Delivery) broker.Verdict {
	fmt.Printf("%s: %s (QoS %d, packet %d)\n", d.Message.TopicName, d.Message.Payload, d.QoS, d.PacketID)
	p.last = d.PacketID
	return broker.Sent
}

func (p *printer) Release(id broker.PacketID, _ any) { fmt.Println("release", id) }
func (p *printer) Yield(any)                         {}
func (p *printer) End(reason error)                  { fmt.Println("end:", reason) }

// A front connects a client with a Link of its own, tells the broker what the
// client says, and sends what the Link is given.
func Example() {
	b := broker.New(broker.Config{Store: memory.New()})
	defer b.Close()
	app, sc := b.App(broker.DefaultApp), b.NewScratch(nil)

	var device broker.Connected
	link := new(printer)
	b.Connect(sc, &broker.Connect{App: app, ClientID: "device", Expiry: 3600, Link: link}, func(c broker.Connected) { device = c })
	device.Session.Start(sc, device.Epoch)
	filters := []broker.Subscribe{{TopicFilter: "news/+", Options: topic.NewOptions(1, false, false, 0)}}
	if _, _, err := device.Session.Subscribe(sc, device.Epoch, filters, nil); err != nil {
		fmt.Println(err)
	}

	news := func(text string) broker.Result {
		m := &broker.Message{TopicName: "news/today", Payload: []byte(text), QoS: 1}
		return b.Publish(sc, &broker.Publish{App: app, Message: m})
	}
	news("hello")
	device.Session.Ack(sc, device.Epoch, link.last)

	device.Session.Detach(sc, device.Epoch, broker.Leave{})
	fmt.Println("kept while off line:", news("are you there?").OK())

	b.Connect(sc, &broker.Connect{App: app, ClientID: "device", Expiry: 3600, Link: link}, func(c broker.Connected) { device = c })
	fmt.Println("session present:", device.Present)
	device.Session.Start(sc, device.Epoch)

	// Output:
	// news/today: hello (QoS 1, packet 1)
	// kept while off line: true
	// session present: true
	// news/today: are you there? (QoS 1, packet 2)
}
