package mqtt_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/mqttclient"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// serve runs an MQTT server as cfg says, calls f with its address, and ends it.
func serve(cfg mqtt.Config, f func(address string)) error {
	engine, err := netloop.New(netloop.Config{Loops: 1})
	if err != nil {
		return err
	}
	cfg.Broker = broker.New(broker.Config{Store: memory.New()})
	defer cfg.Broker.Close()
	srv := mqtt.NewServer(cfg, engine)
	defer srv.Stop()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, engine.Shutdown(context.Background()))
	}
	address := ln.Addr().String()
	if _, err := engine.Listen(ln, srv.NewHandler, nil); err != nil {
		return errors.Join(err, engine.Shutdown(context.Background()))
	}
	f(address)
	return engine.Shutdown(context.Background())
}

// voucher lets in who has the word of the day.
type voucher struct{}

func (voucher) OnConnectAuthenticate(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	switch {
	case !r.HasPassword:
		return broker.Ignore, nil, nil
	case string(r.Password) != "swordfish":
		return broker.Deny, nil, nil
	}
	return broker.Allow, &broker.Identity{User: "guest of " + r.User}, nil
}

// An authenticator may ask a database: it is called beside the loops.
func ExampleConfig_authenticator() {
	err := serve(mqtt.Config{Authenticator: voucher{}}, func(address string) {
		for _, word := range []string{"swordfish", "please"} {
			c, err := mqttclient.Dial(context.Background(), mqttclient.Options{
				Network: "tcp", Address: address, Version: mqttclient.V5, ClientID: "pump", CleanStart: true,
				Username: "ann", HasUsername: true, Password: word, HasPassword: true,
			})
			fmt.Printf("%s: let in %t\n", word, err == nil)
			if err == nil {
				c.Close()
			}
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// swordfish: let in true
	// please: let in false
}

// ownTree has each client publish below its Client Identifier.
type ownTree struct{}

func (ownTree) OnACLCheck(a *broker.Access) broker.Decision {
	if a.Action == broker.ActionPublish && !strings.HasPrefix(a.Topic, a.ClientID+"/") {
		return broker.Deny
	}
	return broker.Allow
}

// An authorizer is called on the client's loop, and answers at once.
func ExampleConfig_authorizer() {
	err := serve(mqtt.Config{Authorizer: ownTree{}}, func(address string) {
		c, err := mqttclient.Dial(context.Background(), mqttclient.Options{
			Network: "tcp", Address: address, Version: mqttclient.V5, ClientID: "pump", CleanStart: true,
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer c.Close()
		for _, name := range []string{"pump/state", "valve/state"} {
			err := c.Publish(context.Background(), mqttclient.Message{TopicName: name, QoS: 1})
			fmt.Printf("%s: published %t\n", name, err == nil)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// pump/state: published true
	// valve/state: published false
}
