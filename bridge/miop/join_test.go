package miop

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// authenticator is a function as an Authenticator.
type authenticator func(r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error)

func (f authenticator) OnConnectAuthenticate(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	return f(r)
}

// TestGoneWhileAsked: nobody is asked about a client that has gone while others were.
func TestGoneWhileAsked(t *testing.T) {
	var release chan struct{} // of the bubble
	slow := authenticator(func(r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		if r.User == "gone" {
			t.Error("somebody was asked about a client that has gone")
		}
		<-release
		return broker.Allow, nil, nil
	})
	synctest.Test(t, func(t *testing.T) {
		pool := login.NewPool(login.Config{Workers: 1})
		defer pool.Stop()
		release = make(chan struct{})
		s := newServer(t, setup{loop: netloop.Config{Portable: true}, miop: Config{Authenticator: slow, Logins: pool}})
		first, gone, last := newClient(s), newClient(s), newClient(s)
		for _, c := range []struct {
			c *client
			u string
		}{{first, "u:first@7"}, {gone, "u:gone@7"}, {last, "u:last@7"}} {
			c.c.do(5, packet.Bind, []string{c.u})
			synctest.Wait()
		}
		gone.close()
		synctest.Wait()
		close(release)
		first.expect("BindAck id:7 r:0")
		last.expect("BindAck id:7 r:0")
		if got := pool.Stats(); got.Asked != 2 || got.Dropped != 1 {
			t.Errorf("got %+v, want 2 asked and 1 dropped", got)
		}
	})
}

func TestAuthenticator(t *testing.T) {
	var got *broker.ConnectRequest
	answer := func(d broker.Decision, id *broker.Identity, err error) authenticator {
		return func(r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
			c := *r
			c.Password = append([]byte(nil), r.Password...)
			got = &c
			return d, id, err
		}
	}
	for _, tt := range []struct {
		name     string
		version  packet.Version
		auth     authenticator
		want     []string
		app, id  string
		password string
	}{
		{"allowed", 5, answer(broker.Allow, nil, nil), []string{"BindAck id:7 r:0"}, "miop-7", "m:alice", ""},
		{"denied", 5, answer(broker.Deny, nil, nil), []string{"BindAck id:7 r:2", "EOF"}, "", "", ""},
		{"not known", 5, answer(broker.Ignore, nil, nil), []string{"BindAck id:7 r:2", "EOF"}, "", "", ""},
		{"fault", 5, answer(broker.Deny, nil, errors.New("out of order")), []string{"EOF"}, "", "", ""},
		{"banned", 5, answer(broker.Deny, nil, fmt.Errorf("list: %w", broker.ErrBanned)), []string{"BindAck id:7 r:3", "EOF"}, "", "", ""},
		{"sign is the password", 6, answer(broker.Allow, nil, nil), []string{"BindAck id:7 r:0"}, "miop-7", "m:alice", "00ff"},
		{"identity", 5, answer(broker.Allow, &broker.Identity{App: "live", ClientID: "phone", User: "al"}, nil),
			[]string{"BindAck id:7 r:0"}, "live", "phone", ""},
		{"credentials of another user", 6, answer(broker.Allow, &broker.Identity{User: "bob"}, nil),
			[]string{"BindAck id:7 r:2", "EOF"}, "", "", "00ff"},
		{"its own credentials", 6, answer(broker.Allow, &broker.Identity{User: "alice"}, nil),
			[]string{"BindAck id:7 r:0"}, "miop-7", "m:alice", "00ff"},
		{"panics", 5, func(*broker.ConnectRequest) (broker.Decision, *broker.Identity, error) { panic("x") }, []string{"EOF"}, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got = nil
			cfg := setup{miop: Config{Authenticator: tt.auth}, from: &login.Listener{URL: "miop://here"}}
			inBubble(t, cfg, func(t *testing.T, s *testServer) {
				c := newClient(s)
				c.do(tt.version, packet.Bind, []string{alice, "sign:00ff"}, tt.want...)
				if tt.id != "" && !s.broker.App(tt.app).Connected(tt.id) {
					t.Errorf("%s of App %s is not connected", tt.id, tt.app)
				}
				if got == nil {
					return
				}
				if got.User != "alice" || !got.HasUser || string(got.Password) != tt.password || got.HasPassword != (tt.password != "") ||
					got.Protocol != "miop" || got.Version != uint8(tt.version) || got.Listener != "miop://here" || got.App != "miop-7" ||
					got.ClientID != "m:alice" {
					t.Errorf("asked about %+v", got)
				}
			})
		})
	}
}

// What comes behind a bind that is being decided waits, and what comes too late is not lost.
func TestInputWaitsForBind(t *testing.T) {
	release := make(chan struct{})
	auth := authenticator(func(*broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		<-release
		return broker.Allow, nil, nil
	})
	s := newServer(t, setup{miop: Config{Authenticator: auth}})
	c := newClient(s)
	b := frame(5, packet.Bind, []string{alice})
	for i := range 100 { // more than is left unread
		b = append(b, frame(5, packet.UploadData, []string{fmt.Sprint("ack:", i)}, uploads(string(make([]byte, 2000))))...)
	}
	c.send(b)
	close(release)
	c.expect("BindAck id:7 r:0")
	for i := range 100 {
		c.expect(fmt.Sprintf("UploadDataAck ack:%d r:0", i))
	}
}

func TestExpiryOfAuthentication(t *testing.T) {
	auth := authenticator(func(*broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
		return broker.Allow, &broker.Identity{Expires: time.Now().Add(time.Minute)}, nil
	})
	inBubble(t, setup{miop: Config{Authenticator: auth}}, func(_ *testing.T, s *testServer) {
		c := bound(s, alice)
		<-time.After(time.Minute - time.Second)
		c.quiet()
		<-time.After(2 * time.Second)
		c.expect("EOF")
	})
}

func TestSign(t *testing.T) {
	secret := []byte("invented")
	sum := func(text string) string {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(text))
		return hex.EncodeToString(h.Sum(nil))
	}
	weak := func(text string) string {
		h := md5.Sum([]byte(text + string(secret)))
		return hex.EncodeToString(h[:])
	}
	// Time in a bubble begins at midnight UTC, 2000-01-01.
	const now, old = "946684800000", "946684000000"
	for _, tt := range []struct {
		name     string
		verify   Verifier
		unsigned bool
		version  packet.Version
		ts, sign string
		r        string
	}{
		{"HMAC", HMACSHA256(secret, time.Minute), false, 6, now, sum("alice@7" + now), "0"},
		{"HMAC, first half", HMACSHA256(secret, time.Minute), false, 6, now, sum("alice@7" + now)[:32], "0"},
		{"HMAC of another", HMACSHA256(secret, time.Minute), false, 6, now, sum("bob@7" + now), "2"},
		{"HMAC, old", HMACSHA256(secret, time.Minute), false, 6, old, sum("alice@7" + old), "2"},
		{"HMAC, any age", HMACSHA256(secret, 0), false, 6, old, sum("alice@7" + old), "0"},
		{"HMAC, none", HMACSHA256(secret, 0), false, 6, now, "", "2"},
		{"md5", MD5(secret, time.Minute), false, 6, now, weak("alice@7" + now), "0"},
		{"md5, old", MD5(secret, time.Minute), false, 6, old, weak("alice@7" + old), "2"},
		{"md5, wrong", MD5(secret, time.Minute), false, 6, now, weak("alice@8" + now), "2"},
		{"accept", AcceptAll(), false, 6, now, "", "0"},
		{"version 5 has no sign", AcceptAll(), false, 5, now, "", "2"},
		{"version 5 is let in", HMACSHA256(secret, 0), true, 5, now, "", "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{Profiles: map[uint32]Profile{7: {Verify: tt.verify, Unsigned: tt.unsigned}}}
			inBubble(t, setup{miop: cfg}, func(_ *testing.T, s *testServer) {
				props := []string{alice, "ts:" + tt.ts}
				if tt.sign != "" {
					props = append(props, "sign:"+tt.sign)
				}
				newClient(s).do(tt.version, packet.Bind, props, "BindAck id:7 r:"+tt.r)
				newClient(s).do(tt.version, packet.Bind, []string{"u:alice@8"}, "BindAck id:8 r:0") // another profile
			})
		})
	}
}

func TestVerifierFails(t *testing.T) {
	for _, v := range []VerifierFunc{
		func(context.Context, *Signed) (bool, error) { return false, errors.New("out of order") },
		func(context.Context, *Signed) (bool, error) { panic("x") },
	} {
		inBubble(t, setup{miop: Config{Profile: Profile{Verify: v}}}, func(_ *testing.T, s *testServer) {
			newClient(s).do(6, packet.Bind, []string{alice}, "EOF") // it may come again
		})
	}
}

func TestSecretBind(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		version packet.Version
		key     *rsa.PrivateKey
		legacy  bool
		age     time.Duration
		want    []string
	}{
		{"version 2", 2, key, true, 0, []string{"BindAck id:7 r:0", "Msg [7 hi]"}},
		{"version 4", 4, key, true, 9 * time.Minute, []string{"BindAck id:7 r:0", "Msg ack:1 [7 hi]"}},
		{"old", 4, key, true, 11 * time.Minute, []string{"EOF"}},
		{"of the future", 4, key, true, -11 * time.Minute, []string{"EOF"}},
		{"no key", 4, nil, true, 0, []string{"EOF"}},
		{"not let in", 4, key, false, 0, []string{"EOF"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{SecretKey: tt.key, Profiles: map[uint32]Profile{7: {Legacy: tt.legacy}, 8: {Legacy: true}}}
			inBubble(t, setup{miop: cfg}, func(t *testing.T, s *testServer) {
				p, err := packet.SealBind(&key.PublicKey, &packet.BindRequest{
					User: []byte("alice"), AppID: 7, KeepAlive: 300, TS: time.Now().Add(-tt.age).UnixMilli(),
				}, "0a1b2c3d-0000-4000-8000-000000000000")
				if err != nil {
					t.Fatal(err)
				}
				s.publish("miop-7", "inbox/m:alice", "hi", 1)
				f := packet.Frame{Version: tt.version, Props: p}
				c := newClient(s)
				c.send(packet.AppendFrame(nil, &f))
				c.expect(tt.want...)
			})
		})
	}
}

// Versions 0-4 have the layout of entries that is configured.
func TestShortEntries(t *testing.T) {
	cfg := Config{Profile: Profile{Legacy: true, Entries: packet.Short}}
	inBubble(t, setup{miop: cfg}, func(t *testing.T, s *testServer) {
		c := newClient(s)
		c.do(3, packet.Bind, []string{alice}, "BindAck id:7 r:0")
		s.publish("miop-7", "inbox/m:alice", "hi", 1)
		f, _ := c.wait()
		if e, rest, err := packet.NextEntry(f.Data, packet.Short); err != nil || string(e.Body) != "hi" || len(rest) > 0 {
			t.Errorf("got %q, %v, want one short entry", f.Data, err)
		}
		c.send(frame(3, packet.MsgAck, []string{"ack:1"}))
		c.send(frame(3, packet.Ping, nil))
		c.expect("Ping")
		c.close()
		c = newClient(s)
		c.do(3, packet.Bind, []string{alice}, "BindAck id:7 r:0")
		c.do(3, packet.Ping, nil, "Ping")
	})
}

// Clients that come with any number of appids do not make any number of Apps.
func TestAppsAreBounded(t *testing.T) {
	cfg := Config{MaxApps: 2, Profiles: map[uint32]Profile{9: {App: "live"}}}
	inBubble(t, setup{miop: cfg}, func(_ *testing.T, s *testServer) {
		bound(s, "u:alice@1")
		bound(s, "u:alice@2")
		newClient(s).do(5, packet.Bind, []string{"u:alice@3"}, "BindAck id:3 r:3", "EOF")
		bound(s, "u:alice@9")
		bound(s, "u:bob@2")
		if got := s.miop.Stats().TooManyApps; got != 1 {
			t.Errorf("TooManyApps: got %d, want 1", got)
		}
	})
}
