package client

import (
	"crypto/rand"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// ramSize is how many random characters a client chooses at each step of the login.
const ramSize = 8

// logIn does both steps of the login and sets the key for what follows.
func (c *Client) logIn() error {
	serverRAM, err := c.initLogin()
	if err != nil {
		return fmt.Errorf("begin the login: %w", err)
	}
	if c.login, err = c.finishLogin(serverRAM); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	c.key = packet.Key(c.login.SessionKey)
	if err := c.key.Check(); err != nil {
		return fmt.Errorf("session key: %w", err)
	}
	return nil
}

func (c *Client) initLogin() (serverRAM []byte, err error) {
	o := &c.o
	ram := rand.Text()[:ramSize]
	m := &packet.Message{
		ID: packet.IDInitLogin, Sender: []byte(o.User), SenderType: []byte("jid"),
		Request: &packet.Request{InitLogin: &packet.InitLoginRequest{ClientRAM: []byte(ram)}},
	}
	if o.Sig != "" {
		m.Request.InitLogin.Sig = []byte(o.Sig)
	}
	r, err := c.exchange(m, true, o.DefaultKey)
	switch {
	case err != nil:
		return nil, err
	case r.InitLogin == nil || string(r.InitLogin.ClientRAM) != ram:
		return nil, ErrAnswer
	}
	return r.InitLogin.ServerRAM, nil
}

func (c *Client) finishLogin(serverRAM []byte) (*packet.LoginResponse, error) {
	o := &c.o
	m := &packet.Message{
		ID: packet.IDLogin, Sender: []byte(o.User), SenderType: []byte("jid"),
		Request: &packet.Request{Login: &packet.LoginRequest{
			MobileType: []byte(o.MobileType), NetType: o.NetType, ServerRAM: serverRAM,
			SecretRAM: packet.SecretRAM(o.password(), serverRAM, []byte(rand.Text()[:ramSize])),
			App:       packet.Some(uint32(o.Header.App)),
			HeartFeq:  packet.Some(uint32(o.Heartbeat.Seconds())),
		}},
	}
	login := m.Request.Login
	for _, f := range []struct {
		to   *[]byte
		from string
	}{{&login.DeviceID, o.DeviceID}, {&login.Platform, o.Platform}, {&login.VerfCode, o.VerfCode}} {
		if f.from != "" {
			*f.to = []byte(f.from)
		}
	}
	if !o.Encrypt {
		login.NotEncrypt = packet.Some(true)
	}
	r, err := c.exchange(m, false, o.password(), o.DefaultKey)
	switch {
	case err != nil:
		return nil, err
	case r.Login == nil:
		return nil, ErrAnswer
	}
	return r.Login, nil
}

// exchange sends m, under the default key, and waits for the answer, which is under
// one of keys. Heartbeats before it are skipped.
func (c *Client) exchange(m *packet.Message, first bool, keys ...packet.Key) (*packet.Response, error) {
	m.SN = c.sn.Add(1)
	if c.o.Trace != nil {
		c.o.Trace(true, m)
	}
	var b []byte
	switch {
	case c.o.Text:
		b = packet.AppendText(nil, m, c.o.DefaultKey, first)
	case first:
		b = packet.AppendFirst(nil, c.o.Header, m, c.o.DefaultKey)
	default:
		b = packet.AppendPacket(nil, m, c.o.DefaultKey)
	}
	if _, err := c.stream.conn.Write(b); err != nil {
		return nil, err
	}
	f := packet.Frame{Heartbeat: true}
	for f.Heartbeat {
		var err error
		if f, err = c.stream.next(); err != nil {
			return nil, err
		}
	}
	// That a version 1 server begins with the magic tells it from a captive network.
	if f.Magic != (first && c.o.Header.Version > 0) {
		return nil, ErrMagic
	}
	for _, key := range keys {
		// Under a wrong key it does not decode, or has another number.
		answer, _, err := c.open(f, key)
		if err != nil || answer.SN != m.SN {
			continue
		}
		if c.o.Trace != nil {
			c.o.Trace(false, answer)
		}
		return checkAnswer(m, answer)
	}
	return nil, ErrKey
}
