package main

import (
	"crypto/tls"
	"errors"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// mqtt3 is paho.mqtt.golang. Its protocol level is 3 (MQTT 3.1) or 4 (3.1.1).
type mqtt3 struct {
	address string
	tls     *tls.Config // nil for none
	level   uint
	client  paho.Client
}

func (c *mqtt3) connect(clientID string, clean bool, will *message) (bool, error) {
	scheme := "tcp"
	if c.tls != nil {
		scheme = "ssl"
	}
	o := paho.NewClientOptions().AddBroker(scheme + "://" + c.address).SetTLSConfig(c.tls).SetProtocolVersion(c.level).
		SetClientID(clientID).SetCleanSession(clean).SetAutoReconnect(false).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
			printMessage(message{m.Topic(), m.Qos(), m.Retained(), string(m.Payload())})
		}).
		SetConnectionLostHandler(func(_ paho.Client, err error) { fail(err) })
	if will != nil {
		o.SetWill(will.topic, will.payload, will.qos, will.retain)
	}
	c.client = paho.NewClient(o)
	token := c.client.Connect()
	err := wait(token)
	return token.(*paho.ConnectToken).SessionPresent(), err
}

func (c *mqtt3) subscribe(filter string, qos byte) (byte, error) {
	token := c.client.Subscribe(filter, qos, nil)
	err := wait(token)
	return token.(*paho.SubscribeToken).Result()[filter], err
}

func (c *mqtt3) publish(m message) error {
	return wait(c.client.Publish(m.topic, m.qos, m.retain, m.payload))
}

func (c *mqtt3) disconnect() error {
	c.client.Disconnect(uint(patience.Milliseconds())) // the longest wait for what is in flight
	return nil
}

func wait(token paho.Token) error {
	if !token.WaitTimeout(patience) {
		return errors.New("no answer")
	}
	return token.Error()
}
