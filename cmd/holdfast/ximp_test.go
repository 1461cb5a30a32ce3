package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// ximpStub is a XIMP server for one client after the other, with an inbox and rooms. Who chats with "shut" or
// joins it is refused; who joins "gone" is asked to connect elsewhere.
type ximpStub struct {
	t    *testing.T
	ln   net.Listener
	wait sync.WaitGroup

	mu       sync.Mutex
	messages []string // of inbox peer, with ids from 1
	read     int64    // acknowledged
	got      []string // what clients have sent
}

const ximpStubKey packet.Key = "stub-key"

func startXIMP(t *testing.T, messages ...string) (s *ximpStub, url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = &ximpStub{t: t, ln: ln, messages: messages}
	s.wait.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.serve(conn)
			conn.Close()
		}
	})
	t.Cleanup(func() { ln.Close(); s.wait.Wait() })
	return s, "ximp://" + ln.Addr().String()
}

func (s *ximpStub) serve(conn net.Conn) {
	var held []byte
	key, chunk := ximpStubKey, make([]byte, 4096)
	for {
		f, n, err := packet.ReadFrame(held, 0)
		if err != nil {
			s.t.Errorf("got %v, want packets", err)
			return
		}
		if n == 0 {
			if n, err = conn.Read(chunk); err != nil {
				return
			}
			held = append(held, chunk[:n]...)
			continue
		}
		held = held[n:]
		m := new(packet.Message)
		if plain, _ := f.Open(nil, key); f.Heartbeat || packet.Decode(plain, m) != nil {
			return
		}
		var out []byte
		if m.ID == packet.IDInitLogin {
			r := &packet.InitLoginResponse{ClientRAM: m.Request.InitLogin.ClientRAM, ServerRAM: []byte("123")}
			out = packet.AppendFirstAnswer(out, 1, ximpReply(m, packet.Response{InitLogin: r}), key)
		} else {
			for _, answer := range s.answers(m) {
				out = packet.AppendPacket(out, answer, key)
			}
		}
		if m.ID == packet.IDLogin {
			key = "" // plaintext from now on
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

func ximpReply(m *packet.Message, r packet.Response) *packet.Message {
	return &packet.Message{ID: m.ID.Response(), SN: m.SN, Response: &r}
}

func (s *ximpStub) answers(m *packet.Message) []*packet.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := m.Request
	switch {
	case r.Login != nil:
		if string(r.Login.VerfCode) == "wrong" {
			return []*packet.Message{packet.Refuse(m.SN, packet.CodeCredentials, "")}
		}
		return []*packet.Message{ximpReply(m, packet.Response{Login: &packet.LoginResponse{ClientIP: []byte("192.0.2.1")}})}
	case r.GetInfo != nil:
		return []*packet.Message{ximpReply(m, packet.Response{GetInfo: s.page(r.GetInfo)})}
	case r.Chat != nil:
		s.got = append(s.got, string(m.Receiver)+" "+string(r.Chat.Body))
		result := &packet.ChatResponse{}
		if string(m.Receiver) == "shut" {
			result.Result = 1
		}
		return []*packet.Message{ximpReply(m, packet.Response{Chat: result})}
	case r.QueryStatus != nil:
		status := &packet.StatusResponse{}
		for i, u := range r.QueryStatus.Users {
			status.Users = append(status.Users, packet.UserStatus{UserID: u.UserID, UserType: u.UserType, Status: int32(3 - i)})
		}
		return []*packet.Message{ximpReply(m, packet.Response{QueryStatus: status})}
	case r.GetMultiInfos != nil:
		return []*packet.Message{ximpReply(m, packet.Response{GetMultiInfos: s.kept(r.GetMultiInfos)})}
	case r.Logout != nil:
		s.got = append(s.got, "logout")
		return []*packet.Message{ximpReply(m, packet.Response{Logout: &packet.LogoutResponse{}})}
	}
	return s.room(m)
}

// kept answers about a room of which the messages with even numbers are kept.
func (s *ximpStub) kept(get *packet.GetMultiInfosRequest) *packet.GetMultiInfosResponse {
	s.got = append(s.got, fmt.Sprint(get.IDs))
	r := &packet.GetMultiInfosResponse{InfoType: get.InfoType, SParameter: get.SParameter}
	for _, id := range get.IDs {
		info := packet.Stored{Valid: packet.Some(uint32(0)), ID: packet.Some(id)}
		if id%2 == 0 {
			info.Valid = packet.Some(uint32(1))
			info.Body = packet.Gzip(packet.Append(nil, numbered(get.SParameter, uint32(id))))
		}
		r.Infos = append(r.Infos, info.Info())
	}
	return r
}

// numbered is a message with a number.
func numbered(room []byte, id uint32) *packet.RoomMessage {
	return &packet.RoomMessage{RoomID: room, Content: fmt.Append(nil, "m", id), ID: packet.Some(id), MaxID: packet.Some(id)}
}

func (s *ximpStub) page(get *packet.GetInfoRequest) *packet.GetInfoResponse {
	r := &packet.GetInfoResponse{InfoType: get.InfoType}
	if string(get.InfoType) != packet.BoxPeer {
		return r
	}
	start := get.ID
	if start > 0 {
		s.read = max(s.read, start-1)
	} else {
		start = s.read + 1
	}
	for id := start; id <= int64(len(s.messages)); id++ {
		stored := packet.Stored{ID: packet.Some(id), Body: []byte(s.messages[id-1]), From: []byte("bob")}
		r.Infos = append(r.Infos, stored.Info())
	}
	return r
}

func (s *ximpStub) room(m *packet.Message) []*packet.Message {
	var p packet.RoomPacket
	if err := packet.Decode(m.Request.Service.Request, &p); err != nil {
		s.t.Errorf("got %v, want a packet of a room", err)
		return nil
	}
	down := &packet.RoomDown{Payload: p.Up.Payload}
	carry := func(d *packet.RoomDown) []byte {
		return packet.Append(nil, &packet.RoomPacket{RoomID: p.RoomID, Down: d})
	}
	out := []*packet.Message{nil}
	switch {
	case p.Up.Send != nil:
		s.got = append(s.got, string(p.RoomID)+" "+string(p.Up.Send.Content))
	case p.Up.Query != nil:
		down.Query = &packet.RoomAnswer{Room: &packet.Room{RoomID: p.RoomID, MaxID: packet.Some(uint64(4))}}
		for _, id := range []uint32{4, 5, 9} { // the first came before the answer
			content := carry(&packet.RoomDown{Payload: packet.RoomNewMessage, New: numbered(p.RoomID, id)})
			out = append(out, &packet.Message{ID: packet.IDNewMessage, Notify: &packet.Notify{
				NewMessage: &packet.NewMessage{InfoType: []byte(packet.BoxRoom), Content: content},
			}})
		}
	case string(p.RoomID) == "numbered":
		down.Join = &packet.RoomJoinAnswer{Room: p.Up.Join.Room}
	case string(p.RoomID) == "shut":
		down.Result, down.Reason = 5, []byte("members only")
	case string(p.RoomID) == "gone":
		down.Join = &packet.RoomJoinAnswer{Room: p.Up.Join.Room}
		n := &packet.ReConnect{IP: []byte("192.0.2.7"), MoreIPs: [][]byte{[]byte("192.0.2.8")}, Port: packet.Some[uint32](443)}
		out = append(out, &packet.Message{ID: packet.IDReConnect, Notify: &packet.Notify{ReConnect: n}})
	default:
		down.Join = &packet.RoomJoinAnswer{Room: p.Up.Join.Room}
		for _, a := range p.Up.Join.Room.Properties {
			s.got = append(s.got, string(a.Key)+"="+string(a.Value))
		}
		for _, text := range []string{"one", "two", "three"} {
			content := carry(&packet.RoomDown{Payload: packet.RoomNewMessage, New: &packet.RoomMessage{
				RoomID: p.RoomID, Content: []byte(text), Sender: &packet.RoomUser{UserID: []byte("eve")},
			}})
			out = append(out, &packet.Message{ID: packet.IDNewMessage, Notify: &packet.Notify{
				NewMessage: &packet.NewMessage{InfoType: []byte(packet.BoxRoom), Content: content},
			}})
		}
	}
	out[0] = ximpReply(m, packet.Response{Service: &packet.ServiceResponse{ServiceID: packet.ServiceRoom, Response: carry(down)}})
	return out
}

// sent returns what clients have sent, and how much of the inbox is acknowledged.
func (s *ximpStub) sent() (got string, read int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.got, ","), s.read
}

// secretFile returns the name of a file with this content.
func secretFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// runXIMPClient runs a command of ximp at url, as alice, with the stub's key.
func runXIMPClient(t *testing.T, url, in string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	args = append([]string{"ximp", args[0], "-L", url, "-u", "alice", "--key-file", secretFile(t, string(ximpStubKey)+"\n")}, args[1:]...)
	return run(t, in, args...)
}

func TestXIMP(t *testing.T) {
	for _, tt := range []struct {
		args, in       string
		code           int
		stdout, stderr string
		got            string
		read           int64
	}{
		{"login", "", exitOK, "logged in as alice, plaintext; the server's time is 1970-01-01T00:00:00Z, it sees this client at 192.0.2.1\n", "", "", 0},
		{"login --logout", "", exitOK, "logged in", "", "logout", 0},
		{"login -d", "", exitOK, "logged in", "Client alice received LoginResp (sn2)", "", 0},
		{"listen -C 2", "", exitOK, "m1\nm2\n", "", "", 2},
		{"listen -C 3 -v", "", exitOK, "peer 1 bob m1\npeer 2 bob m2\npeer 3 bob m3\n", "", "", 3},
		{"listen -W 3", "", exitTimeout, "m1\nm2\nm3\n", "timed out", "", 3},
		{"listen --box im -W 1", "", exitTimeout, "", "timed out", "", 0},
		{"chat --to bob -m hello", "", exitOK, "", "", "bob hello", 0},
		{"chat --to bob -l --expire 5", "a\nb\n", exitOK, "", "", "bob a,bob b", 0},
		{"chat --to shut -m x", "", exitFailure, "", "the server refused it", "shut x", 0},
		{"join tearoom -v -C 2 --arg k=v", "", exitOK, "tearoom eve one\ntearoom eve two\n", "", "k=v", 0},
		{"join numbered -C 6 --since 1", "", exitOK, "m2\nm4\nm5\nm6\nm8\nm9\n", "", "[1 2 3 4],[6 7 8]", 0},
		{"join shut", "", exitFailure, "", `5 "members only"`, "", 0},
		{"join gone", "", exitFailure, "", "asks to connect to 192.0.2.7 or 192.0.2.8, port 443", "", 0},
		{"say tearoom -m hi", "", exitOK, "", "", "tearoom hi", 0},
		{"status a b c d", "", exitOK, "a: on line\nb: off line\nc: off line, cannot be reached\nd: unknown\n", "", "", 0},
	} {
		t.Run(tt.args, func(t *testing.T) {
			s, url := startXIMP(t, "m1", "m2", "m3")
			code, stdout, stderr := runXIMPClient(t, url, tt.in, strings.Fields(tt.args)...)
			if code != tt.code || !strings.HasPrefix(stdout, tt.stdout) || tt.stdout == "" && stdout != "" || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("got %d, %q, %q, want %d, %q, %q", code, stdout, stderr, tt.code, tt.stdout, tt.stderr)
			}
			if got, read := s.sent(); got != tt.got || read != tt.read {
				t.Errorf("the server got %q and %d acknowledged, want %q and %d", got, read, tt.got, tt.read)
			}
		})
	}
}

func TestXIMPUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"", "Usage:"},
		{"fly", `"fly" is neither login`},
		{"login", "no user: give one with -u"},
		{"login x", "unexpected argument"},
		{"login -u a -V 2", "-V 2: write 0 or 1"},
		{"login -u a --client-version 5000", "write 0 to 4095"},
		{"login -u a -k 0", "-k 0: write seconds"},
		{"login -u a --token-file x", "--token-file needs --sig-file"},
		{"login -u a --sig-file x --salt-file y", "are for guests"},
		{"login -u a --code-file x --salt-file y", "not both"},
		{"login -u a --key-file /nonexistent/key", "no such file"},
		{"login -u a --cafile /nonexistent/ca", "no such file"},
		{"listen -u a --box letter", "--box letter: write peer, im or public"},
		{"listen -u a -C -1", "take numbers above 0"},
		{"chat -u a -m x", "give a user with --to"},
		{"chat -u a --to b", "exactly one of -m, -f and -l"},
		{"chat -u a --to b -m x -l", "exactly one of -m, -f and -l"},
		{"join -u a", "name one room"},
		{"join -u a r --arg x", "--arg x: write name=value"},
		{"say -u a -m x", "name one room"},
		{"say -u a r", "exactly one of -m, -f and -l"},
		{"status -u a", "name the users"},
	} {
		code, _, stderr := run(t, "", append([]string{"ximp"}, strings.Fields(tt.args)...)...)
		if code != exitUsage || !strings.Contains(stderr, tt.want) {
			t.Errorf("ximp %s: got %d, %q, want %d, %q", tt.args, code, stderr, exitUsage, tt.want)
		}
	}
	for _, content := range []string{"", "\n", strings.Repeat("k", maxSecret+1)} {
		if code, _, stderr := run(t, "", "ximp", "login", "-u", "a", "--key-file", secretFile(t, content)); code != exitUsage {
			t.Errorf("%d bytes: got %d, %q, want %d", len(content), code, stderr, exitUsage)
		}
	}
	if code, stdout, _ := run(t, "", "ximp", "--help"); code != exitOK || !strings.Contains(stdout, "holdfast ximp listen") {
		t.Errorf("got %d, %q, want the commands", code, stdout)
	}
}

// What goes wrong is told with what to look at.
func TestXIMPExplains(t *testing.T) {
	_, url := startXIMP(t)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"login", "-u", "a"}, "look at --key-file"},
		{[]string{"login", "-u", "a", "--key-file", secretFile(t, string(ximpStubKey)), "--code-file", secretFile(t, "wrong")}, "1008 (credentials refused); look at -u"},
		{[]string{"chat", "-u", "a", "--key-file", secretFile(t, string(ximpStubKey)), "--to", "b", "-m", strings.Repeat("m", packet.MaxBody)}, "do not fit"},
		{[]string{"login", "-u", "a", "--text"}, "takes a ws or wss URL"},
	} {
		code, _, stderr := run(t, "", append([]string{"ximp", tt.args[0], "-L", url}, tt.args[1:]...)...)
		if code != exitFailure || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: got %d, %q, want %d, %q", tt.args, code, stderr, exitFailure, tt.want)
		}
	}
}

// What is interrupted while it listens has done its work.
func TestXIMPInterrupted(t *testing.T) {
	_, url := startXIMP(t, "m1")
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs buffer
	var wait sync.WaitGroup
	code := -1
	key := secretFile(t, string(ximpStubKey))
	wait.Go(func() {
		code = Run(ctx, []string{"ximp", "listen", "-u", "a", "-L", url, "--key-file", key},
			Stdio{In: strings.NewReader(""), Out: &out, Err: &errs})
	})
	out.waitFor(t, "m1\n")
	cancel()
	wait.Wait()
	if code != exitOK || errs.String() != "" {
		t.Errorf("got %d, %q, want %d", code, errs.String(), exitOK)
	}
}
