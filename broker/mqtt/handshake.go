package mqtt

import (
	"cmp"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// onConnect decides about CONNECT. The answer follows in onConnected.
func (c *conn) onConnect(f packet.Frame) error {
	p, err := packet.DecodeConnect(f)
	if err != nil {
		return err
	}
	c.version = p.Version
	c.maxPacket = p.MaximumPacketSize
	c.problemInfo = !p.NoProblemInfo
	if c.ls.srv.cfg.Logins.TurnsAway() {
		c.refuse(packet.ServerBusy)
		c.close(errBusy, 0)
		return nil
	}
	answer := &packet.ConnAck{ReceiveMaximum: uint16(c.ls.srv.cfg.ReceiveMaximum)}
	return c.authenticate(p, answer)
}

// enter lets a client in that is who it says. The answer follows in onConnected.
func (c *conn) enter(p *packet.Connect, answer *packet.ConnAck, identity *broker.Identity) error {
	cfg := &c.ls.srv.cfg
	id, assigned := clientIDOf(p, identity)
	if assigned {
		answer.AssignedClientID = id // v5 [MQTT-3.1.3-7]
	}
	app := c.ls.srv.appOf(c.listener(), identity)
	c.setRights(c.ls.newRights(broker.Access{
		App: app.Name(), ClientID: id, User: cmp.Or(identity.User, p.Username), Remote: login.Remote(c.nc).Addr(),
	}, identity, c.nc.Now()))
	if err := c.checkWill(p); err != nil {
		return err
	}
	c.setKeepAlive(p, answer)
	answer.MaximumPacketSize = uint32(cfg.MaxPacketSize)
	answer.TopicAliasMaximum = uint16(cfg.TopicAliasMaximum)
	if p.RequestResponseInfo && !strings.ContainsAny(id, "+#") { // it is to begin Topic Names
		answer.ResponseInformation = "response/" + id + "/"
	}
	c.state = connecting
	c.aliasesOut = newAliasesOut(min(int(p.TopicAliasMaximum), cfg.TopicAliasMaximum))
	req := &broker.Connect{
		App:            app,
		ClientID:       id,
		User:           cmp.Or(identity.User, p.Username),
		CleanStart:     p.CleanStart,
		Expiry:         expiryOf(p),
		ReceiveMaximum: p.ReceiveMaximum,
		Will:           willOf(p.Will),
		Link:           c,
		Remote:         login.Remote(c.nc),
		Listener:       c.listener().Name(),
		Protocol:       protocolName,
		Version:        uint8(p.Version),
	}
	if l := c.login(); l != nil && l.exchange == nil {
		c.setLogin(nil) // nothing of it is needed any more
	} else if l != nil {
		l.connect, l.answer, l.request.Password = nil, nil, nil
	}
	asked := req.Expiry
	c.ls.srv.broker.Connect(c.ls.scratch, req, func(r broker.Connected) {
		if r.Err == nil && r.Expiry != asked && p.Version == packet.V5 {
			answer.HasSessionExpiry, answer.SessionExpiry = true, r.Expiry
		}
		c.nc.Loop().PostFunc(func() { c.onConnected(r, answer) })
	})
	return nil
}

// checkWill refuses a CONNECT whose Will the client could not publish itself:
// v5 [MQTT-3.1.4-2].
func (c *conn) checkWill(p *packet.Connect) error {
	w := p.Will
	if w == nil {
		return nil
	}
	code, err := packet.NotAuthorized, error(nil)
	switch {
	case topic.Levels(w.Topic) > c.ls.srv.cfg.MaxTopicLevels:
		code, err = packet.TopicNameInvalid, errTooManyLevels
	case isSystemTopic(w.Topic):
		err = errSystemTopic
	case !c.allows(broker.ActionPublish, w.Topic, w.QoS, w.Retain):
		err = errNotAuthorized
	default:
		return nil
	}
	return &packet.Error{Code: code, Version: p.Version, Op: "read CONNECT", Err: err}
}

// onConnected answers CONNECT and lets messages flow.
func (c *conn) onConnected(r broker.Connected, answer *packet.ConnAck) {
	switch {
	case c.state == closed:
		if r.Err == nil { // it has gone meanwhile
			r.Session.Detach(c.ls.scratch, r.Epoch, broker.Leave{})
		}
		return
	case r.Err != nil:
		c.refuse(connectCode(r.Err))
		c.close(r.Err, 0)
		return
	}
	c.session, c.epoch, c.expiry = r.Session, r.Epoch, r.Expiry
	c.hadExpiry = r.Expiry > 0
	answer.SessionPresent = r.Present
	connAck := packet.AppendConnAck(c.controlBuf(), c.version, answer, c.maxPacket)
	if len(connAck) == 0 { // v5 [MQTT-3.1.2-24]: it must not be sent, and nothing can be without it
		c.close(errConnAckTooLarge, 0)
		return
	}
	c.put(connAck)
	count(&c.ls.srv.stats.connects)
	c.state = connected
	c.beginPace()
	c.heard = c.nc.Now()
	c.armTimer()
	c.session.Start(c.ls.scratch, c.epoch)
	c.nc.ResumeRead()
	c.nc.Again()
}

// connectCode is the Reason Code for a CONNECT that the broker has refused.
func connectCode(err error) packet.ReasonCode {
	switch {
	case errors.Is(err, broker.ErrStoreFull), errors.Is(err, broker.ErrQuotaExceeded):
		return packet.QuotaExceeded
	case errors.Is(err, broker.ErrBanned):
		return packet.Banned
	case errors.Is(err, broker.ErrNotAuthorized):
		return packet.NotAuthorized
	}
	return packet.ServerUnavailable
}

// refuse answers CONNECT with a reason. The caller closes the connection.
func (c *conn) refuse(code packet.ReasonCode) {
	count(&c.ls.srv.stats.refused)
	c.put(packet.AppendConnAck(c.controlBuf(), c.version, &packet.ConnAck{Reason: code}, c.maxPacket))
}

// put puts out a control packet.
func (c *conn) put(b []byte) { c.nc.Write(c.ls.loop, b) }

func (c *conn) controlBuf() []byte { return make([]byte, 0, 64) }

// setKeepAlive notes the client's Keep Alive, or the server's own if that is
// shorter, which only MQTT 5 clients can be told: v5 [MQTT-3.2.2-21].
func (c *conn) setKeepAlive(p *packet.Connect, answer *packet.ConnAck) {
	seconds := p.KeepAlive
	if most := c.ls.srv.cfg.MaxKeepAlive; most > 0 && p.Version == packet.V5 {
		limit := uint16(min(most/time.Second, 65535))
		if seconds == 0 || seconds > limit {
			seconds = limit
			answer.HasServerKeepAlive, answer.ServerKeepAlive = true, limit
		}
	}
	c.keepAlive = keepAliveLimit(seconds)
}

// expiryOf is the Session Expiry Interval. MQTT 3 knows only sessions that end
// with the connection and such that do not.
func expiryOf(p *packet.Connect) uint32 {
	switch {
	case p.Version == packet.V5:
		return p.SessionExpiry
	case p.CleanStart:
		return 0
	}
	return broker.NeverExpires
}

func willOf(w *packet.Will) *broker.Will {
	if w == nil {
		return nil
	}
	out := &broker.Will{
		Message: &broker.Message{
			TopicName:  w.Topic,
			Payload:    w.Payload,
			QoS:        broker.QoS(w.QoS),
			Retain:     w.Retain,
			Properties: w.Forward,
		},
		Delay: time.Duration(w.Delay) * time.Second,
	}
	if w.HasMessageExpiry {
		out.Expiry = max(time.Duration(w.MessageExpiry)*time.Second, 1)
	}
	return out
}

// assignClientID makes a Client Identifier that nobody else has.
func assignClientID() string { return "auto-" + strings.ToLower(rand.Text()) }
