package client_test

import (
	"context"
	"fmt"
	"log"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// A phone that prints what comes for its user, and acknowledges it.
func Example() {
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Options{
		URL: "ximps://push.example:8885", Header: packet.Header{Version: 1, ClientVersion: 102, App: 4242},
		DefaultKey: "the app's default key", User: "alice", VerfSalt: "the app's salt", DeviceID: "phone-7",
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	inbox := c.Inbox(packet.BoxPeer, 0)
	show := func(m packet.Stored) error {
		_, err := fmt.Printf("%d %s\n", m.ID.Value, m.Body)
		return err
	}
	for err = inbox.Pull(ctx, show); err == nil; err = inbox.Pull(ctx, show) {
		if e, open := <-c.Events(); !open || e.Err() != nil {
			break
		}
	}
	log.Print(err, c.Err())
}
