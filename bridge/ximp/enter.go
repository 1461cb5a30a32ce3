package ximp

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// enter gives the client its Session. The answer follows in onConnected.
func (c *conn) enter() {
	n, srv := c.newcomer, c.ls.srv
	n.until = 0
	r := &n.request
	app := srv.broker.App(r.App)
	user := cmp.Or(n.identity.User, r.User)
	c.rights = c.newRights(broker.Access{App: app.Name(), ClientID: r.ClientID, User: user, Remote: r.Remote.Addr()}, n.identity)
	kept := topic.NewOptions(1, false, false, 0)
	req := &broker.Connect{
		App:            app,
		ClientID:       r.ClientID,
		User:           user,
		Expiry:         uint32(srv.cfg.SessionExpiry / time.Second),
		ReceiveMaximum: uint16(srv.cfg.Window),
		Link:           c,
		Subscriptions: []broker.Subscribe{
			{TopicFilter: userTopic(c.user), Options: kept},
			{TopicFilter: "broadcast/" + app.Name(), Options: kept},
		},
		NumberAll: true,
		Pulls:     true,
		Remote:    r.Remote,
		Listener:  r.Listener,
		Protocol:  protocolName,
		Version:   c.version,
	}
	if c.transient {
		req.Expiry = 0
	}
	if rules := c.from.rules(); rules.Presence {
		req.Will = bridge.Presence(r.ClientID, rules.PresenceDelay)
	}
	srv.broker.Connect(c.ls.scratch, req, func(r broker.Connected) {
		c.nc.Loop().PostFunc(func() { c.onConnected(r) })
	})
}

// onConnected answers Login, changes the key and lets messages flow.
func (c *conn) onConnected(r broker.Connected) {
	n := c.newcomer
	switch {
	case c.state != deciding:
		if r.Err == nil { // it has gone meanwhile
			r.Session.Detach(c.ls.scratch, r.Epoch, broker.Leave{})
		}
		return
	case errors.Is(r.Err, broker.ErrTakenOver):
		c.refuse(n.sn, packet.CodeElsewhere, packet.CodeElsewhere.String())
		return
	case errors.Is(r.Err, broker.ErrBanned), errors.Is(r.Err, broker.ErrNotAuthorized):
		c.refuse(n.sn, packet.CodeCredentials, r.Err.Error())
		return
	case errors.Is(r.Err, broker.ErrStoreFull), errors.Is(r.Err, broker.ErrQuotaExceeded):
		c.refuse(n.sn, packet.CodeOverloaded, "try again later")
		return
	case r.Err != nil:
		c.ls.srv.cfg.Logger.Error("login_failed", "client_id", n.request.ClientID, "error", r.Err)
		c.refuse(n.sn, packet.CodeRefused, "the session could not be stored")
		return
	}
	c.session, c.epoch = r.Session, r.Epoch
	c.number(r.Seq)
	next := c.answerLogin(n)
	c.key = next // all that follows, both ways
	c.newcomer = nil
	c.state = loggedIn
	if m := c.session.Meter(); m != nil {
		c.more().meter = m
	}
	now := c.nc.Now()
	c.heard, c.quiet = now, now+quietTime
	count(&c.ls.srv.stats.logins)
	c.session.Start(c.ls.scratch, c.epoch)
	c.arm()
	c.nc.ResumeRead()
	c.nc.Again()
}

// answerLogin sends LoginResp under the key that it has, and returns the one of what follows.
func (c *conn) answerLogin(n *newcomer) (next packet.Key) {
	rules := c.from.rules()
	plain := c.web || c.nc.IsTLS() || rules.Plaintext || slices.Contains(rules.PlaintextTypes, n.mobile)
	if c.key != "" && (!n.plain || !plain) {
		next = packet.Key(randomText())
	}
	switch {
	case c.key == "": // no keys at all
	case !n.signed:
		c.key = packet.Key(c.user)
	case rules.TokenKey && n.token != "":
		c.key = n.token
	}
	r := &packet.LoginResponse{
		Timestamp:  uint32(c.ls.srv.broker.Clock().Now().Unix()),
		SessionKey: []byte(next),
	}
	if n.request.Remote.IsValid() {
		r.ClientIP = []byte(n.request.Remote.Addr().String())
	}
	c.put(answer(packet.IDLogin, n.sn, &packet.Response{Login: r}))
	return next
}

// onLogout ends the Session. The client closes the connection, or we do after a while.
func (c *conn) onLogout(sn uint64) {
	none := uint32(0)
	c.leaveRooms()
	c.mu.Lock()
	c.gone, c.boxes, c.talk = true, nil, nil
	c.mu.Unlock()
	c.session.Detach(c.ls.scratch, c.epoch, broker.Leave{Graceful: true, Expiry: &none, Reason: errLoggedOut})
	c.rare = nil
	c.put(answer(packet.IDLogout, sn, &packet.Response{Logout: &packet.LogoutResponse{}}))
	c.state, c.heard, c.patience = loggedOut, c.nc.Now(), logoutWait
	c.arm()
}
