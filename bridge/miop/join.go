package miop

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge"
	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
)

// protocolName is what hooks know the protocol by.
const protocolName = "miop"

// joining is a bind that is being decided. While it is asked about beside the loops it belongs to the one who asks.
type joining struct {
	srv       *Server
	from      *login.Listener
	version   packet.Version
	rebind    bool
	transient bool
	beside    bool
	appID     uint32
	keepAlive uint32
	secret    packet.Props // of versions 2 and 4, until they are opened
	user      string
	signed    Signed
	profile   *Profile
	ofItsOwn  bool // the App is made of the appid
	request   broker.ConnectRequest
}

// onBind takes Bind and Rebind. The answer follows in onConnected.
func (c *conn) onBind(f *packet.Frame, kind packet.Opcode) error {
	srv := c.ls.srv
	if len(c.binds) == 0 && srv.cfg.Logins.TurnsAway() {
		count(&srv.stats.overloaded)
		c.close(errOverloaded)
		return nil
	}
	if c.tried++; c.tried > maxTried {
		return faultBinds
	}
	j := &joining{srv: srv, from: c.from, version: f.Version, rebind: kind == packet.Rebind, request: c.from.Request(c.nc)}
	if j.rebind {
		c.wonder(uncertainRebind)
		c.full = true
	}
	if !f.Version.HasOpcode() {
		c.wonder(uncertainLegacy)
	}
	if f.Version.Secret() {
		if srv.cfg.SecretKey == nil {
			return faultLegacy
		}
		j.secret = packet.Props(append([]byte(nil), f.Props...))
		c.joining = j
		c.ask(j)
		return nil
	}
	r, err := packet.ParseBind(f.Props)
	if err == nil && len(r.User) > maxUser {
		err = packet.FaultUser
	}
	if err != nil {
		count(&srv.stats.codecFaults[packet.FaultUser])
		c.refuse(j, packet.AnswerMalformed, err)
		return nil
	}
	c.wonderAbout(&r)
	c.joining = j
	j.know(&r)
	if j.outside() {
		c.ask(j)
		return nil
	}
	c.onDecision(j, j.decide(context.Background()))
	return nil
}

func (c *conn) wonderAbout(r *packet.BindRequest) {
	if r.HasC {
		c.wonder(uncertainC)
	}
	if len(r.AuthType) > 0 {
		c.wonder(uncertainAuthType)
	}
}

// know takes what the bind says. r is copied.
func (j *joining) know(r *packet.BindRequest) {
	j.user, j.appID, j.keepAlive = string(r.User), r.AppID, r.KeepAlive
	j.beside, j.transient = r.Beside, r.Transient
	j.profile = j.srv.cfg.profile(r.AppID)
	q := &j.request
	q.App, j.ofItsOwn = j.profile.app(j.from, r.AppID)
	q.ClientID, q.User, q.HasUser = clientIDOf(j.user), j.user, true
	q.Protocol, q.Version = protocolName, uint8(j.version)
	if j.version == 6 && len(r.Sign) > 0 {
		q.Password, q.HasPassword = append([]byte(nil), r.Sign...), true
	}
	j.signed = Signed{
		App: q.App, User: j.user, AppID: r.AppID, TS: r.TS, Sign: string(r.Sign), AuthType: string(r.AuthType),
		Now: j.srv.broker.Clock().Now(),
	}
}

// outside tells whether somebody is to be asked who may block.
func (j *joining) outside() bool { return j.verified() || j.srv.cfg.Authenticator != nil }

// verified tells whether the sign decides.
func (j *joining) verified() bool { return j.version == 6 && j.profile.Verify != nil }

// decide finds out whether the client is who it says. It may block if j.outside, or a secret is to be opened.
func (j *joining) decide(ctx context.Context) login.Result {
	if j.secret != nil {
		if err := j.openSecret(); err != nil {
			return login.Result{Decision: broker.Deny, Err: err}
		}
	}
	cfg := &j.srv.cfg
	var who broker.Authenticator
	switch {
	case !j.version.HasOpcode() && !j.profile.Legacy:
		return login.Result{Decision: broker.Deny, Err: faultLegacy}
	case j.verified():
		who = &verifying{&j.signed, j.profile.Verify}
	case cfg.Authenticator != nil:
		who = cfg.Authenticator
	case j.profile.Verify != nil && !j.profile.Unsigned:
		return login.Result{Decision: broker.Deny}
	default:
		return login.Result{Decision: broker.Allow}
	}
	d, id, err := j.srv.broker.Authenticate(ctx, who, &j.request)
	return login.Result{Decision: d, Identity: id, Err: err}
}

// openSecret opens a bind of version 2 or 4.
func (j *joining) openSecret() error {
	r, err := packet.OpenBind(j.srv.cfg.SecretKey, j.secret)
	if err != nil {
		return err
	}
	if len(r.User) > maxUser {
		return packet.FaultUser
	}
	if age := j.srv.broker.Clock().Now().Sub(time.UnixMilli(r.TS)); age > secretAge || age < -secretAge {
		return packet.FaultSecret
	}
	j.secret = nil
	j.know(&r)
	return nil
}

// ask has it decided beside the loops.
func (c *conn) ask(j *joining) {
	c.question = c.ls.srv.cfg.Logins.Ask(c.nc.Loop(), j.decide, func(r login.Result) { c.onDecision(j, r) })
	if c.question == nil {
		count(&c.ls.srv.stats.overloaded)
		c.close(errBusy)
	}
}

// onDecision goes on with what has been decided.
func (c *conn) onDecision(j *joining, d login.Result) {
	srv := c.ls.srv
	srv.stats.authTime.Add(uint64(d.Took))
	if c.state == closed || c.joining != j {
		return
	}
	c.question = nil
	var cf packet.Fault
	var f fault
	switch {
	case errors.As(d.Err, &cf), errors.As(d.Err, &f):
		c.fail(d.Err)
	case errors.Is(d.Err, broker.ErrBanned):
		count(&srv.stats.unauthenticated)
		c.refuse(j, packet.AnswerNotAllowed, d.Err)
	case d.Err != nil: // the client may come again: any answer but 0 would have it give up for good
		srv.cfg.Logger.Debug("authentication_failed", "client_id", j.request.ClientID, "remote", j.request.Remote, "error", d.Err)
		count(&srv.stats.overloaded)
		c.close(d.Err)
	case d.Decision != broker.Allow:
		count(&srv.stats.unauthenticated)
		c.refuse(j, packet.AnswerCredentials, errNotAuthenticated)
	case d.Identity != nil && d.Identity.User != "" && d.Identity.User != j.user && d.Identity.ClientID == "":
		// The credentials are good, but somebody else's: the Session would be that of the user it names.
		count(&srv.stats.unauthenticated)
		c.refuse(j, packet.AnswerCredentials, errNotAuthenticated)
	case c.find(j.appID) == nil && len(c.binds) >= maxBinds:
		c.refuse(j, packet.AnswerNotAllowed, errTooManyBinds)
	case j.ofItsOwn && (d.Identity == nil || d.Identity.App == "") && !srv.apps.Admit(j.request.App):
		count(&srv.stats.tooManyApps)
		c.refuse(j, packet.AnswerNotAllowed, errTooManyApps)
	default:
		c.enter(j, d.Identity)
	}
}

// enter has the broker connect the bind's Session. The answer follows in onConnected.
func (c *conn) enter(j *joining, id *broker.Identity) {
	if id == nil {
		id = &broker.Identity{}
	}
	srv := c.ls.srv
	app := srv.broker.App(cmp.Or(id.App, j.request.App))
	clientID := j.request.ClientID
	if id.ClientID != "" {
		clientID = strings.Clone(id.ClientID)
	}
	c.replace(j.appID, app, clientID)
	beside := ""
	if j.beside && app.Connected(clientID) && !c.owns(app, clientID) {
		beside, clientID, j.transient = clientID, besideID(clientID), true
	}
	b := &bind{
		c: c, appID: j.appID, keepAlive: j.keepAlive, version: j.version, user: j.user, sum: sumOf(clientID),
	}
	if !j.version.HasOpcode() {
		b.layout = j.profile.Entries
	}
	user := cmp.Or(id.User, j.user)
	b.rights = c.newRights(broker.Access{App: app.Name(), ClientID: clientID, User: user, Remote: j.request.Remote.Addr()}, id)
	c.full = c.full || j.profile.Full
	req := &broker.Connect{
		App: app, ClientID: clientID, Beside: beside, User: user, ReceiveMaximum: j.profile.window(), Will: j.profile.will(clientID), Link: b,
		Rebind: j.rebind, Remote: j.request.Remote, Listener: j.request.Listener, Protocol: protocolName, Version: uint8(j.version),
	}
	if !j.transient {
		req.Expiry = uint32(min(srv.cfg.SessionExpiry/time.Second, broker.NeverExpires))
	}
	srv.broker.Connect(c.ls.scratch, req, func(r broker.Connected) {
		c.nc.Loop().PostFunc(func() { c.onConnected(j, b, r) })
	})
}

// replace marks the binds whose place one of appID, with that Session, will take: so that they do not take the connection
// with them when the Session is taken over.
func (c *conn) replace(appID uint32, app *broker.App, clientID string) {
	for _, b := range c.binds {
		if b.appID == appID || b.session.App() == app && b.session.ClientID() == clientID {
			b.replaced = true
		}
	}
}

// owns tells whether the Session is one of the connection's.
func (c *conn) owns(app *broker.App, clientID string) bool {
	for _, b := range c.binds {
		if b.session.App() == app && b.session.ClientID() == clientID {
			return true
		}
	}
	return false
}

// onConnected answers the bind and lets messages flow.
func (c *conn) onConnected(j *joining, b *bind, r broker.Connected) {
	srv := c.ls.srv
	switch {
	case c.state == closed:
		if r.Err == nil { // it has gone meanwhile
			r.Session.Detach(c.ls.scratch, r.Epoch, broker.Leave{})
		}
		return
	case errors.Is(r.Err, broker.ErrBanned), errors.Is(r.Err, broker.ErrNotAuthorized):
		c.refuse(j, packet.AnswerNotAllowed, r.Err)
		return
	case r.Err != nil:
		count(&srv.stats.overloaded)
		c.close(r.Err)
		return
	}
	b.session, b.epoch, b.window = r.Session, r.Epoch, r.ReceiveMaximum
	for _, old := range c.binds {
		if old.replaced {
			c.drop(old)
			old.session.Detach(c.ls.scratch, old.epoch, broker.Leave{Graceful: true, Reason: errReplaced})
		}
	}
	c.binds = append(slices.Clip(c.binds), b)
	c.joining = nil
	if b.ended != nil {
		c.kick(b, b.ended)
		return
	}
	count(&srv.stats.binds)
	c.putAck(j, packet.AnswerOK)
	c.armTimer()
	b.session.Start(c.ls.scratch, b.epoch)
	c.nc.ResumeRead()
	c.nc.Again()
}

// putAck answers a bind.
func (c *conn) putAck(j *joining, r uint64) {
	op := packet.BindAck
	if j.rebind {
		op = packet.RebindAck
	}
	c.put(j.version, op, packet.Props(nil).WithUint("id", uint64(j.appID)).WithUint("r", r))
}

// refuse answers a bind that will never be accepted, and closes the connection.
func (c *conn) refuse(j *joining, r uint64, why error) {
	count(&c.ls.srv.stats.refused)
	c.detachAll(why)
	c.putAck(j, r)
	c.close(why)
}

// will is what is published about a client that is lost; nil is nothing.
func (p *Profile) will(clientID string) *broker.Will {
	if !p.Presence {
		return nil
	}
	return bridge.Presence(clientID, p.PresenceDelay)
}

var (
	errBusy             = errors.New("too many clients wait to be authenticated")
	errOverloaded       = errors.New("node has too much to do")
	errNotAuthenticated = errors.New("client is not authenticated")
	errTooManyBinds     = errors.New("too many binds")
	errTooManyApps      = errors.New("too many apps that are not configured")
	errReplaced         = errors.New("another bind has taken the place")
)
