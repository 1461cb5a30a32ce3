package ximp

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
)

// protocolName is what hooks know the protocol by.
const protocolName = "ximp"

// maxName bounds the names of users, platforms and devices in bytes.
const maxName = 256

// newcomer is a client that has not logged in yet.
type newcomer struct {
	serverRAM string
	signature string
	signed    bool
	sn        uint64 // of LoginReq
	mobile    string
	platform  string
	device    string
	plain     bool // it offers plaintext
	app       packet.Opt[uint32]
	request   broker.ConnectRequest
	question  *login.Question // about who it is; nil if nobody is asked
	identity  *broker.Identity
	proof     []byte        // the part of secret_ram that shows whether the client knows its token
	token     packet.Key    // what it shares with those who let it in; empty is not known
	until     time.Duration // the login is delayed until then; 0 is not
}

// onInitLogin begins a login: it tells who the client says that it is, and gets a nonce.
func (c *conn) onInitLogin(m *packet.Message, r *packet.InitLoginRequest) {
	if c.ls.srv.cfg.Logins.TurnsAway() {
		count(&c.ls.srv.stats.turnedAway)
		c.refuse(m.SN, packet.CodeOverloaded, "try again later")
		return
	}
	rules := c.from.rules()
	_, known := rules.Apps[c.app]
	if len(r.ClientRAM) == 0 || len(m.Sender) == 0 || len(m.Sender) > maxName || rules.OnlyApps && !known {
		c.refuse(m.SN, packet.CodeParameter, packet.CodeParameter.String())
		return
	}
	c.user = string(m.Sender)
	c.newcomer = &newcomer{serverRAM: randomText(), signature: string(r.Sig), signed: r.Sig != nil}
	c.put(answer(m.ID, m.SN, &packet.Response{
		InitLogin: &packet.InitLoginResponse{ClientRAM: r.ClientRAM, ServerRAM: []byte(c.newcomer.serverRAM)},
	}))
	c.state, c.patience = awaitLogin, c.ls.srv.cfg.LoginTimeout
	c.arm()
}

// randomText is 32 characters that nobody can guess: old servers give up to 38.
func randomText() string { return rand.Text() + rand.Text()[:6] }

// onLogin goes on with it. The answer follows in onConnected.
func (c *conn) onLogin(m *packet.Message, r *packet.LoginRequest) {
	n := c.newcomer
	if len(r.SecretRAM) == 0 || subtle.ConstantTimeCompare(r.ServerRAM, []byte(n.serverRAM)) == 0 ||
		max(len(r.Platform), len(r.DeviceID), len(r.MobileType)) > maxName {
		c.refuse(m.SN, packet.CodeParameter, packet.CodeParameter.String())
		return
	}
	n.sn, n.app, n.plain = m.SN, r.App, r.NotEncrypt.Value
	n.mobile, n.platform, n.device = string(r.MobileType), string(r.Platform), string(r.DeviceID)
	n.proof = slices.Clone(r.SecretRAM[:min(len(r.SecretRAM), len(n.serverRAM))])
	c.patience = silenceOf(r.HeartFeq)
	c.transient = n.device == ""
	if c.transient {
		n.device = rand.Text()
	}
	password := []byte(n.signature)
	if !n.signed {
		password = slices.Clone(r.VerfCode)
	}
	n.request = c.from.about().Request(c.nc)
	n.request.App = c.appName(nil)
	n.request.ClientID = clientIDOf(c.user, n.platform, n.device)
	n.request.User, n.request.HasUser = c.user, true
	n.request.Password, n.request.HasPassword = password, len(password) > 0
	n.request.Protocol, n.request.Version = protocolName, c.version
	c.state = deciding
	c.authenticate(r.VerfCode)
}

// silenceOf is how long may pass between two packets of a client whose heartbeats have this period in seconds.
func silenceOf(period packet.Opt[uint32]) time.Duration {
	seconds := period.Or(packet.DefaultHeartFeq)
	if seconds == 0 {
		return 320 * time.Second
	}
	return 3*time.Duration(min(max(seconds, 10), 1800))*time.Second + 20*time.Second
}

// appName is the name of the client's App; id may be nil.
func (c *conn) appName(id *broker.Identity) string {
	name, _ := c.nameApp(id)
	return name
}

// nameApp is appName. ofItsOwn tells that the name is made of the number.
func (c *conn) nameApp(id *broker.Identity) (name string, ofItsOwn bool) {
	if name = c.from.about().AppOf(id, c.from.rules().Apps[c.app]); name != "" {
		return name, false
	}
	return "ximp-" + strconv.Itoa(int(c.app)), true
}

// authenticate finds out whether the client is who it says.
func (c *conn) authenticate(code []byte) {
	n, rules, srv := c.newcomer, c.from.rules(), c.ls.srv
	if !n.signed {
		guests := rules.Guests
		if isRegistered(c.user) && !rules.RegisteredGuests {
			guests = GuestsRefuse
		}
		switch guests {
		case GuestsRefuse:
			c.deny(nil)
			return
		case GuestsCheck:
			if !c.fits(code) {
				c.deny(nil)
				return
			}
			c.letIn(nil)
			return
		case GuestsAccept:
			c.letIn(nil)
			return
		case GuestsAsk:
		}
	}
	if srv.cfg.Authenticator == nil {
		c.letIn(nil)
		return
	}
	request := &n.request
	n.question = srv.cfg.Logins.Ask(c.nc.Loop(), func(ctx context.Context) login.Result {
		d, id, err := srv.broker.Authenticate(ctx, srv.cfg.Authenticator, request)
		return login.Result{Decision: d, Identity: id, Err: err}
	}, c.onDecision)
	if n.question == nil {
		count(&c.ls.srv.stats.turnedAway)
		c.refuse(n.sn, packet.CodeOverloaded, "try again later")
	}
}

// isRegistered tells whether an id is one that users are registered under: an integer of at most 12 characters.
func isRegistered(user string) bool {
	if len(user) > 12 {
		return false
	}
	_, err := strconv.ParseInt(user, 10, 64)
	return err == nil
}

// fits tells whether a guest's verification code is the right one.
func (c *conn) fits(code []byte) bool {
	salt := c.from.rules().Salt
	if salt == nil || salt(c.app) == "" {
		return false
	}
	return subtle.ConstantTimeCompare(code, []byte(packet.VerfCode(c.user, salt(c.app)))) == 1
}

// onDecision goes on with what has been decided about the client.
func (c *conn) onDecision(r login.Result) {
	switch {
	case c.state != deciding:
	case r.Err != nil || r.Decision != broker.Allow:
		c.deny(r.Err)
	default:
		c.letIn(r.Identity)
	}
}

// deny refuses a client that is not who it says, or of which that cannot be found out at present because of err: clients try again
// then, and give up otherwise.
func (c *conn) deny(err error) {
	count(&c.ls.srv.stats.unauthenticated)
	c.ls.srv.cfg.Logger.Debug("authentication_failed", "client_id", c.newcomer.request.ClientID,
		"remote", c.newcomer.request.Remote, "error", err)
	if login.Passes(err) {
		c.refuse(c.newcomer.sn, packet.CodeOverloaded, "try again later")
		return
	}
	c.refuse(c.newcomer.sn, packet.CodeCredentials, packet.CodeCredentials.String())
}

// letIn lets a client in that is who it says, if it names the right app.
func (c *conn) letIn(id *broker.Identity) {
	n := c.newcomer
	if id == nil {
		id = &broker.Identity{}
	}
	if n.app.Set && n.app.Value != uint32(c.app) {
		c.refuse(n.sn, packet.CodeParameter, "app_id is another one")
		return
	}
	if id.User != "" && id.User != c.user || !c.proves(id) { // the credentials are good, but may be somebody else's
		c.deny(nil)
		return
	}
	app, ofItsOwn := c.nameApp(id)
	if ofItsOwn && !c.ls.srv.apps.Admit(app) { // as if it were not on a list
		count(&c.ls.srv.stats.tooManyApps)
		c.refuse(n.sn, packet.CodeParameter, "too many apps")
		return
	}
	n.identity = id
	if id.ClientID != "" {
		n.request.ClientID = id.ClientID
	}
	n.request.App, n.request.Password = app, nil
	if wait := c.ls.srv.takeovers.wait(n.request.App, n.request.ClientID, c.nc.Now()); wait > 0 {
		n.until = c.nc.Now() + wait
		c.arm()
		return
	}
	c.enter()
}
