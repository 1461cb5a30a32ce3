package mqtt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// authenticator is a broker.Authenticator that is a function.
type authenticator func(ctx context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error)

// OnConnectAuthenticate implements broker.Authenticator.
func (f authenticator) OnConnectAuthenticate(ctx context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	return f(ctx, r)
}

// byPassword lets in whoever has the password "right".
func byPassword(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	switch string(r.Password) {
	case "right":
		return broker.Allow, nil, nil
	case "panic":
		panic("hook is broken")
	case "error":
		return broker.Allow, nil, errors.New("no answer")
	case "away":
		return broker.Deny, nil, fmt.Errorf("http: %w", broker.ErrUnavailable)
	case "banned":
		return broker.Deny, nil, broker.ErrBanned
	case "ignore":
		return broker.Ignore, nil, nil
	}
	return broker.Deny, nil, nil
}

// TestAuthenticate decides about clients of each version by their passwords.
func TestAuthenticate(t *testing.T) {
	for _, tt := range []struct {
		connect string
		v3, v5  byte // return code, Reason Code
		panics  uint64
	}{
		{"id=a clean username=u password=right", 0, 0, 0},
		{"id=a clean username=u password=wrong", 4, 0x86, 0},
		{"id=a clean", 5, 0x87, 0},
		{"id=a clean username=u password=panic", 3, 0x88, 1},
		{"id=a clean username=u password=error", 4, 0x86, 0},
		{"id=a clean username=u password=away", 3, 0x88, 0},
		{"id=a clean username=u password=banned", 5, 0x8A, 0},
		{"id=a clean username=u password=ignore", 4, 0x86, 0},
	} {
		for version, want := range map[string]byte{"v4": tt.v3, "v5": tt.v5} {
			t.Run(version+" "+tt.connect, func(t *testing.T) {
				eachEngine(t, func(t *testing.T, loop netloop.Config) {
					s := newServer(t, setup{loop: loop, mqtt: Config{Authenticator: authenticator(byPassword)}})
					v, b, err := encodeConnect(version + " " + tt.connect)
					if err != nil {
						t.Fatal(err)
					}
					c := newClient(s, v)
					c.send(b)
					if f, ok := c.wait(); !ok || f.Type != packet.TypeConnAck || f.Body[1] != want {
						t.Fatalf("got %v % x, want CONNACK %x", f.Type, f.Body, want)
					}
					if want != 0 {
						c.expect("EOF")
					}
					st := s.mqtt.Stats()
					panics := s.broker.Stats().HookPanics["authenticate"]
					if got := st.Unauthenticated; (got == 1) != (want != 0) || panics != tt.panics {
						t.Errorf("got %d unauthenticated, %d panics, want %t, %d", got, panics, want != 0, tt.panics)
					}
					failed := uint64(strings.Count(tt.connect, "=panic") + strings.Count(tt.connect, "=error") + strings.Count(tt.connect, "=away"))
					if (st.Authenticated == 1) != (want == 0) || st.AuthErrors != failed {
						t.Errorf("got %d authenticated, %d errors, want %t, %d", st.Authenticated, st.AuthErrors, want == 0, failed)
					}
				})
			})
		}
	}
}

// TestIdentity gives clients another name, App, rights and an end.
func TestIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hook := func(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
			id := &broker.Identity{User: "known"}
			switch r.User {
			case "renamed":
				id.ClientID = "other"
			case "elsewhere":
				id.App = "meters"
			case "limited":
				id.Permissions = only("t")
			case "short":
				id.Expires = time.Now().Add(time.Minute)
			}
			return broker.Allow, id, nil
		}
		s := newServer(t, setup{loop: netloop.Config{Portable: true}, mqtt: Config{Authenticator: authenticator(hook)}})
		v, b, err := encodeConnect("v5 id=a clean username=renamed")
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(s, v)
		c.send(b)
		if got := c.line(); !strings.Contains(got, "id=other") {
			t.Errorf("renamed: got %s, want the assigned identifier other", got)
		}
		here, there := dialAs(s, "v5 id=h clean username=x"), dialAs(s, "v5 id=e clean username=elsewhere")
		here.do("sub id=1 #,1", "SUBACK 1 01")
		there.do("pub t m q=1 id=1", "PUBACK 1 10") // nobody there
		limited := dialAs(s, "v5 id=l clean username=limited")
		limited.do("pub t m q=1 id=1", "PUBACK 1")
		here.expect("PUBLISH t m q=1 id=1")
		limited.do("pub u m q=1 id=2", "PUBACK 2 87")
		short := dialAs(s, "v5 id=s clean username=short")
		time.Sleep(59 * time.Second)
		short.do("ping", "PINGRESP")
		time.Sleep(2 * time.Second)
		short.expect("DISCONNECT 87", "EOF")
	})
}

// only permits one topic.
type only string

// Check implements broker.Permissions.
func (o only) Check(a *broker.Access) broker.Decision {
	if a.Topic == string(o) {
		return broker.Allow
	}
	return broker.Deny
}

// TestAuthenticatorIsSlow has hooks wait: loops and other clients go on, what is too much is refused, and
// clients that leave meanwhile leave nothing behind.
func TestAuthenticatorIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hook := func(ctx context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
			if r.User == "" {
				return broker.Allow, nil, nil
			}
			select {
			case <-release:
				return broker.Allow, nil, nil
			case <-ctx.Done():
				return broker.Deny, nil, ctx.Err()
			}
		}
		logins := login.NewPool(login.Config{Workers: 2, Queue: 3, Timeout: 3 * time.Second})
		t.Cleanup(logins.Stop)
		s := newServer(t, setup{loop: netloop.Config{Portable: true}, mqtt: Config{
			Authenticator: authenticator(hook), Logins: logins,
		}})
		early := dialAs(s, "v5 id=early clean")
		connect := func(id string) *client {
			v, b, err := encodeConnect("v5 id=" + id + " clean username=u")
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(s, v)
			c.send(b)
			synctest.Wait()
			return c
		}
		var waiting []*client
		for _, id := range []string{"1", "2", "3", "4", "5"} {
			waiting = append(waiting, connect(id))
		}
		connect("6").expect("CONNACK 89", "EOF") // two are asked about, three wait
		early.do("ping", "PINGRESP")
		_ = waiting[4].nc.Close()
		time.Sleep(3 * time.Second) // the first two have had their time
		for _, c := range waiting[:2] {
			c.expect("CONNACK 88", "EOF") // they may come again
		}
		close(release)
		for _, c := range waiting[2:4] {
			c.expect("CONNACK 00")
		}
		synctest.Wait()
		if got := s.broker.Stats().Connected; got != 3 {
			t.Errorf("connected: got %d, want 3", got)
		}
		if got := logins.Stats(); got.Dropped != 1 {
			t.Errorf("got %+v, want the one who has gone dropped", got)
		}
	})
}

// TestLeavesBeforeConnAck has clients send all they have to say, take leave and close before it is known who they
// are, as those may that do not wait for CONNACK: v5 3.1.4, v3.1.1 3.1.4. It counts all the same.
func TestLeavesBeforeConnAck(t *testing.T) {
	for _, half := range []bool{false, true} {
		for _, bye := range []bool{false, true} {
			t.Run(fmt.Sprintf("half=%t bye=%t", half, bye), func(t *testing.T) {
				eachEngine(t, func(t *testing.T, loop netloop.Config) {
					asked, release := make(chan struct{}), make(chan struct{})
					s := newServer(t, setup{loop: loop, mqtt: Config{Authenticator: authenticator(
						func(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
							if r.User != "" {
								close(asked)
								<-release
							}
							return broker.Allow, nil, nil
						})}})
					sub := dialAs(s, "v4 id=s clean")
					sub.do("sub id=1 #,0", "SUBACK 1 00")
					v, b, err := encodeConnect("v4 id=a clean username=u will=t:will")
					if err != nil {
						t.Fatal(err)
					}
					commands := []string{"pub t 1", "pub t 2"}
					if bye {
						commands = append(commands, "disconnect")
					}
					for _, command := range commands {
						more, err := encode(command, v)
						if err != nil {
							t.Fatal(err)
						}
						b = append(b, more...)
					}
					c := newClient(s, v)
					c.send(b)
					if half {
						err = c.nc.(interface{ CloseWrite() error }).CloseWrite()
					} else {
						err = c.nc.Close()
					}
					if err != nil {
						t.Fatal(err)
					}
					select {
					case <-asked:
					case <-time.After(patience):
						t.Error("nobody is asked about the client")
					}
					if loop.Portable {
						synctest.Wait()
					}
					for range 100 { // its end has been noticed
						onLoops(s.engine)
					}
					close(release)
					sub.expect("PUBLISH t 1 q=0", "PUBLISH t 2 q=0")
					if bye {
						dialAs(s, "v4 id=b clean").do("pub t last q=1 id=1", "PUBACK 1")
						sub.expect("PUBLISH t last q=0")
					} else {
						sub.expect("PUBLISH t will q=0")
					}
				})
			})
		}
	}
}

// TestLeavesDuringExchange finds that a client which has ended its stream is not waited for when it is its turn.
func TestLeavesDuringExchange(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		s := newServer(t, setup{loop: loop, mqtt: Config{Enhanced: []broker.EnhancedAuthenticator{riddle{"u"}}}})
		v, b, err := encodeConnect("v5 id=a clean auth=riddle")
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(s, v)
		c.send(append(b, byte(packet.TypeAuth)<<4)) // and no more of it
		if err := c.nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.wantAuth(packet.ContinueAuthentication, "1")
		c.expect("EOF")
		if got := s.mqtt.Stats().Timeouts; got != 0 {
			t.Errorf("counted %d timeouts, want none", got)
		}
	})
}

// onLoops waits for a turn of every loop.
func onLoops(e *netloop.Engine) {
	for _, l := range e.Loops() {
		done := make(chan struct{})
		l.PostFunc(func() { close(done) })
		<-done
	}
}

// riddle is an authentication method: the answer to 1 is 2, and that is the user.
type riddle struct{ user string }

// Method implements broker.EnhancedAuthenticator.
func (riddle) Method() string { return "riddle" }

// Begin implements broker.EnhancedAuthenticator.
func (r riddle) Begin(*broker.ConnectRequest) broker.Exchange { return &riddleExchange{user: r.user} }

type riddleExchange struct {
	user  string
	asked bool
}

// Step implements broker.Exchange.
func (x *riddleExchange) Step(_ context.Context, data []byte) ([]byte, broker.Decision, *broker.Identity, error) {
	switch {
	case !x.asked:
		x.asked = true
		return []byte("1"), broker.Ignore, nil, nil
	case string(data) == "2":
		return []byte("welcome"), broker.Allow, &broker.Identity{User: x.user}, nil
	}
	return nil, broker.Deny, nil, nil
}

// sendAuth sends AUTH.
func (c *client) sendAuth(reason packet.ReasonCode, method, data string) {
	c.send(packet.AppendAuth(nil, &packet.Auth{Reason: reason, Method: method, Data: []byte(data)}, 0))
}

// wantAuth waits for AUTH.
func (c *client) wantAuth(reason packet.ReasonCode, data string) {
	c.t.Helper()
	f, ok := c.wait()
	if !ok {
		c.t.Fatal("got the end, want AUTH")
	}
	a, err := packet.DecodeAuthFromServer(f, c.version)
	if err != nil || a.Reason != reason || a.Method != "riddle" || string(a.Data) != data {
		c.t.Fatalf("got %+v, %v, want AUTH %x, %q", a, err, reason, data)
	}
}

// TestEnhancedAuthentication goes through an exchange, and through it again: v5 [MQTT-4.12.0-1], [MQTT-4.12.0-2],
// [MQTT-4.12.0-3], [MQTT-4.12.0-5], [MQTT-4.12.0-6], [MQTT-4.12.1-1], [MQTT-4.12.1-2].
func TestEnhancedAuthentication(t *testing.T) {
	start := func(t *testing.T, loop netloop.Config, auth string) *client {
		t.Helper()
		s := newServer(t, setup{loop: loop, mqtt: Config{Enhanced: []broker.EnhancedAuthenticator{riddle{"u"}}}})
		v, b, err := encodeConnect("v5 id=a clean auth=" + auth)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(s, v)
		c.send(b)
		return c
	}
	for name, play := range map[string]func(t *testing.T, loop netloop.Config){
		"right, and again": func(t *testing.T, loop netloop.Config) {
			c := start(t, loop, "riddle")
			c.wantAuth(packet.ContinueAuthentication, "1")
			c.sendAuth(packet.ContinueAuthentication, "riddle", "2")
			f, ok := c.wait()
			a, err := packet.DecodeConnAck(f, c.version)
			if !ok || err != nil || a.Reason != packet.Success || a.AuthMethod != "riddle" || string(a.AuthData) != "welcome" {
				t.Fatalf("got %+v, %v, want CONNACK with the method's data", a, err)
			}
			for range 2 {
				c.sendAuth(packet.ReAuthenticate, "riddle", "")
				c.wantAuth(packet.ContinueAuthentication, "1")
				c.do("ping", "PINGRESP") // it goes on meanwhile
				c.sendAuth(packet.ContinueAuthentication, "riddle", "2")
				c.wantAuth(packet.Success, "welcome")
			}
			c.sendAuth(packet.ReAuthenticate, "riddle", "")
			c.wantAuth(packet.ContinueAuthentication, "1")
			c.sendAuth(packet.ContinueAuthentication, "riddle", "3")
			c.expect("DISCONNECT 87", "EOF")
		},
		"wrong": func(t *testing.T, loop netloop.Config) {
			c := start(t, loop, "riddle")
			c.wantAuth(packet.ContinueAuthentication, "1")
			c.sendAuth(packet.ContinueAuthentication, "riddle", "3")
			c.expect("CONNACK 87", "EOF")
		},
		"unknown method": func(t *testing.T, loop netloop.Config) {
			start(t, loop, "other").expect("CONNACK 8c", "EOF")
		},
		"another method in the middle": func(t *testing.T, loop netloop.Config) {
			c := start(t, loop, "riddle")
			c.wantAuth(packet.ContinueAuthentication, "1")
			c.sendAuth(packet.ContinueAuthentication, "other", "2")
			c.expect("EOF")
		},
		"a publish in the middle": func(t *testing.T, loop netloop.Config) {
			c := start(t, loop, "riddle")
			c.wantAuth(packet.ContinueAuthentication, "1")
			c.do("pub t m")
			c.expect("EOF")
		},
	} {
		t.Run(name, func(t *testing.T) { eachEngine(t, play) })
	}
}

// TestUserStaysAfterAuthenticatingAnew has a client say in CONNECT that it is root, and authenticate as somebody else: the
// Authorizer is asked about the latter, before it has authenticated anew and after.
func TestUserStaysAfterAuthenticatingAnew(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		s := newServer(t, setup{loop: loop, mqtt: Config{
			Authorizer: denyBelow("secret"), Enhanced: []broker.EnhancedAuthenticator{riddle{"u"}},
		}})
		v, b, err := encodeConnect("v5 id=a clean username=root auth=riddle")
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(s, v)
		c.send(b)
		c.wantAuth(packet.ContinueAuthentication, "1")
		c.sendAuth(packet.ContinueAuthentication, "riddle", "2")
		if f, ok := c.wait(); !ok || f.Type != packet.TypeConnAck || f.Body[1] != 0 {
			t.Fatalf("got %v % x, want CONNACK 0", f.Type, f.Body)
		}
		c.do("pub secret m q=1 id=1", "PUBACK 1 87")
		c.sendAuth(packet.ReAuthenticate, "riddle", "")
		c.wantAuth(packet.ContinueAuthentication, "1")
		c.sendAuth(packet.ContinueAuthentication, "riddle", "2")
		c.wantAuth(packet.Success, "welcome")
		c.do("pub secret m q=1 id=2", "PUBACK 2 87")
	})
}

// changing is an authentication method that finds what it is given next.
type changing struct{ found chan *broker.Identity }

// Method implements broker.EnhancedAuthenticator.
func (changing) Method() string { return "riddle" }

// Begin implements broker.EnhancedAuthenticator.
func (m changing) Begin(*broker.ConnectRequest) broker.Exchange { return m }

// Step implements broker.Exchange.
func (m changing) Step(context.Context, []byte) ([]byte, broker.Decision, *broker.Identity, error) {
	return nil, broker.Allow, <-m.found, nil
}

// TestAnewAsSomebodyElse authenticates anew: only as the client that it is.
func TestAnewAsSomebodyElse(t *testing.T) {
	who := func(app, clientID, user string) *broker.Identity {
		return &broker.Identity{App: app, ClientID: clientID, User: user}
	}
	for _, tt := range []struct {
		name        string
		first, then *broker.Identity
		ok          bool
	}{
		{"the same", who("x", "c", "u"), who("x", "c", "u"), true},
		{"Client Identifier left as it is", who("x", "c", "u"), who("x", "", "u"), true},
		{"the User Name found instead of left", nil, who("", "", "named"), true},
		{"nothing found twice", nil, nil, true},
		{"another user", who("x", "c", "u"), who("x", "c", "v"), false},
		{"no user", who("", "", "u"), nil, false},
		{"another App", who("x", "c", "u"), who("y", "c", "u"), false},
		{"no App", who("x", "c", "u"), who("", "c", "u"), false},
		{"another Client Identifier", who("x", "c", "u"), who("x", "d", "u"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, loop netloop.Config) {
				m := changing{make(chan *broker.Identity, 2)}
				m.found <- tt.first
				m.found <- tt.then
				s := newServer(t, setup{loop: loop, mqtt: Config{Enhanced: []broker.EnhancedAuthenticator{m}}})
				v, b, err := encodeConnect("v5 id=a clean username=named auth=riddle")
				if err != nil {
					t.Fatal(err)
				}
				c := newClient(s, v)
				c.send(b)
				if f, ok := c.wait(); !ok || f.Type != packet.TypeConnAck || f.Body[1] != 0 {
					t.Fatalf("got %v % x, want CONNACK 0", f.Type, f.Body)
				}
				c.sendAuth(packet.ReAuthenticate, "riddle", "")
				if tt.ok {
					c.wantAuth(packet.Success, "")
					c.do("ping", "PINGRESP")
				} else {
					c.expect("DISCONNECT 87", "EOF")
				}
			})
		})
	}
}
