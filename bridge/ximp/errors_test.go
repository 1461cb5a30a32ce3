package ximp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// failing is a Store on request.
func failing(t *testing.T) *storetest.Faulty { return storetest.NewFaulty(t, memory.New(), 1) }

// TestErrors: each error that the server sends, and whether it closes the connection. One that stays open still serves.
func TestErrors(t *testing.T) {
	get := packet.Request{GetInfo: &packet.GetInfoRequest{InfoType: []byte("peer")}}
	enter := func(c *client) uint64 { return c.sendLogin(c.initLogin(nil), "d") }
	fail := func(err error) func(*setup, *storetest.Faulty, *login.Pool) {
		return func(_ *setup, st *storetest.Faulty, _ *login.Pool) {
			st.Fail(storetest.FailOn(err, storetest.OpLoadSession))
		}
	}
	for _, tt := range []struct {
		name string
		code packet.Code
		with func(*setup, *storetest.Faulty, *login.Pool)
		do   func(s *testServer, c *client) (sn uint64)
	}{
		{"wrong order", packet.CodeOrder, nil, func(_ *testServer, c *client) uint64 { return c.request(packet.IDGetInfo, get) }},
		{"another sender", packet.CodeSender, nil, func(_ *testServer, c *client) uint64 {
			c.login("d")
			c.send(&packet.Message{ID: packet.IDGetInfo, SN: 9, Sender: []byte("mallory"), Request: &get})
			return 9
		}},
		{"another sender, and no request", packet.CodeSender, nil, func(_ *testServer, c *client) uint64 {
			c.login("d")
			c.send(&packet.Message{ID: packet.IDGetInfo, SN: 9, Sender: []byte("mallory")})
			return 9
		}},
		{"no request", packet.CodeParameter, nil, func(_ *testServer, c *client) uint64 {
			c.login("d")
			c.send(&packet.Message{ID: packet.IDGetInfo, SN: 9, Sender: []byte("alice")})
			return 9
		}},
		{"too many packets", packet.CodeRate, func(cfg *setup, _ *storetest.Faulty, _ *login.Pool) { cfg.listener.Rules = &Rules{PacketsPerMinute: 2} },
			func(_ *testServer, c *client) uint64 { return c.login("d").status() }},
		{"credentials", packet.CodeCredentials, func(cfg *setup, _ *storetest.Faulty, _ *login.Pool) {
			cfg.listener.Rules = &Rules{Guests: GuestsRefuse}
		},
			func(_ *testServer, c *client) uint64 { return enter(c) }},
		{"the store fails at the login", packet.CodeRefused, fail(errors.New("disk")), func(_ *testServer, c *client) uint64 { return enter(c) }},
		{"the store is full at the login", packet.CodeOverloaded, fail(broker.ErrStoreFull), func(_ *testServer, c *client) uint64 { return enter(c) }},
		{"bad parameter", packet.CodeParameter, nil, func(_ *testServer, c *client) uint64 {
			c.initLogin(nil)
			return c.sendLogin([]byte("another nonce"), "d")
		}},
		{"too busy", packet.CodeOverloaded, func(_ *setup, _ *storetest.Faulty, p *login.Pool) { p.TurnAway(true) }, func(_ *testServer, c *client) uint64 {
			c.send(&packet.Message{ID: packet.IDInitLogin, SN: 9, Sender: []byte("alice"), Request: requests["InitLogin"].Request})
			return 9
		}},
		{"logged in elsewhere", packet.CodeElsewhere, nil, func(s *testServer, c *client) uint64 {
			c.login("d")
			s.connect("alice").login("d")
			return 0
		}},
		{"logged in elsewhere meanwhile", packet.CodeElsewhere, nil, func(s *testServer, c *client) uint64 {
			st := s.store.(*storetest.Faulty)
			st.Hold(true)
			defer st.Hold(false)
			sn := enter(c)
			synctest.Wait()
			enter(s.connect("alice"))
			synctest.Wait()
			return sn
		}},
		{"receiver is unknown", packet.CodeReceiver, nil, func(_ *testServer, c *client) uint64 {
			return c.login("d").chat(strings.Repeat("x", maxName+1), "hi")
		}},
		{"bad query", packet.CodeQuery, nil, func(_ *testServer, c *client) uint64 {
			return c.login("d").request(packet.IDQueryStatus, packet.Request{QueryStatus: &packet.StatusRequest{Users: make([]packet.UserQuery, maxStatus+1)}})
		}},
		{"bad query: a user that nobody can be", packet.CodeQuery, nil, func(_ *testServer, c *client) uint64 {
			return c.login("d").request(packet.IDQueryStatus, packet.Request{QueryStatus: &packet.StatusRequest{
				Users: []packet.UserQuery{{UserID: make([]byte, maxName+1), UserType: []byte("jid")}}}})
		}},
	} {
		t.Run(fmt.Sprint(uint32(tt.code), " ", tt.name), func(t *testing.T) {
			pool := login.NewPool(login.Config{Workers: 1})
			defer pool.Stop()
			synctest.Test(t, func(t *testing.T) {
				st := failing(t)
				cfg := setup{broker: broker.Config{Store: st}, ximp: Config{Logins: pool}}
				cfg.loop.Portable = true
				if tt.with != nil {
					tt.with(&cfg, st, pool)
				}
				s := newServer(t, cfg)
				c := s.connect("alice")
				c.wantError(tt.do(s, c), tt.code)
				st.Settle()
				synctest.Wait()
				if tt.code.Closes() {
					return
				}
				c.write(packet.AppendHeartbeat(nil))
				if f, ok := c.frame(); !ok || !f.Heartbeat {
					t.Errorf("after the error: got %v, %v, want a heartbeat", f, ok)
				}
				c.wantChat(c.chat("bob", "still here"), 0)
			})
		})
	}
}

// TestUnreadable: pulls that cannot be answered, because the mailbox cannot be read, get an error in the end, or at once if too many wait,
// and the connection goes on.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := failing(t)
		cfg := setup{broker: broker.Config{Store: st}}
		cfg.loop.Portable = true
		s := newServer(t, cfg)
		s.connect("alice").login("d").close()
		time.Sleep(time.Hour) // it sleeps
		s.publish("inbox/x:alice:mobile:d", "x", 1)
		time.Sleep(time.Minute)
		release := make(chan struct{})
		st.Fail(func(c storetest.Call) error {
			if c.Op == storetest.OpLoad {
				<-release
			}
			return nil
		})
		c := s.connect("alice").login("d")
		var sent []uint64
		for range maxWaiting + 1 {
			sent = append(sent, c.request(packet.IDGetInfo, packet.Request{GetInfo: &packet.GetInfoRequest{InfoType: []byte("peer")}}))
		}
		begun := time.Now()
		c.wantError(sent[maxWaiting], packet.CodeRead)
		if got := time.Since(begun); got != 0 {
			t.Errorf("one too many is answered after %v, want at once", got)
		}
		for _, sn := range sent[:maxWaiting] {
			c.wantError(sn, packet.CodeRead)
		}
		if got := time.Since(begun); got < pullTimeout || got > pullTimeout+time.Second {
			t.Errorf("the others are answered after %v, want %v", got, pullTimeout)
		}
		close(release)
		c.wantRing("peer")
		if got, _ := c.pull("peer", 0, 5); len(got) != 1 {
			t.Errorf("got %q, want the message", bodies(got))
		}
	})
}

// TestEndCode: what a client is told that the broker has no use for any more.
func TestEndCode(t *testing.T) {
	for reason, want := range map[error]packet.Code{
		broker.ErrTakenOver: packet.CodeElsewhere, broker.ErrSlowConsumer: packet.CodeOverloaded, broker.ErrFruitless: packet.CodeOverloaded,
		broker.ErrQuotaExceeded: packet.CodeOverloaded, broker.ErrClosed: 0, broker.ErrKicked: 0, errSilent: 0,
	} {
		if got := endCode(fmt.Errorf("because: %w", reason)); got != want {
			t.Errorf("%v: got %d, want %d", reason, got, want)
		}
	}
}
