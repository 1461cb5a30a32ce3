package mqtt

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// protocolName is what hooks know the protocol by.
const protocolName = "mqtt"

// newcomer is a client of which it is being found out who it is. A client with
// an authentication method keeps it, and may authenticate anew.
type newcomer struct {
	from     *login.Listener // nil is the default
	connect  *packet.Connect
	answer   *packet.ConnAck
	request  broker.ConnectRequest
	exchange broker.Exchange // of enhanced authentication; nil if there is none
	method   string
	busy     bool            // a step of it is under way beside the loops
	question *login.Question // that step, or the last one; nil before
	awaits   bool            // it is the client's turn
	user     string          // that was found, of a client that is connected
	anew     bool            // the client was connected already
}

// who is what is known of few clients; see conn.who.
type who struct {
	login  *newcomer // while it is being found out who the client is, and while it has an authentication method
	rights *rights   // nil if nobody is asked what the client may do
	pace   *pace     // nil if it may publish as fast as it likes
}

func (c *conn) login() *newcomer {
	if c.who == nil {
		return nil
	}
	return c.who.login
}

func (c *conn) rights() *rights {
	if c.who == nil {
		return nil
	}
	return c.who.rights
}

func (c *conn) setLogin(l *newcomer) {
	w := c.known()
	w.login = l
	c.setWho(w)
}

func (c *conn) setRights(r *rights) {
	w := c.known()
	w.rights = r
	c.setWho(w)
}

// known is a copy of what is known of the client.
func (c *conn) known() who {
	if c.who == nil {
		return who{}
	}
	return *c.who
}

func (c *conn) setWho(w who) {
	switch {
	case w == (who{}):
		c.who = nil
	case c.who == nil:
		c.who = &w
	default:
		*c.who = w
	}
}

// listener returns where the client has come in; nil is the default.
func (c *conn) listener() *login.Listener {
	if c.login() == nil {
		return nil
	}
	return c.login().from
}

// authenticate begins to find out who the client is. The answer follows in
// onDecision.
func (c *conn) authenticate(p *packet.Connect, answer *packet.ConnAck) error {
	cfg, from := &c.ls.srv.cfg, c.listener()
	if p.HasAuthMethod {
		if c.ls.srv.methods[p.AuthMethod] == nil {
			// v5 [MQTT-4.12.0-1].
			return &packet.Error{Code: packet.BadAuthenticationMethod, Version: packet.V5, Op: "read CONNECT", Err: errNoAuthentication}
		}
	} else if cfg.Authenticator == nil {
		return c.enter(p, answer, &broker.Identity{})
	}
	l := &newcomer{from: from, connect: p, answer: answer, method: p.AuthMethod, request: from.Request(c.nc)}
	c.setLogin(l)
	r := &l.request
	r.ClientID, r.User, r.HasUser = p.ClientID, p.Username, p.HasUsername
	r.Password, r.HasPassword = p.Password, p.HasPassword
	r.Protocol, r.Version, r.CleanStart = protocolName, uint8(p.Version), p.CleanStart
	c.state = connecting
	if p.HasAuthMethod {
		return c.beginExchange(p.AuthData)
	}
	return c.ask(func(ctx context.Context) login.Result {
		d, id, err := c.ls.srv.broker.Authenticate(ctx, cfg.Authenticator, &l.request)
		return login.Result{Decision: d, Identity: id, Err: err}
	})
}

// beginExchange begins the client's authentication method, and has it take the client's data.
func (c *conn) beginExchange(data []byte) error {
	l, srv := c.login(), c.ls.srv
	if l.exchange = srv.broker.BeginExchange(srv.methods[l.method], &l.request); l.exchange == nil {
		c.deny(l, nil)
		return nil
	}
	return c.step(data)
}

// step has the exchange take the client's data.
func (c *conn) step(data []byte) error {
	x := c.login().exchange
	return c.ask(func(ctx context.Context) login.Result {
		answer, d, id, err := c.ls.srv.broker.StepExchange(ctx, x, data)
		return login.Result{Answer: answer, Decision: d, Identity: id, Err: err}
	})
}

// ask has f carried out beside the loops.
func (c *conn) ask(f func(context.Context) login.Result) error {
	l := c.login()
	l.busy = true
	if l.question = c.ls.srv.cfg.Logins.Ask(c.nc.Loop(), f, c.onDecision); l.question == nil {
		if c.state == connecting {
			c.state = awaitConnect // fail answers with CONNACK
		}
		return &packet.Error{Code: packet.ServerBusy, Version: c.version, Op: "read CONNECT", Err: errAuthBusy}
	}
	return nil
}

// onDecision goes on with what has been decided about the client.
func (c *conn) onDecision(d login.Result) {
	c.ls.srv.stats.authTime.Add(uint64(d.Took))
	l := c.login()
	if c.state == closed || l == nil {
		return
	}
	l.busy, l.question = false, nil
	if d.Err != nil && !errors.Is(d.Err, broker.ErrBanned) {
		count(&c.ls.srv.stats.authErrors)
		c.ls.srv.cfg.Logger.Debug("authentication_failed", "client_id", l.request.ClientID, "remote", l.request.Remote, "error", d.Err)
	}
	switch {
	case l.exchange != nil && d.Decision == broker.Ignore && d.Err == nil:
		l.awaits = true
		c.put(packet.AppendAuth(c.controlBuf(), &packet.Auth{
			Reason: packet.ContinueAuthentication, Method: l.method, Data: d.Answer,
		}, c.maxPacket))
		c.nc.ResumeRead()
		c.nc.Again()
	case d.Decision != broker.Allow || d.Err != nil:
		c.deny(l, d.Err)
	case l.anew:
		c.renew(d)
	default:
		l.answer.AuthMethod, l.answer.AuthData = l.method, d.Answer
		id := d.Identity
		if id == nil {
			id = &broker.Identity{}
		}
		l.user = id.User
		count(&c.ls.srv.stats.authenticated)
		if err := c.enter(l.connect, l.answer, id); err != nil {
			c.state = awaitConnect // fail answers with CONNACK
			c.fail(err)
		}
	}
}

// deny refuses a client that is not who it says, or of which that cannot be found out at present because of err.
func (c *conn) deny(l *newcomer, err error) {
	count(&c.ls.srv.stats.unauthenticated)
	passes := login.Passes(err)
	switch {
	case l.anew && passes: // v5 has no Server unavailable in DISCONNECT
		c.close(errNotAuthenticated, packet.ServerBusy)
		return
	case l.anew:
		c.close(errNotAuthenticated, packet.NotAuthorized)
		return
	case passes:
		c.refuse(packet.ServerUnavailable)
	case errors.Is(err, broker.ErrBanned):
		c.refuse(packet.Banned)
	case l.request.HasUser || l.request.HasPassword:
		c.refuse(packet.BadUserNameOrPassword)
	default:
		c.refuse(packet.NotAuthorized)
	}
	c.close(errNotAuthenticated, 0)
}

// renew lets a client go on that has authenticated anew: v5 4.12.1. It must stay who it is.
func (c *conn) renew(d login.Result) {
	l, id := c.login(), d.Identity
	if id == nil {
		id = &broker.Identity{}
	}
	if c.session == nil || !l.stays(c.session, c.ls.srv.appOf(c.listener(), id), id) {
		c.deny(l, nil)
		return
	}
	count(&c.ls.srv.stats.authenticated)
	c.setRights(c.ls.newRights(broker.Access{
		App: c.session.App().Name(), ClientID: c.session.ClientID(), User: l.userOf(id.User), Remote: l.request.Remote.Addr(),
	}, id, c.nc.Now()))
	if c.who == nil || c.who.pace == nil {
		c.beginPace() // there may be a limit by now
	}
	c.armTimer()
	c.put(packet.AppendAuth(c.controlBuf(), &packet.Auth{Reason: packet.Success, Method: l.method, Data: d.Answer}, c.maxPacket))
}

// stays tells whether the client whose Session it is has been found again.
func (l *newcomer) stays(s *broker.Session, app *broker.App, id *broker.Identity) bool {
	return l.userOf(id.User) == l.userOf(l.user) && app == s.App() && (id.ClientID == "" || id.ClientID == s.ClientID())
}

// userOf is the name by which the client is known if user was found.
func (l *newcomer) userOf(user string) string { return cmp.Or(user, l.request.User) }

// onAuth takes AUTH, with which a client goes on with its authentication or begins it anew.
func (c *conn) onAuth(f packet.Frame) error {
	a, err := packet.DecodeAuth(f, c.version)
	if err != nil {
		return err
	}
	l := c.login()
	switch {
	case l == nil || l.exchange == nil: // v5 [MQTT-4.12.0-6]
		return protocolError("read AUTH", errNoAuthMethod)
	case a.Method != l.method: // v5 [MQTT-4.12.0-5], [MQTT-4.12.1-1]
		return protocolError("read AUTH", errNoAuthMethod)
	case l.busy, l.awaits != (a.Reason == packet.ContinueAuthentication), !l.awaits && c.state != connected:
		return protocolError("read AUTH", errUnexpected)
	}
	if !l.awaits {
		l.anew = true
		return c.beginExchange(a.Data)
	}
	l.awaits = false
	return c.step(a.Data)
}

var (
	errBusy             = errors.New("node has too much to do")
	errAuthBusy         = errors.New("too many clients wait to be authenticated")
	errNotAuthenticated = errors.New("client is not authenticated")
	errExpired          = errors.New("authentication has expired")
)

// clientIDOf is the Client Identifier that is in force. assigned tells that it is the server's.
func clientIDOf(p *packet.Connect, id *broker.Identity) (clientID string, assigned bool) {
	switch {
	case id.ClientID != "":
		return strings.Clone(id.ClientID), id.ClientID != p.ClientID
	case p.ClientID != "":
		return p.ClientID, false
	}
	return assignClientID(), true
}
