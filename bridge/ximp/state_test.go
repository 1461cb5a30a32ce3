package ximp

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// requests are one of each packet a client may send, complete or not.
var requests = map[string]packet.Message{
	"InitLogin": {ID: packet.IDInitLogin, Sender: []byte("alice"), Request: &packet.Request{
		InitLogin: &packet.InitLoginRequest{ClientRAM: []byte("x")}}},
	"Login": {ID: packet.IDLogin, Request: &packet.Request{Login: &packet.LoginRequest{SecretRAM: []byte("x")}}},
	"GetInfo": {ID: packet.IDGetInfo, Request: &packet.Request{
		GetInfo: &packet.GetInfoRequest{InfoType: []byte("peer")}}},
	"GetMultiInfos": {ID: packet.IDGetMultiInfos, Request: &packet.Request{
		GetMultiInfos: &packet.GetMultiInfosRequest{InfoType: []byte("chatroom"), SParameter: []byte("r")}}},
	"Service": {ID: packet.IDService, Request: &packet.Request{Service: &packet.ServiceRequest{
		ServiceID: packet.ServiceGroup, Request: packet.Append(nil, &packet.GroupUp{Payload: packet.GroupSync})}}},
	"Logout": {ID: packet.IDLogout, Request: &packet.Request{Logout: &packet.LogoutRequest{}}},
	"Chat":   {ID: packet.IDChat, Request: &packet.Request{Chat: &packet.ChatRequest{Body: []byte("hi")}}},
	"status": {ID: packet.IDQueryStatus, Request: &packet.Request{QueryStatus: &packet.StatusRequest{}}},

	"unknown id":          {ID: 100003, Request: &packet.Request{Chat: &packet.ChatRequest{}}},
	"Ack":                 {ID: packet.IDAck, Ack: &packet.Ack{}},
	"InitLogin, no req":   {ID: packet.IDInitLogin, Sender: []byte("alice")},
	"Login, no req":       {ID: packet.IDLogin},
	"Chat, no req":        {ID: packet.IDChat},
	"Chat, other request": {ID: packet.IDChat, Request: &packet.Request{Logout: &packet.LogoutRequest{}}},
	"GetInfo, forged": {ID: packet.IDGetInfo, Sender: []byte("mallory"), Request: &packet.Request{
		GetInfo: &packet.GetInfoRequest{InfoType: []byte("peer")}}},
	"Login, forged": {ID: packet.IDLogin, Sender: []byte("mallory"), Request: &packet.Request{
		Login: &packet.LoginRequest{SecretRAM: []byte("x")}}},
	"GetInfo, sender": {ID: packet.IDGetInfo, Sender: []byte("alice"), Request: &packet.Request{
		GetInfo: &packet.GetInfoRequest{InfoType: []byte("peer")}}},
	"unknown service": {ID: packet.IDService, Request: &packet.Request{Service: &packet.ServiceRequest{ServiceID: 7}}},
}

// TestStates: what each packet gets in each state. 0 is an answer that is no error.
func TestStates(t *testing.T) {
	const (
		order     = packet.CodeOrder
		parameter = packet.CodeParameter
	)
	for name, want := range map[string][3]packet.Code{
		"InitLogin":           {0, order, order},
		"Login":               {order, parameter, order},
		"GetInfo":             {order, order, 0},
		"GetMultiInfos":       {order, order, 0},
		"Service":             {order, order, 0},
		"Logout":              {order, order, 0},
		"Chat":                {order, order, 0},
		"status":              {order, order, 0},
		"unknown id":          {order, order, parameter},
		"Ack":                 {order, order, parameter},
		"InitLogin, no req":   {order, order, order},
		"Login, no req":       {order, order, order},
		"Chat, no req":        {order, order, parameter},
		"Chat, other request": {order, order, parameter},
		"GetInfo, forged":     {order, order, packet.CodeSender},
		"Login, forged":       {order, packet.CodeSender, order},
		"GetInfo, sender":     {order, order, 0},
		"unknown service":     {order, order, parameter},
	} {
		for state, code := range want {
			t.Run([]string{"connected", "init", "logged in"}[state]+"/"+name, func(t *testing.T) {
				inBubble(t, setup{}, func(s *testServer) {
					c := s.connect("alice")
					switch state {
					case 1:
						c.initLogin(nil)
					case 2:
						c.login("d")
					}
					m := requests[name]
					m.SN = 77
					c.send(&m)
					if code != 0 {
						c.wantError(77, code)
						if state == 0 && !c.magic {
							t.Error("the first answer has no magic")
						}
						return
					}
					got := c.next()
					if got == nil || got.SN != 77 || got.ID != m.ID.Response() {
						t.Errorf("got %s, want %v", show(got), m.ID.Response())
					}
				})
			})
		}
	}
}

// TestHeartbeat: it is answered in every state, in the clear.
func TestHeartbeat(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice")
		beat := func(state string) {
			c.write(packet.AppendHeartbeat(nil))
			if f, ok := c.frame(); !ok || !f.Heartbeat {
				t.Errorf("%s: got %v, want a heartbeat", state, f)
			}
		}
		beat("connected")
		ram := c.initLogin(nil)
		beat("init")
		c.sendLogin(ram, "d")
		c.next()
		beat("logged in")
		c.request(packet.IDLogout, packet.Request{Logout: &packet.LogoutRequest{}})
		c.next()
		beat("logged out")
	})
}

// TestMalformed: what cannot be read closes the connection without an answer.
func TestMalformed(t *testing.T) {
	heading := func(total string) string { return "qh\x10\x66\x10\x92\x00\x00\x00\x00\x00\x00" + total }
	for _, tt := range []struct {
		name, bytes string
		loggedIn    bool
	}{
		{"no header", "\x00\x00\x00\x06\x08\x01", false},
		{"another protocol", "\x10\x0c\x00\x04MQTT", false},
		{"text form without WebSocket", "wxh12800000004AAAA", false},
		{"total below the header", heading("\x00\x00\x00\x0f"), false},
		{"no body", heading("\x00\x00\x00\x10"), false},
		{"more than 64 KiB before login", heading("\x00\x01\x00\x11"), false},
		{"all ones", heading("\xff\xff\xff\xff"), false},
		{"no protobuf", heading("\x00\x00\x00\x12") + "\xff\xff", false},
		{"version 2", "qh\x20\x66\x10\x92\x00\x00\x00\x00\x00\x00\x00\x00\x00\x14\x08\x00\x10\x00", false},
		{"total 1", "\x00\x00\x00\x01", true},
		{"total 2", "\x00\x00\x00\x02", true},
		{"total 3", "\x00\x00\x00\x03", true},
		{"no body, later", "\x00\x00\x00\x04", true},
		{"more than 1 MiB", "\x00\x10\x00\x05", true},
		{"no protobuf, later", "\x00\x00\x00\x06\xff\xff", true},
		{"header of another app", "qh\x10\x66\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x14\x08\x00\x10\x00", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{}, func(s *testServer) {
				c := s.connect("alice")
				if tt.loggedIn {
					c.login("d")
				}
				c.write([]byte(tt.bytes))
				c.wantEnd()
				if got := s.ximp.Stats().Malformed; got != 1 {
					t.Errorf("Malformed: got %d, want 1", got)
				}
			})
		})
	}
}

// TestMalformedBetween: what cannot be read in the middle of a login, or is encrypted with another key, gets no answer either, and a
// body that is as large as one may be there is read.
func TestMalformedBetween(t *testing.T) {
	for _, tt := range []struct {
		name string
		send func(c *client)
	}{
		{"no protobuf", func(c *client) { c.write([]byte("\x00\x00\x00\x06\xff\xff")) }},
		{"more than 64 KiB", func(c *client) { c.write([]byte("\x00\x01\x00\x05")) }},
		{"no body", func(c *client) { c.write([]byte("\x00\x00\x00\x04")) }},
		{"total 2", func(c *client) { c.write([]byte("\x00\x00\x00\x02")) }},
		{"header of another app", func(c *client) {
			c.first, c.header.App = false, 1
			c.sendLogin([]byte("x"), "d")
		}},
		{"another key", func(c *client) {
			c.key = "another"
			c.sendLogin([]byte("x"), "d")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{}, func(s *testServer) {
				c := s.connect("alice")
				c.initLogin(nil)
				tt.send(c)
				c.wantEnd()
				if got := s.ximp.Stats().Malformed; got != 1 {
					t.Errorf("Malformed: got %d, want 1", got)
				}
			})
		})
	}
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice")
		ram := c.initLogin(nil)
		pad := func(r *packet.LoginRequest) {
			m := packet.Message{ID: packet.IDLogin, SN: c.sn + 1, Request: &packet.Request{Login: r}}
			r.SecretRAM = append(r.SecretRAM, make([]byte, packet.MaxBodyBeforeLogin-len(packet.Append(nil, &m))-16)...)
			for len(packet.Append(nil, &m)) < packet.MaxBodyBeforeLogin {
				r.SecretRAM = append(r.SecretRAM, 0)
			}
		}
		sn := c.sendLogin(ram, "d", pad)
		if m := c.next(); m == nil || m.SN != sn || m.Response == nil || m.Response.Login == nil {
			t.Fatalf("got %s, want LoginResp to a body of 64 KiB", show(m))
		}
	})
}

// TestHeaderAgain: a later packet may carry the header again.
func TestHeaderAgain(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		c.first = false
		if _, last := c.pull("peer", 0, 5); last == 0 {
			t.Error("last_info_id: got 0, want the mailbox's number")
		}
	})
}

// TestSlices: one byte at a time and everything at once are the same.
func TestSlices(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice")
		first := packet.AppendFirst(nil, c.header, &packet.Message{ID: packet.IDInitLogin, SN: 1, Sender: []byte("alice"),
			Request: &packet.Request{InitLogin: &packet.InitLoginRequest{ClientRAM: []byte("x")}}}, "")
		for i := range first {
			c.write(first[i : i+1])
		}
		c.first = true
		c.sendLogin(c.next().Response.InitLogin.ServerRAM, "d")
		c.next()
		var all []byte
		for sn := range uint64(20) {
			all = packet.AppendHeartbeat(all)
			all = packet.AppendPacket(all, &packet.Message{ID: packet.IDGetInfo, SN: sn, Request: &packet.Request{
				GetInfo: &packet.GetInfoRequest{InfoType: []byte("peer")}}}, "")
		}
		c.write(all)
		for sn := range uint64(20) {
			if m := c.next(); m == nil || m.SN != sn {
				t.Fatalf("got %s, want answer %d", show(m), sn)
			}
		}
	})
}

// TestMalformedFlood: many connections that send nonsense, one after the other, leave nothing behind and disturb nobody.
func TestMalformedFlood(t *testing.T) {
	inBubble(t, setup{}, func(s *testServer) {
		c := s.connect("alice").login("d")
		for i := range 500 {
			bad := s.connect("mallory")
			bad.write([]byte{'q', 'h', byte(i), byte(i >> 8), 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, byte(i)})
			bad.wantEnd()
			bad.close()
		}
		c.pull("peer", 0, 5)
		if st := s.broker.Stats(); st.Connected != 1 || st.Sessions != 1 {
			t.Errorf("got %d connected and %d Sessions, want 1 and 1", st.Connected, st.Sessions)
		}
		if got := s.ximp.Stats().Malformed; got != 500 {
			t.Errorf("Malformed: got %d, want 500", got)
		}
	})
}
