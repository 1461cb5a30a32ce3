package client

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

// statusOnline answers a query for users.
func statusOnline(s *server, m *packet.Message) {
	s.reply(m, &packet.Response{QueryStatus: &packet.StatusResponse{Users: []packet.UserStatus{
		{UserID: []byte("u"), UserType: []byte("jid"), Status: packet.StatusOnline},
	}}})
}

func TestLogin(t *testing.T) {
	signed := guest()
	signed.User, signed.Sig, signed.Token = "10001", "a-sig", "a-token"
	plain := guest()
	plain.DefaultKey = ""
	old, text := guest(), guest()
	old.Header.Version = 0
	text.Header, text.Text = packet.Header{ClientVersion: 102, App: 2080}, true
	encrypt := guest()
	encrypt.Encrypt, encrypt.Heartbeat = true, time.Minute
	for _, row := range []struct {
		name string
		s    server
		o    Options
	}{
		{"guest", server{sessionKey: sessionKey, loginKey: "guest-1"}, guest()},
		{"guest of another server", server{sessionKey: sessionKey, loginKey: defaultKey}, guest()},
		{"guest in plaintext", server{sessionKey: "", loginKey: "guest-1"}, guest()},
		{"guest who offers none", server{sessionKey: sessionKey, loginKey: "guest-1"}, encrypt},
		{"signed-in user", server{sessionKey: sessionKey, loginKey: defaultKey}, signed},
		{"signed-in user under the token", server{sessionKey: sessionKey, loginKey: "a-token"}, signed},
		{"version 0", server{sessionKey: sessionKey, loginKey: "guest-1"}, old},
		{"text form", server{sessionKey: sessionKey, loginKey: "guest-1"}, text},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &row.s
			s.answer = statusOnline
			c, err := connect(t, s, row.o)
			if err != nil {
				t.Fatal(err)
			}
			if got := packet.Key(c.Session().SessionKey); got != s.sessionKey || c.Session().Timestamp != 5 {
				t.Errorf("got %+v, want the server's answer", c.Session())
			}
			users, err := c.Status(t.Context(), "u")
			if err != nil || len(users) != 1 || users[0].Status != packet.StatusOnline {
				t.Errorf("got %+v, %v, want u on line", users, err)
			}
			c.Close()
			<-s.ended
			checkLogin(t, s, row.o)
		})
	}
}

func checkLogin(t *testing.T, s *server, o Options) {
	t.Helper()
	if s.header.Version != o.Header.Version || s.header.App != o.Header.App || s.header.ClientVersion != o.Header.ClientVersion {
		t.Errorf("got %+v, want %+v", s.header, o.Header)
	}
	init, login := s.init.Request.InitLogin, s.login.Request.Login
	if string(s.init.Sender) != o.User || len(init.ClientRAM) < 8 || string(init.Sig) != o.Sig || (init.Sig != nil) != (o.Sig != "") {
		t.Errorf("got %+v of %s, want user %s and sig %q", init, s.init.Sender, o.User, o.Sig)
	}
	want := packet.VerfCode(o.User, salt)
	if string(login.ServerRAM) != serverRAM || string(login.VerfCode) != want || login.App.Value != uint32(o.Header.App) ||
		string(login.DeviceID) != "d" || string(login.Platform) != "mobile" || string(login.MobileType) != "pc" {
		t.Errorf("got %+v, want what the options say", login)
	}
	heart := uint32(120)
	if o.Heartbeat > 0 {
		heart = uint32(o.Heartbeat.Seconds())
	}
	if login.HeartFeq != packet.Some(heart) || login.NotEncrypt.Value == o.Encrypt {
		t.Errorf("got %+v and %+v, want %d and the opposite of %t", login.HeartFeq, login.NotEncrypt, heart, o.Encrypt)
	}
	password := packet.Key(o.User)
	if o.Sig != "" {
		password = o.Token
	}
	plain := make([]byte, len(login.SecretRAM))
	password.Crypt(plain, login.SecretRAM)
	if !strings.HasPrefix(string(plain), serverRAM) {
		t.Errorf("got %q, want the server's random characters", plain)
	}
}

func TestLoginFails(t *testing.T) {
	_, err := connect(t, &server{refuse: packet.CodeCredentials}, guest())
	wantCode(t, err, packet.CodeCredentials)
	if _, err = connect(t, &server{noMagic: true}, guest()); !errors.Is(err, ErrMagic) {
		t.Errorf("got %v, want %v", err, ErrMagic)
	}
	if _, err = connect(t, &server{loginKey: "unknown"}, guest()); !errors.Is(err, ErrKey) {
		t.Errorf("got %v, want %v", err, ErrKey)
	}
	wrong := guest()
	wrong.DefaultKey = "wrong"
	if _, err = connect(t, &server{}, wrong); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the server's close", err)
	}
}

// A server that does not answer is given up with the context.
func TestLoginEndsWithContext(t *testing.T) {
	a, b := memnet.Pipe()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	go func() {
		_, _ = b.Read(make([]byte, 10))
		cancel(enough)
	}()
	if _, err := New(ctx, a, guest()); !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no user":             func(o *Options) { o.User = "" },
		"version 2":           func(o *Options) { o.Header.Version = 2 },
		"client version 4096": func(o *Options) { o.Header.ClientVersion = 4096 },
		"text of version 1":   func(o *Options) { o.Text = true },
		"long key":            func(o *Options) { o.DefaultKey = packet.Key(strings.Repeat("k", 257)) },
		"long password":       func(o *Options) { o.User = strings.Repeat("u", 257) },
		"fast heartbeat":      func(o *Options) { o.Heartbeat = time.Millisecond },
		"no room for events":  func(o *Options) { o.Events = -1 },
	} {
		o := guest()
		change(&o)
		a, b := memnet.Pipe()
		if _, err := New(t.Context(), a, o); err == nil {
			t.Errorf("%s: got a client, want an error", name)
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%s: got %v, want the connection closed", name, err)
		}
	}
}

func TestParseURL(t *testing.T) {
	for in, want := range map[string]target{
		"ximp://h:1":  {host: "h:1"},
		"ximps://h:1": {host: "h:1", tls: true},
		"ximp://h":    {host: "h:1885"},
		"ximps://h":   {host: "h:8885", tls: true},
		"ws://h:1/":   {host: "h:1", webSocket: true},
		"ws://h":      {host: "h:80", webSocket: true},
		"wss://[::1]:1": {
			host: "[::1]:1", tls: true, webSocket: true,
		},
	} {
		if got, err := parseURL(in); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "h:1", "mqtt://h:1", "ximp://:1", "ximp://h:1/x", "ximp://u:p@h:1", "ximp://h:1?a=b", "ximp://h:\x01"} {
		if got, err := parseURL(in); err == nil {
			t.Errorf("%q: got %+v, want an error", in, got)
		}
	}
	if _, err := Dial(t.Context(), Options{URL: "ximp://127.0.0.1:1", Text: true}); err == nil {
		t.Error("got a client, want the text form refused without WebSocket")
	}
}
