package ximp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

const testKey = packet.Key("test-default-key")

// keyed has one app and version with a key.
func keyed(app, version uint16) (packet.Key, bool) {
	return testKey, app == testAppID && version == 102
}

// gate is an Authenticator that knows one password.
type gate struct {
	asked  chan *broker.ConnectRequest
	answer func(r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error)
}

func (g *gate) OnConnectAuthenticate(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	c := *r
	c.Password = append([]byte(nil), r.Password...)
	g.asked <- &c
	if g.answer != nil {
		return g.answer(r)
	}
	if string(r.Password) == "good" {
		return broker.Allow, nil, nil
	}
	return broker.Deny, nil, nil
}

// TestKeys: which key LoginResp and what follows has.
func TestKeys(t *testing.T) {
	tokened := func(_ uint16, user, signature string) packet.Key { return packet.Key(user + signature) }
	for _, tt := range []struct {
		name        string
		rules       Rules
		key, login  packet.Key
		sig         []byte
		keepCrypted bool // the client does not offer plaintext
		encrypted   bool // what follows is
	}{
		{"no keys", Rules{}, "", "", nil, false, false},
		{"guest", Rules{DefaultKey: keyed}, testKey, "alice", nil, false, true},
		{"signed", Rules{DefaultKey: keyed}, testKey, testKey, []byte("sig"), false, true},
		{"signed, with its token", Rules{DefaultKey: keyed, Token: tokened, TokenKey: true, SecretRAM: SecretIgnore}, testKey, "alicesig", []byte("sig"), false, true},
		{"signed, with a token that is no key", Rules{DefaultKey: keyed, Token: tokened, SecretRAM: SecretIgnore}, testKey, testKey, []byte("sig"), false, true},
		{"signed, of whom no token is known", Rules{DefaultKey: keyed, TokenKey: true}, testKey, testKey, []byte("sig"), false, true},
		{"guest, though there are tokens", Rules{DefaultKey: keyed, Token: tokened, TokenKey: true}, testKey, "alice", nil, false, true},
		{"plaintext for all", Rules{DefaultKey: keyed, Plaintext: true}, testKey, "alice", nil, false, false},
		{"plaintext for all, not offered", Rules{DefaultKey: keyed, Plaintext: true}, testKey, "alice", nil, true, true},
		{"plaintext for phones", Rules{DefaultKey: keyed, PlaintextTypes: []string{"pc", "android"}}, testKey, "alice", nil, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{listener: Listener{Rules: &tt.rules}}, func(s *testServer) {
				c := s.connect("alice")
				c.key, c.loginAs = tt.key, tt.login
				ram := c.initLogin(tt.sig)
				c.sendLogin(ram, "d", func(r *packet.LoginRequest) { r.NotEncrypt = packet.Some(!tt.keepCrypted) })
				f, _ := c.frame()
				m := c.open(f, tt.login)
				if m == nil || m.Response == nil || m.Response.Login == nil {
					t.Fatalf("LoginResp does not open with %q", string(tt.login))
				}
				if got := len(m.Response.Login.SessionKey) > 0; got != tt.encrypted {
					t.Errorf("session key: got %v, want %v", got, tt.encrypted)
				}
				c.key, c.loginAs = packet.Key(m.Response.Login.SessionKey), ""
				c.pull("peer", 0, 5)
			})
		})
	}
}

// TestKeySwitch: a message that is there when the client logs in, and others that come in this moment, have the doorbell ring under the new
// key, after LoginResp.
func TestKeySwitch(t *testing.T) {
	s := newServer(t, setup{listener: Listener{Rules: &Rules{DefaultKey: keyed}}})
	for range 20 {
		c := s.connect("alice")
		c.key, c.loginAs = testKey, "alice"
		ram := c.initLogin(nil)
		var flood sync.WaitGroup
		flood.Go(func() {
			for range 50 {
				s.publish(userTopic("alice"), "x", 1)
				s.publish(userTopic("alice"), "x", 0)
			}
		})
		sn := c.sendLogin(ram, "d")
		if m := c.next(); m == nil || m.Response == nil || m.Response.Login == nil || m.SN != sn {
			t.Fatalf("got %s, want LoginResp first", show(m))
		}
		flood.Wait()
		c.request(packet.IDGetInfo, packet.Request{GetInfo: &packet.GetInfoRequest{InfoType: []byte("peer"), ID: 1 << 62}})
		for answered := false; !answered; { // next fails on what does not open with the session key
			m := c.next()
			if m == nil {
				t.Fatal("the connection has ended")
			}
			answered = m.Response != nil && m.Response.GetInfo != nil
		}
		c.close()
	}
}

// TestNoKey: a client whose app and version have no key is closed without an answer.
func TestNoKey(t *testing.T) {
	inBubble(t, setup{listener: Listener{Rules: &Rules{DefaultKey: keyed}}}, func(s *testServer) {
		c := s.connect("alice")
		c.header.ClientVersion = 103
		c.send(&packet.Message{ID: packet.IDInitLogin, Sender: []byte("alice"), Request: &packet.Request{
			InitLogin: &packet.InitLoginRequest{ClientRAM: []byte("x")}}})
		c.wantEnd()
	})
}

// TestInitLogin: what it must have.
func TestInitLogin(t *testing.T) {
	rules := &Rules{OnlyApps: true, Apps: map[uint16]string{testAppID: testApp}}
	for _, tt := range []struct {
		name, sender, ram string
		app               uint16
	}{
		{"no sender", "", "x", testAppID},
		{"no client_ram", "alice", "", testAppID},
		{"app is not on the list", "alice", "x", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{listener: Listener{Rules: rules}}, func(s *testServer) {
				c := s.connect("alice")
				c.header.App = tt.app
				c.send(&packet.Message{ID: packet.IDInitLogin, SN: 5, Sender: []byte(tt.sender), Request: &packet.Request{
					InitLogin: &packet.InitLoginRequest{ClientRAM: []byte(tt.ram)}}})
				c.wantError(5, packet.CodeParameter)
			})
		})
	}
}

// TestLogin: what it must have, and who gets in.
func TestLogin(t *testing.T) {
	salt := func(uint16) string { return "test-verf-salt" }
	code := func(user, salt string) func(*packet.LoginRequest) {
		return func(r *packet.LoginRequest) { r.VerfCode = []byte(packet.VerfCode(user, salt)) }
	}
	for _, tt := range []struct {
		name   string
		rules  Rules
		user   string
		sig    string
		change func(*packet.LoginRequest)
		want   packet.Code // 0 is in
		asked  bool
	}{
		{name: "guest who is asked about", user: "alice", want: packet.CodeCredentials, asked: true},
		{name: "signed user", user: "alice", sig: "good", asked: true},
		{name: "wrong signature", user: "alice", sig: "bad", want: packet.CodeCredentials, asked: true},
		{name: "guests are refused", rules: Rules{Guests: GuestsRefuse}, user: "alice", want: packet.CodeCredentials},
		{name: "guests are let in", rules: Rules{Guests: GuestsAccept}, user: "alice"},
		{name: "code fits", rules: Rules{Guests: GuestsCheck, Salt: salt}, user: "alice", change: code("alice", "test-verf-salt")},
		{name: "code of another", rules: Rules{Guests: GuestsCheck, Salt: salt}, user: "alice", change: code("bob", "test-verf-salt"),
			want: packet.CodeCredentials},
		{name: "code without salt", rules: Rules{Guests: GuestsCheck}, user: "alice", change: code("alice", ""), want: packet.CodeCredentials},
		{name: "registered id without signature", rules: Rules{Guests: GuestsAccept}, user: "123456789012", want: packet.CodeCredentials},
		{name: "id too long to be registered", rules: Rules{Guests: GuestsAccept}, user: "1234567890123"},
		{name: "registered id, which guests may have", rules: Rules{Guests: GuestsAccept, RegisteredGuests: true}, user: "42"},
		{name: "registered id with signature", user: "42", sig: "good", asked: true},
		{name: "no secret_ram", user: "alice", sig: "good", want: packet.CodeParameter,
			change: func(r *packet.LoginRequest) { r.SecretRAM = nil }},
		{name: "another nonce", user: "alice", sig: "good", want: packet.CodeParameter,
			change: func(r *packet.LoginRequest) { r.ServerRAM = append(r.ServerRAM, 'x') }},
		{name: "another app", user: "alice", sig: "good", want: packet.CodeParameter, asked: true,
			change: func(r *packet.LoginRequest) { r.App = packet.Some(uint32(7)) }},
		{name: "the same app", user: "alice", sig: "good", asked: true,
			change: func(r *packet.LoginRequest) { r.App = packet.Some(uint32(testAppID)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := &gate{asked: make(chan *broker.ConnectRequest, 1)}
			inBubble(t, setup{listener: Listener{Rules: &tt.rules}, ximp: Config{Authenticator: g}}, func(s *testServer) {
				c := s.connect(tt.user)
				var sig []byte
				if tt.sig != "" {
					sig = []byte(tt.sig)
				}
				ram := c.initLogin(sig)
				var changes []func(*packet.LoginRequest)
				if tt.change != nil {
					changes = append(changes, tt.change)
				}
				sn := c.sendLogin(ram, "d", changes...)
				if tt.want != 0 {
					c.wantError(sn, tt.want)
				} else if m := c.next(); m == nil || m.Response == nil || m.Response.Login == nil {
					t.Fatalf("got %s, want LoginResp", show(m))
				}
				var asked *broker.ConnectRequest
				select {
				case asked = <-g.asked:
				default:
				}
				switch {
				case (asked != nil) != tt.asked:
					t.Errorf("Authenticator is asked: got %v, want %v", asked != nil, tt.asked)
				case asked != nil && (asked.User != tt.user || asked.App != testApp || asked.Protocol != "ximp" ||
					asked.ClientID != clientIDOf(tt.user, "mobile", "d") || string(asked.Password) != tt.sig):
					t.Errorf("Authenticator is asked about %+v", asked)
				}
			})
		})
	}
}

// TestLoginFault: what is nobody's fault is not told as wrong credentials, after which clients would give up.
func TestLoginFault(t *testing.T) {
	g := &gate{asked: make(chan *broker.ConnectRequest, 1), answer: func(*broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		return broker.Deny, nil, fmt.Errorf("ask: %w", &net.OpError{Op: "dial", Err: errors.New("refused")})
	}}
	inBubble(t, setup{ximp: Config{Authenticator: g}}, func(s *testServer) {
		c := s.connect("alice")
		c.wantError(c.sendLogin(c.initLogin(nil), "d"), packet.CodeOverloaded)
	})
}

// TestBanned: who is banned gives up, as after wrong credentials.
func TestBanned(t *testing.T) {
	g := &gate{asked: make(chan *broker.ConnectRequest, 1), answer: func(*broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		return broker.Deny, nil, broker.ErrBanned
	}}
	inBubble(t, setup{ximp: Config{Authenticator: g}}, func(s *testServer) {
		c := s.connect("alice")
		c.wantError(c.sendLogin(c.initLogin(nil), "d"), packet.CodeCredentials)
	})
}

// TestGoneWhileAsked: nobody is asked about a client that has gone while others were.
func TestGoneWhileAsked(t *testing.T) {
	var release chan struct{} // of the bubble
	g := &gate{asked: make(chan *broker.ConnectRequest, 3), answer: func(*broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		<-release
		return broker.Allow, nil, nil
	}}
	synctest.Test(t, func(t *testing.T) {
		release = make(chan struct{})
		pool := login.NewPool(login.Config{Workers: 1})
		defer pool.Stop()
		s := newServer(t, setup{loop: netloop.Config{Portable: true}, ximp: Config{Authenticator: g, Logins: pool}})
		first, gone, last := s.connect("first"), s.connect("gone"), s.connect("last")
		for _, c := range []*client{first, gone, last} {
			c.sendLogin(c.initLogin(nil), "d")
			synctest.Wait()
		}
		gone.close()
		synctest.Wait()
		close(release)
		for _, c := range []*client{first, last} {
			if m := c.next(); m == nil || m.Response.Login == nil {
				t.Errorf("%s: got %s, want LoginResp", c.user, show(m))
			}
			if asked := <-g.asked; asked.User != c.user {
				t.Errorf("asked about %s, want %s", asked.User, c.user)
			}
		}
		if got := pool.Stats(); got.Asked != 2 || got.Dropped != 1 {
			t.Errorf("got %+v, want 2 asked and 1 dropped", got)
		}
	})
}

// TestOtherUser: credentials that are good, but of another user than the sender, do not let it in: it would get what is sent to the one
// whom it names.
func TestOtherUser(t *testing.T) {
	of := &gate{asked: make(chan *broker.ConnectRequest, 2), answer: func(*broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		return broker.Allow, &broker.Identity{User: "alice"}, nil
	}}
	inBubble(t, setup{ximp: Config{Authenticator: of}}, func(s *testServer) {
		s.connect("alice").login("d")
		c := s.connect("bob")
		sn := c.sendLogin(c.initLogin([]byte("token of alice")), "d")
		c.wantError(sn, packet.CodeCredentials)
	})
}

// TestIdentity: authentication may say who the client is, and until when.
func TestIdentity(t *testing.T) {
	g := &gate{asked: make(chan *broker.ConnectRequest, 1), answer: func(*broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		return broker.Allow, &broker.Identity{App: "other", ClientID: "named", Expires: time.Now().Add(time.Minute)}, nil
	}}
	inBubble(t, setup{ximp: Config{Authenticator: g}}, func(s *testServer) {
		c := s.connect("alice").login("d")
		s.broker.Publish(s.sc, &broker.Publish{App: s.broker.App("other"), Message: &broker.Message{TopicName: "inbox/named", QoS: 1}})
		c.wantRing("peer")
		begun := time.Now()
		for c.next() != nil { // the doorbell again
		}
		if got := time.Since(begun); got < 50*time.Second || got > time.Minute {
			t.Errorf("the connection ends after %v, want a minute after the login", got)
		}
	})
}

// TestTimes: how long a client may be silent.
func TestTimes(t *testing.T) {
	heart := func(seconds uint32) func(*packet.LoginRequest) {
		return func(r *packet.LoginRequest) { r.HeartFeq = packet.Some(seconds) }
	}
	for _, tt := range []struct {
		name string
		do   func(c *client)
		want time.Duration
	}{
		{"first packet", func(*client) {}, 10 * time.Second},
		{"login", func(c *client) { c.initLogin(nil) }, 30 * time.Second},
		{"login, with heartbeats", func(c *client) {
			c.initLogin(nil)
			time.Sleep(20 * time.Second)
			c.write(packet.AppendHeartbeat(nil))
		}, 10 * time.Second},
		{"no period", func(c *client) { c.login("d") }, 920 * time.Second},
		{"period 0", func(c *client) { c.login("d", heart(0)) }, 320 * time.Second},
		{"period 120", func(c *client) { c.login("d", heart(120)) }, 380 * time.Second},
		{"period below the least", func(c *client) { c.login("d", heart(1)) }, 50 * time.Second},
		{"period above the most", func(c *client) { c.login("d", heart(1<<31)) }, 5420 * time.Second},
		{"after a heartbeat", func(c *client) {
			c.login("d", heart(120))
			time.Sleep(379 * time.Second)
			c.write(packet.AppendHeartbeat(nil))
		}, 380 * time.Second},
		{"after logout", func(c *client) {
			c.login("d")
			c.request(packet.IDLogout, packet.Request{Logout: &packet.LogoutRequest{}})
			c.next()
		}, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{}, func(s *testServer) {
				c := s.connect("alice")
				tt.do(c)
				synctest.Wait()
				begun := time.Now()
				for c.next() != nil { // heartbeats are left out
				}
				if got := time.Since(begun); got < tt.want || got > tt.want+time.Second {
					t.Errorf("closed after %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestAppOf: the App of a native number.
func TestAppOf(t *testing.T) {
	named := &Rules{Apps: map[uint16]string{testAppID: "live"}}
	for _, tt := range []struct {
		name, app string
		rules     *Rules
		want      string
	}{
		{"nothing is said", "", nil, "ximp-4242"},
		{"mapped", "", named, "live"},
		{"the listener says", "default", named, "default"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := Listener{Rules: tt.rules}
			l.App = tt.app
			c := &conn{from: &l, app: testAppID}
			if got := c.appName(nil); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestMaxApps: clients of numbers that are not configured make no more Apps than they may; others come in.
func TestMaxApps(t *testing.T) {
	rules := &Rules{Apps: map[uint16]string{9: "live"}}
	inBubble(t, setup{ximp: Config{MaxApps: 2}, listener: Listener{Rules: rules}}, func(s *testServer) {
		for _, tt := range []struct {
			app uint16
			in  bool
		}{{1, true}, {2, true}, {3, false}, {2, true}, {9, true}, {4, false}} {
			c := s.connect("alice")
			c.header.App = tt.app
			if tt.in {
				c.login("d").close()
				continue
			}
			c.wantError(c.sendLogin(c.initLogin(nil), "d"), packet.CodeParameter)
		}
		if got := s.ximp.Stats().TooManyApps; got != 2 {
			t.Errorf("TooManyApps: got %d, want 2", got)
		}
	})
}
