package bench

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	ximp "github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// fakeXIMP is a XIMP listener that does what a test wants, beside a fake for MQTT.
type fakeXIMP struct {
	refuse ximp.Code // answer the login with this
	key    ximp.Key  // after the login
	lose   int       // this message from all publishers, from 1, never comes
	foul   int       // and this one has another payload
	onBeat func(int) // is told how many heartbeats there have been

	mu    sync.Mutex
	n     int
	users map[string]*fakeUser
	read  int // messages that have been acknowledged
	beats int
}

type fakeUser struct {
	conn     net.Conn
	messages [][]byte // with ids from 1
	read     int64
}

// start listens until the test ends and returns the URL.
func (x *fakeXIMP) start(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x.users = make(map[string]*fakeUser)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { x.serve(t, conn) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		x.mu.Lock()
		for _, u := range x.users {
			u.conn.Close()
		}
		x.mu.Unlock()
		wg.Wait()
	})
	return "ximp://" + ln.Addr().String()
}

func (x *fakeXIMP) serve(t *testing.T, conn net.Conn) {
	defer conn.Close()
	u, name := &fakeUser{conn: conn}, ""
	var key ximp.Key
	var held []byte
	chunk := make([]byte, 4096)
	for {
		f, size, err := ximp.ReadFrame(held, 0)
		if err != nil {
			t.Errorf("generator sent a bad packet: %v", err)
			return
		}
		if size == 0 {
			n, err := conn.Read(chunk)
			if err != nil {
				return
			}
			held = append(held, chunk[:n]...)
			continue
		}
		held = held[size:]
		m := new(ximp.Message)
		if plain, _ := f.Open(nil, key); !f.Heartbeat {
			if err := ximp.Decode(plain, m); err != nil {
				t.Errorf("generator sent a bad message: %v", err)
				return
			}
		}
		x.mu.Lock()
		var out []byte
		switch {
		case f.Heartbeat:
			if x.beats++; x.onBeat != nil {
				x.onBeat(x.beats)
			}
			out = ximp.AppendHeartbeat(out)
		case m.Request.InitLogin != nil:
			name = string(m.Sender)
			out = ximp.AppendFirstAnswer(out, 1, answerXIMP(m, ximp.Response{InitLogin: &ximp.InitLoginResponse{
				ClientRAM: m.Request.InitLogin.ClientRAM, ServerRAM: []byte("1"),
			}}), key)
		case m.Request.Login != nil && x.refuse != 0:
			out = ximp.AppendPacket(out, ximp.Refuse(m.SN, x.refuse, ""), key)
		case m.Request.Login != nil:
			x.users["user/"+name] = u
			out = ximp.AppendPacket(out, answerXIMP(m, ximp.Response{Login: &ximp.LoginResponse{SessionKey: []byte(x.key)}}), key)
			key = x.key
		case m.Request.GetInfo != nil:
			out = ximp.AppendPacket(out, answerXIMP(m, ximp.Response{GetInfo: x.page(u, m.Request.GetInfo)}), key)
		}
		_, err = conn.Write(out)
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func answerXIMP(m *ximp.Message, r ximp.Response) *ximp.Message {
	return &ximp.Message{ID: m.ID.Response(), SN: m.SN, Response: &r}
}

// page answers a pull; mu is held.
func (x *fakeXIMP) page(u *fakeUser, get *ximp.GetInfoRequest) *ximp.GetInfoResponse {
	start := max(get.ID, 1)
	if done := start - 1 - u.read; done > 0 {
		x.read += int(done)
		u.read = start - 1
	}
	r := &ximp.GetInfoResponse{InfoType: get.InfoType}
	for id := start; id <= int64(len(u.messages)) && len(r.Infos) < int(get.Offset.Value); id++ {
		s := ximp.Stored{ID: ximp.Some(id), Body: u.messages[id-1]}
		r.Infos = append(r.Infos, s.Info())
	}
	return r
}

// deliver is a fake's other.
func (x *fakeXIMP) deliver(topic string, payload []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	u := x.users[topic]
	if u == nil {
		return
	}
	switch x.n++; x.n {
	case x.lose:
		return
	case x.foul:
		payload = payload[:MinPayload]
	}
	u.messages = append(u.messages, payload)
	bell := &ximp.NewMessage{InfoType: []byte(ximp.BoxPeer)}
	if len(u.messages)%2 == 0 { // some tell the id, some don't
		bell.ID = ximp.Some(int64(len(u.messages)))
	}
	b := ximp.AppendPacket(nil, &ximp.Message{ID: ximp.IDNewMessage, Notify: &ximp.Notify{NewMessage: bell}}, x.key)
	_, _ = u.conn.Write(b) // a client that is gone gets nothing
}

func TestXIMPReceivers(t *testing.T) {
	for _, mode := range []Mode{P2P, Sparse} {
		for _, key := range []ximp.Key{"", "some-key"} {
			x := &fakeXIMP{key: key}
			f := &fake{other: x.deliver}
			o := small(mode, f.start(t, "tcp", "127.0.0.1:0"))
			o.Receivers = x.start(t)
			r, err := Run(t.Context(), o, nil)
			if err != nil {
				t.Fatalf("%s: %v", mode, err)
			}
			m := r.Messages
			if m.Published == 0 || m.Lost != 0 || m.Duplicates != 0 || m.OutOfOrder != 0 || m.Received != m.Expected || m.Latency.Samples == 0 {
				t.Errorf("%s: got %+v, want each message once", mode, m)
			}
			if r.Connections.Attempted != 2*o.Pairs || r.Receivers != o.Receivers {
				t.Errorf("%s: got %+v at %q, want all connected, and who receives", mode, r.Connections, r.Receivers)
			}
			var text strings.Builder
			if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), o.Receivers) {
				t.Errorf("got %q, %v, want the receivers named", text.String(), err)
			}
		}
	}
}

func TestXIMPLoss(t *testing.T) {
	x := &fakeXIMP{lose: 5}
	f := &fake{other: x.deliver}
	o := small(P2P, f.start(t, "tcp", "127.0.0.1:0"))
	o.Receivers = x.start(t)
	r, err := Run(t.Context(), o, nil)
	if err != nil || r.Messages.Lost != 1 {
		t.Fatalf("got %+v, %v, want one message lost", r, err)
	}
}

func TestXIMPFaults(t *testing.T) {
	for want, x := range map[string]*fakeXIMP{
		"broker refused the login: 1015": {refuse: ximp.CodeOverloaded},
		"a message of 16 bytes":          {foul: 3},
	} {
		f := &fake{other: x.deliver}
		o := small(P2P, f.start(t, "tcp", "127.0.0.1:0"))
		o.Receivers = x.start(t)
		if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestXIMPConn holds idle connections until each has sent a heartbeat.
func TestXIMPConn(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	clients := small(Conn, "").Clients
	x := &fakeXIMP{onBeat: func(n int) { // set before the first connection
		if n == clients {
			cancel(enough)
		}
	}}
	o := small(Conn, x.start(t))
	o.KeepAlive, o.Settle = time.Second, time.Minute
	r, err := Run(ctx, o, nil)
	if !errors.Is(err, enough) || r.Connections.Failed != 0 || r.Connections.Latency.Samples != int64(o.Clients) {
		t.Fatalf("got %+v, %v, want %d logins, and heartbeats", r, err, o.Clients)
	}
}

func TestXIMPOptions(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"want ximp, ximps":                       func(o *Options) { o.Receivers = "mqtt://h" },
		"durable has no receivers":               func(o *Options) { o.Mode, o.Receivers = Durable, "ximp://h" },
		"are for QoS 1":                          func(o *Options) { o.QoS, o.Receivers = 0, "ximp://h" },
		"no persistent":                          func(o *Options) { o.Persistent, o.Receivers = true, "ximp://h" },
		"p2p publishes with MQTT":                func(o *Options) { o.URL = "ximps://h" },
		"clients of other protocols do not stay": func(o *Options) { o.Mode, o.URL, o.Persistent = Conn, "ximp://h", true },
	} {
		o := Defaults(P2P)
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
