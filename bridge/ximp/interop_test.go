package ximp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	ximpclient "github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

const interopSalt = "test-verf-salt"

// interopListener is for guests with keys, who reach each other.
var interopListener = Listener{Rules: &Rules{
	DefaultKey: keyed, Guests: GuestsCheck, Salt: func(uint16) string { return interopSalt }, Direct: true,
	Text: packet.Header{ClientVersion: 102, App: testAppID},
}}

// transport is how a client gets to the server.
type transport struct {
	name    string
	scheme  string
	version uint8
	text    bool
	answers bool // in text
	plain   bool // after the login
}

// TestClient has the package client log in, push, pull and talk over all transports.
func TestClient(t *testing.T) {
	for _, tr := range []transport{
		{name: "TCP", scheme: "ximp", version: 1},
		{name: "version 0", scheme: "ximp", version: 0},
		{name: "TLS", scheme: "ximps", version: 1, plain: true},
		{name: "WebSocket", scheme: "ws", version: 1, plain: true},
		{name: "WebSocket with TLS", scheme: "wss", version: 1, plain: true},
		{name: "text form", scheme: "ws", text: true, plain: true},
		{name: "text form, answers too", scheme: "wss", text: true, answers: true, plain: true},
	} {
		t.Run(tr.name, func(t *testing.T) {
			s := newServer(t, setup{})
			newInterop(t, s, tr).story()
		})
	}
}

// interop is a listener of one transport with what clients need to get there.
type interop struct {
	transport
	t       *testing.T
	s       *testServer
	ctx     context.Context
	options ximpclient.Options
}

func newInterop(t *testing.T, s *testServer, tr transport) *interop {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	certified := httptest.NewTLSServer(nil) // lends its certificate
	t.Cleanup(certified.Close)
	from := interopListener
	rules := *from.Rules
	rules.TextAnswers = tr.answers
	from.Rules = &rules
	handler := s.ximp.HandlerOf(&from)
	protocols := []netloop.Protocol{
		{Name: "ximp", Match: Match, NewHandler: handler, Text: true},
		{Name: "ximp text", Match: MatchText, NewHandler: handler, Text: true},
	}
	// All of them on one port.
	_, err = s.engine.ListenWith(ln, netloop.ListenConfig{
		NewHandler: handler, Sniff: protocols[:1], Bare: protocols,
		TLS: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: certified.TLS.Certificates},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	client := certified.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName, client.NextProtos = "example.com", nil
	return &interop{transport: tr, t: t, s: s, ctx: ctx, options: ximpclient.Options{
		URL: tr.scheme + "://" + ln.Addr().String(), TLS: client, Text: tr.text,
		Header:     packet.Header{Version: tr.version, ClientVersion: 102, App: testAppID},
		DefaultKey: testKey, VerfSalt: interopSalt, Platform: "mobile", MobileType: "android",
	}}
}

func (i *interop) dial(user, device string) *ximpclient.Client {
	i.t.Helper()
	o := i.options
	o.User, o.DeviceID = user, device
	c, err := ximpclient.Dial(i.ctx, o)
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(c.Close)
	return c
}

// event waits for the next event that is no doorbell, or the next doorbell.
func (i *interop) event(c *ximpclient.Client, doorbell bool) ximpclient.Event {
	i.t.Helper()
	for {
		select {
		case e, open := <-c.Events():
			if !open {
				i.t.Fatalf("got the end: %v, want an event", c.Err())
			}
			if _, _, ok := e.Doorbell(); ok == doorbell {
				return e
			}
		case <-i.ctx.Done():
			i.t.Fatal("no event comes")
		}
	}
}

// pull reads the inbox from where the server thinks the client is.
func (i *interop) pull(c *ximpclient.Client, box string) (got []string) {
	i.t.Helper()
	err := c.Inbox(box, 0).Pull(i.ctx, func(m packet.Stored) error {
		got = append(got, string(m.Body))
		return nil
	})
	if err != nil {
		i.t.Fatal(err)
	}
	return got
}

func (i *interop) must(err error) {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
}

func (i *interop) story() {
	t := i.t
	alice, bob := i.dial("alice", "phone"), i.dial("bob", "")
	if plain := len(alice.Session().SessionKey) == 0; plain != i.plain {
		t.Errorf("got plaintext %t, want %t", plain, i.plain)
	}
	i.rooms(alice, bob)

	// After its first pull a client is told of what comes, without the pause that there is after a login.
	if got := i.pull(alice, packet.BoxPeer); len(got) != 0 {
		t.Errorf("got %v, want an empty inbox", got)
	}

	// Messages wait until they are acknowledged, through a takeover too.
	i.s.publish("inbox/x:alice:mobile:phone", "one", 1)
	i.event(alice, true)
	i.must(bob.Chat(i.ctx, "alice", []byte("chat")))
	i.s.publish("user/alice", "two", 1)
	if p, err := alice.GetInfo(i.ctx, packet.BoxPeer, 0, 100); err != nil || len(p.Messages) != 2 {
		t.Fatalf("got %+v and %v, want two messages", p, err)
	}
	again := i.dial("alice", "phone")
	<-alice.Done()
	if !isCode(alice.Err(), packet.CodeElsewhere) {
		t.Errorf("got %v, want error %d", alice.Err(), packet.CodeElsewhere)
	}
	for box, want := range map[string][]string{packet.BoxPeer: {"one", "two"}, packet.BoxIM: {"chat"}} {
		if got := i.pull(again, box); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", box, got, want)
		}
		if got := i.pull(again, box); len(got) != 0 {
			t.Errorf("%s: got %v again, want what was acknowledged gone", box, got)
		}
	}

	users, err := bob.Status(i.ctx, "alice", "nobody")
	if err != nil || len(users) != 2 || users[0].Status != packet.StatusOnline || users[1].Status != packet.StatusUnknown {
		t.Errorf("got %+v and %v, want alice on line and nobody unknown", users, err)
	}
	i.must(again.Logout(i.ctx, "bye"))
	back := i.dial("alice", "phone")
	if got := i.pull(back, packet.BoxPeer); len(got) != 0 {
		t.Errorf("got %v after the logout, want nothing", got)
	}
}

// rooms has both in a room, and one leave it.
func (i *interop) rooms(alice, bob *ximpclient.Client) {
	t := i.t
	for _, c := range []*ximpclient.Client{alice, bob} {
		room, err := c.Join(i.ctx, "tea room", map[string]string{"k": "v"})
		if err != nil || string(room.RoomID) != "tea room" {
			t.Fatalf("got %+v and %v, want the room", room, err)
		}
	}
	_, err := bob.SendRoom(i.ctx, "tea room", []byte("cake?"))
	i.must(err)
	e := i.event(alice, false)
	if len(e.Messages) != 1 || string(e.Messages[0].Content) != "cake?" || string(e.Messages[0].Sender.UserID) != "bob" {
		t.Errorf("got %+v, want what bob says", e.Messages)
	}
	room, err := alice.Room(i.ctx, "tea room")
	if err != nil || len(room.Properties) == 0 {
		t.Errorf("got %+v and %v, want counts", room, err)
	}
	// Off and on again, bob hears only what he is to.
	i.must(alice.Subscribe(i.ctx, "tea room", false))
	i.s.publish("group/tea%20room", "unheard", 0)
	i.must(alice.Subscribe(i.ctx, "tea room", true))
	many := []string{"a", "b", "c", "d", "e"}
	for _, text := range many {
		i.s.publish("group/tea%20room", text, 0)
	}
	var got []string
	for len(got) < len(many) {
		for _, m := range i.event(alice, false).Messages {
			got = append(got, string(m.Content))
		}
	}
	if !slices.Equal(got, many) {
		t.Errorf("got %v, want %v", got, many)
	}
	i.must(alice.Quit(i.ctx, "tea room"))
	if _, err := alice.GetRoomMessages(i.ctx, "tea room", 1, 2); err != nil {
		t.Error(err)
	}
}

// TestClientRefused: what the server does not let in is told why.
func TestClientRefused(t *testing.T) {
	s := newServer(t, setup{})
	i := newInterop(t, s, transport{scheme: "ximp", version: 1})
	o := i.options
	o.User, o.VerfSalt = "alice", "another salt"
	if _, err := ximpclient.Dial(i.ctx, o); !isCode(err, packet.CodeParameter) && !isCode(err, packet.CodeCredentials) {
		t.Errorf("got %v, want the guest's code refused", err)
	}
	o.VerfSalt, o.User = interopSalt, "10001"
	if _, err := ximpclient.Dial(i.ctx, o); err == nil {
		t.Error("got a client, want a guest with a registered user's id refused")
	}
	o.User, o.Header.App = "alice", 1
	if _, err := ximpclient.Dial(i.ctx, o); err == nil {
		t.Error("got a client, want an app without key refused")
	}
}

// TestClientMoves: a server that stops tells where to go.
func TestClientMoves(t *testing.T) {
	s := newServer(t, setup{ximp: Config{Elsewhere: []string{"192.0.2.7"}, ElsewherePort: 1885, DrainWait: time.Millisecond}})
	i := newInterop(t, s, transport{scheme: "ximp", version: 1})
	alice := i.dial("alice", "phone")
	var stopping sync.WaitGroup
	stopping.Go(s.shutdown)
	defer stopping.Wait()
	e := i.event(alice, false)
	if n := e.Message.Notify; n == nil || n.ReConnect == nil || string(n.ReConnect.IP) != "192.0.2.7" || n.ReConnect.Port.Value != 1885 {
		t.Errorf("got %s, want where to connect to", show(e.Message))
	}
	<-alice.Done()
}

// isCode tells whether err is this error of a server's.
func isCode(err error, code packet.Code) bool {
	var e *packet.Error
	return errors.As(err, &e) && e.Code == code
}
