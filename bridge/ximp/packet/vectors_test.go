package packet

import (
	"bytes"
	"encoding/hex"
	"os"
	"reflect"
	"strings"
	"testing"
)

// vector is a line of testdata/vectors.txt.
type vector struct {
	key           Key
	packet, plain []byte
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func vectors(tb testing.TB) map[string]vector {
	tb.Helper()
	text, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		tb.Fatal(err)
	}
	out := make(map[string]vector)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 4 {
			tb.Fatalf("got %q, want name, key, packet and protobuf", line)
		}
		out[f[0]] = vector{key: Key(strings.Trim(f[1], "-")), packet: unhex(tb, f[2]), plain: unhex(tb, f[3])}
	}
	return out
}

// The keys of the vectors have dashes inside, which Trim leaves.
const (
	testDefaultKey Key = "test-default-key"
	testSessionKey Key = "test-session-key-1"
	testGuest          = "guest-0001-abcdef"
	testServerRAM      = "77001122334455667788"
)

var testHeader = Header{Version: 1, ClientVersion: 102, App: 4242}

func t8(s string) []byte { return []byte(s) }

func storedVector(id int64, body string) Info {
	s := Stored{
		ID: Some(id), Type: Some(TypePlain), Body: t8(body), Sent: Some(uint64(0x18bcfe56800 + id)),
		Expire: Some(uint64(0x18bf3f1ec00 + id)), Box: Some[uint32](0), SN: Some(uint64(0x2323 + id)),
		To: t8(testGuest), From: t8("admin"),
	}
	return s.Info()
}

func loginResponse() *Message {
	return &Message{ID: IDLogin.Response(), SN: 1002, Response: &Response{Login: &LoginResponse{
		Timestamp: 1700000000, SessionID: []byte{}, SessionKey: t8(string(testSessionKey)),
		ClientIP: t8("192.0.2.7"), ServerIP: t8("198.51.100.1"),
	}}}
}

func initResponse(sn uint64) *Message {
	return &Message{ID: IDInitLogin.Response(), SN: sn, Response: &Response{InitLogin: &InitLoginResponse{
		ClientRAM: t8("Cr4mAbCdEf"), ServerRAM: t8(testServerRAM),
	}}}
}

func getInfo(sn uint64, box string, id int64, offset int32) *Message {
	return &Message{ID: IDGetInfo, SN: sn, Request: &Request{GetInfo: &GetInfoRequest{
		InfoType: t8(box), ID: id, Offset: Some(offset),
	}}}
}

func roomNotify(sn uint64, sender string, id int64, after uint32) *Message {
	return &Message{ID: IDNewMessage, SN: sn, Sender: t8(sender), Receiver: []byte{}, Notify: &Notify{NewMessage: &NewMessage{
		InfoType: t8(BoxRoom), ID: Some(id), QueryAfter: Some(after),
	}}}
}

func roomMessage(user, text string, timestamp uint64) RoomMessage {
	return RoomMessage{
		RoomID: t8("room-9"), Sender: &RoomUser{UserID: t8(user)}, Type: Some[int32](0), Content: t8(text),
		Registered: Some[int32](2), Members: Some[int32](3), MaxID: Some[uint32](41), Timestamp: Some(timestamp),
	}
}

func numbered(m RoomMessage, id uint32) *RoomMessage {
	m.ID = Some(id)
	return &m
}

var roomYo = numbered(roomMessage("10001", `{"type":9,"text":"yo"}`, 1700000000000), 41)

// messages are what the vectors say. What services carry and gzip members are filled
// in from rooms, groups and the vectors.
func messages() map[string]*Message {
	service := func(sn uint64, id uint32, response bool) *Message {
		if response {
			return &Message{ID: IDService.Response(), SN: sn, Response: &Response{Service: &ServiceResponse{ServiceID: id}}}
		}
		return &Message{ID: IDService, SN: sn, ReceiverType: t8("null"), Request: &Request{Service: &ServiceRequest{ServiceID: id}}}
	}
	initRequest := func(sn uint64, user, sig, senderType string) *Message {
		m := &Message{ID: IDInitLogin, SN: sn, Sender: t8(user), Request: &Request{
			InitLogin: &InitLoginRequest{ClientRAM: t8("Cr4mAbCdEf")},
		}}
		if sig != "" {
			m.Request.InitLogin.Sig = t8(sig)
		}
		if senderType != "" {
			m.SenderType = t8(senderType)
		}
		return m
	}
	plainGet := getInfo(1012, BoxPeer, 8, 1)
	plainGet.Sender = t8(testGuest)
	return map[string]*Message{
		"v1_init_login_req":  initRequest(1001, testGuest, "", "jid"),
		"v0_init_login_req":  initRequest(2001, "10001", "test-sig", "jid"),
		"wx_first_packet":    initRequest(3001, testGuest, "", ""),
		"v1_init_login_resp": initResponse(1001),
		"v0_init_login_resp": initResponse(2001),
		"v1_login_req_guest": {
			ID: IDLogin, SN: 1002, Sender: t8(testGuest), SenderType: t8("jid"),
			Request: &Request{Login: &LoginRequest{
				MobileType: t8("android"), NetType: NetWiFi, ServerRAM: t8(testServerRAM),
				SecretRAM: []byte("\xd1\x5f\x6f\xf6\xe5\xb7\xe6\xe5\x28\xcf\x8a\xea\x83\x8d\xcb\x5d\xf8\x45\xb3\xf9\xd1\x66\xeb\x2e\x0f\xc4\xf1\x64"),
				App:       Some[uint32](4242), HeartFeq: Some[uint32](120), DeviceID: t8("dev-77"), Platform: t8("mobile"),
				VerfCode: t8("982d1ef3"), NotEncrypt: Some(true),
			}},
		},
		"v1_login_resp_guest":  loginResponse(),
		"v1_login_resp_signed": loginResponse(),
		"get_info_req_first":   getInfo(1003, BoxPeer, 0, 5),
		"get_info_req_next":    getInfo(1004, BoxPeer, 8, 5),
		"get_info_req_latest":  getInfo(1005, BoxIM, -1, -3),
		"plain_get_info_req":   plainGet,
		"get_info_resp": {ID: IDGetInfo.Response(), SN: 1003, Response: &Response{GetInfo: &GetInfoResponse{
			InfoType: t8(BoxPeer), LastID: Some[int64](7),
			Infos: []Info{storedVector(6, `{"t":"hello"}`), storedVector(7, `{"t":"again"}`)},
		}}},
		"get_info_resp_empty": {ID: IDGetInfo.Response(), SN: 1004, Response: &Response{GetInfo: &GetInfoResponse{
			InfoType: t8(BoxPeer), LastID: Some[int64](7),
		}}},
		"new_message_notify_peer": {ID: IDNewMessage, SN: 555, Sender: t8("admin"), Receiver: t8(testGuest), Notify: &Notify{
			NewMessage: &NewMessage{
				InfoType: t8(BoxPeer), Content: t8(`{"cmd":"push","data":{"msg_id":8,"pushtype":100}}`),
				ID: Some[int64](8), QueryAfter: Some[uint32](17),
			},
		}},
		"chat_req": {ID: IDChat, SN: 1006, Receiver: t8("10002"), ReceiverType: t8("jid"), Request: &Request{
			Chat: &ChatRequest{Body: t8("hi there")},
		}},
		"chat_resp":               {ID: IDChat.Response(), SN: 1006, Response: &Response{Chat: &ChatResponse{}}},
		"chatroom_join_req":       service(1007, ServiceRoom, false),
		"chatroom_join_resp":      service(1007, ServiceRoom, true),
		"chatroom_new_msg_notify": roomNotify(556, "10001", 41, 3),
		"chatroom_bundle_notify":  roomNotify(557, "", 0, 0),
		"group_sync_req":          service(1009, ServiceGroup, false),
		"group_unsupported_resp":  service(1009, ServiceGroup, true),
		"get_multi_infos_req": {ID: IDGetMultiInfos, SN: 1008, Request: &Request{GetMultiInfos: &GetMultiInfosRequest{
			InfoType: t8(BoxRoom), IDs: []int64{40, 41}, SParameter: t8("room-9"),
		}}},
		"get_multi_infos_resp": {ID: IDGetMultiInfos.Response(), SN: 1008, Response: &Response{GetMultiInfos: &GetMultiInfosResponse{
			InfoType: t8(BoxRoom), LastID: Some[int64](41), SParameter: t8("room-9"),
			Infos: []Info{
				(&Stored{Valid: Some[uint32](0), ID: Some[int64](40)}).Info(),
				(&Stored{Valid: Some[uint32](1), ID: Some[int64](41), Body: []byte{}, Sent: Some[uint64](1700000000000)}).Info(),
			},
		}}},
		"query_status_resp": {ID: IDQueryStatus.Response(), SN: 1010, Response: &Response{QueryStatus: &StatusResponse{Users: []UserStatus{
			{
				UserID: t8("10002"), UserType: t8("phone"), Status: StatusOnline, JID: t8("10002"), App: Some[uint32](4242),
				Platform: t8("mobile"), MobileType: t8("ios"), ClientVersion: Some[uint32](103),
			},
			{UserID: t8("nobody"), UserType: t8("phone")},
		}}}},
		"error_resp":    Refuse(1006, CodeParameter, "bad param"),
		"v1_init_error": Refuse(1001, CodeOverloaded, "overloaded"),
		"relogin_notify": {ID: IDReLogin, SN: 558, Notify: &Notify{
			ReLogin: &ReLogin{NewIP: t8("203.0.113.9")},
		}},
		"reconnect_notify": {ID: IDReConnect, SN: 559, Sender: []byte{}, Receiver: []byte{}, Notify: &Notify{ReConnect: &ReConnect{
			IP: t8("198.51.100.2"), Port: Some[uint32](443), MoreIPs: [][]byte{t8("198.51.100.3"), t8("198.51.100.4")},
		}}},
		"logout_req":  {ID: IDLogout, SN: 1011, Request: &Request{Logout: &LogoutRequest{Reason: t8("bye")}}},
		"logout_resp": {ID: IDLogout.Response(), SN: 1011, Response: &Response{Logout: &LogoutResponse{}}},
	}
}

// carried are the packets inside some of the messages.
func carried() map[string]Part {
	return map[string]Part{
		"chatroom_join_req": &RoomPacket{RoomID: t8("room-9"), ClientSN: Some[uint64](31), App: Some[uint32](4242), Up: &RoomUp{
			Payload: RoomJoin,
			Join: &RoomJoinRequest{
				RoomID: t8("room-9"), NoUserList: Some(true),
				Room: &Room{RoomID: t8("room-9"), Properties: []RoomPair{{Key: t8("from"), Value: t8("vec")}}},
			},
		}},
		"chatroom_join_resp": &RoomPacket{RoomID: t8("room-9"), Down: &RoomDown{
			Payload: RoomJoin, Reason: []byte{},
			Join: &RoomJoinAnswer{PullLost: Some(false), Room: &Room{
				RoomID: t8("room-9"), Version: Some[uint64](0), MaxID: Some[uint64](0), PartnerData: t8(`{"ok":1}`),
				Properties: []RoomPair{{t8(RoomRegisteredCount), t8("0")}, {t8(RoomMemberCount), t8("0")}},
				Members:    []RoomUser{{UserID: t8(testGuest)}},
			}},
		}},
		"chatroom_new_msg_notify": &RoomPacket{RoomID: t8("room-9"), App: Some[uint32](4242), Down: &RoomDown{
			Payload: RoomNewMessage, New: roomYo,
		}},
		"chatroom_bundle_notify": &RoomPacket{RoomID: t8("room-9"), App: Some[uint32](4242), Down: &RoomDown{
			Payload: RoomBundle,
			Bundle: []RoomBundled{
				{Type: int32(RoomNewMessage), Registered: Some[int32](2), Members: Some[int32](3)},
				{Type: int32(RoomNewMessage), Registered: Some[int32](2), Members: Some[int32](3)},
			},
		}},
		"group_sync_req":         &GroupUp{Payload: GroupSync},
		"group_unsupported_resp": &GroupDown{Result: 1, Payload: GroupSync, Reason: t8("not supported")},
	}
}

// bundled are the messages inside gzip members.
func bundled() map[string][]RoomMessage {
	return map[string][]RoomMessage{
		"chatroom_bundle_notify": {*roomYo, roomMessage("10002", `{"type":9,"text":"two"}`, 1700000000005)},
		"get_multi_infos_resp":   {*roomYo},
	}
}

func TestVectorsDecode(t *testing.T) {
	want, inside, zipped := messages(), carried(), bundled()
	all := vectors(t)
	if len(all) != len(want) {
		t.Fatalf("got %d vectors and %d messages, want as many", len(all), len(want))
	}
	for name, v := range all {
		t.Run(name, func(t *testing.T) {
			m := openVector(t, name, v)
			checkInside(t, m, inside[name], zipped[name])
			if !reflect.DeepEqual(m, want[name]) {
				t.Errorf("got %+v, want %+v", m, want[name])
			}
		})
	}
}

// openVector reads the packet in a copy of it, decrypted in place.
func openVector(t *testing.T, name string, v vector) *Message {
	t.Helper()
	b := bytes.Clone(v.packet)
	read := ReadFrame
	switch {
	case strings.HasPrefix(name, "wx"):
		read = ReadText
	case strings.Contains(name, "_resp"), strings.Contains(name, "error"), strings.Contains(name, "notify"):
		read = ReadAnswer
	}
	f, n, err := read(b, MaxBodyBeforeLogin)
	if err != nil || n != len(b) || f.Heartbeat {
		t.Fatalf("got %+v, %d, %v, want a packet of %d bytes", f, n, err, len(b))
	}
	checkHeader(t, name, f)
	dst := f.Body[:0]
	if f.Text {
		dst = nil
	}
	plain, err := f.Open(dst, v.key)
	if err != nil || !bytes.Equal(plain, v.plain) {
		t.Fatalf("got %x, %v, want %x", plain, err, v.plain)
	}
	m := new(Message)
	if err := Decode(plain, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func checkHeader(t *testing.T, name string, f Frame) {
	t.Helper()
	want := Frame{Body: f.Body, Text: f.Text}
	switch name {
	case "v1_init_login_req":
		want.HasHeader, want.Header = true, testHeader
	case "v0_init_login_req":
		want.HasHeader, want.Header = true, Header{Version: 0, ClientVersion: 102, App: 4242}
	case "wx_first_packet":
		want.HasHeader, want.Header, want.Text = true, TextHeader, true
	case "v1_init_login_resp", "v1_init_error":
		want.Magic = true
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got %+v, want %+v", f, want)
	}
}

// checkInside compares what m carries, and takes it out of m.
func checkInside(t *testing.T, m *Message, want Part, zipped []RoomMessage) {
	t.Helper()
	var members []*[]byte
	switch {
	case want != nil:
		p := contentOf(m)
		got := reflect.New(reflect.TypeOf(want).Elem()).Interface().(Part)
		if err := Decode(*p, got); err != nil {
			t.Fatal(err)
		}
		if again := Append(nil, got); !bytes.Equal(again, *p) {
			t.Errorf("got %x, want %x", again, *p)
		}
		*p = nil
		if r, ok := got.(*RoomPacket); ok && r.Down != nil {
			for i := range r.Down.Bundle {
				members = append(members, &r.Down.Bundle[i].Data)
			}
		}
		defer func() {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}()
	case zipped != nil:
		pairs := m.Response.GetMultiInfos.Infos[1].Pairs
		members = append(members, &pairs[2].Value)
		defer func() { pairs[2].Value = []byte{} }()
	}
	if len(members) != len(zipped) {
		t.Fatalf("got %d gzip members, want %d", len(members), len(zipped))
	}
	for i, b := range members {
		checkMember(t, *b, &zipped[i])
		*b = nil
	}
}

func checkMember(t *testing.T, member []byte, want *RoomMessage) {
	t.Helper()
	plain, err := Inflate(member, MaxInflated)
	if err != nil {
		t.Fatal(err)
	}
	var got RoomMessage
	if err := Decode(plain, &got); err != nil || !reflect.DeepEqual(&got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	again, err := Inflate(Gzip(Append(nil, want)), MaxInflated)
	if err != nil || !bytes.Equal(again, plain) {
		t.Errorf("got %x, %v, want %x", again, err, plain)
	}
}

// contentOf returns where m carries the packet of a service.
func contentOf(m *Message) *[]byte {
	switch {
	case m.Request != nil:
		return &m.Request.Service.Request
	case m.Response != nil:
		return &m.Response.Service.Response
	}
	return &m.Notify.NewMessage.Content
}

func TestVectorsEncode(t *testing.T) {
	inside := carried()
	all := vectors(t)
	for name, m := range messages() {
		v := all[name]
		fill(t, m, name, v, inside[name])
		var got []byte
		switch name {
		case "v1_init_login_req":
			got = AppendFirst(nil, testHeader, m, v.key)
		case "v0_init_login_req":
			got = AppendFirst(nil, Header{ClientVersion: 102, App: 4242}, m, v.key)
		case "wx_first_packet":
			got = AppendText(nil, m, v.key, true)
		case "v1_init_login_resp", "v1_init_error":
			got = AppendFirstAnswer(nil, 1, m, v.key)
		case "v0_init_login_resp":
			got = AppendFirstAnswer(nil, 0, m, v.key)
		default:
			got = AppendPacket(nil, m, v.key)
		}
		if !bytes.Equal(got, v.packet) {
			t.Errorf("%s: got %x, want %x", name, got, v.packet)
		}
		if plain := Append(nil, m); !bytes.Equal(plain, v.plain) {
			t.Errorf("%s: got %x, want %x", name, plain, v.plain)
		}
	}
}

// fill puts into m what it carries, and the vector's own gzip members, since another
// library compresses otherwise.
func fill(t *testing.T, m *Message, name string, v vector, inside Part) {
	t.Helper()
	var theirs Message
	if err := Decode(v.plain, &theirs); err != nil {
		t.Fatal(err)
	}
	if name == "get_multi_infos_resp" {
		m.Response.GetMultiInfos.Infos[1].Pairs[2].Value = theirs.Response.GetMultiInfos.Infos[1].Pairs[2].Value
	}
	if inside == nil {
		return
	}
	if r, ok := inside.(*RoomPacket); ok && name == "chatroom_bundle_notify" {
		var packet RoomPacket
		if err := Decode(*contentOf(&theirs), &packet); err != nil {
			t.Fatal(err)
		}
		for i := range r.Down.Bundle {
			r.Down.Bundle[i].Data = packet.Down.Bundle[i].Data
		}
	}
	*contentOf(m) = Append(nil, inside)
}

func TestVectorsHeartbeat(t *testing.T) {
	if got := AppendHeartbeat(nil); !bytes.Equal(got, unhex(t, "00000000")) {
		t.Errorf("got %x, want four zeros", got)
	}
	if got := string(AppendTextHeartbeat(nil)); got != "wx00000000" {
		t.Errorf("got %q, want wx00000000", got)
	}
	for _, row := range []struct {
		read func([]byte, int) (Frame, int, error)
		in   string
		want Frame
	}{
		{ReadFrame, "\x00\x00\x00\x00", Frame{Heartbeat: true}},
		{ReadAnswer, "\x00\x00\x00\x00", Frame{Heartbeat: true}},
		{ReadText, "wx00000000", Frame{Heartbeat: true, Text: true}},
	} {
		f, n, err := row.read([]byte(row.in+"x"), 0)
		if !reflect.DeepEqual(f, row.want) || n != len(row.in) || err != nil {
			t.Errorf("%q: got %+v, %d, %v, want %+v", row.in, f, n, err, row.want)
		}
	}
}

func TestLoginValues(t *testing.T) {
	login := messages()["v1_login_req_guest"].Request.Login
	if got, want := VerfCode(testGuest, "test-verf-salt"), string(login.VerfCode); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	plain := make([]byte, len(login.SecretRAM))
	Key(testGuest).Crypt(plain, login.SecretRAM)
	own := plain[len(testServerRAM):]
	if !strings.HasPrefix(string(plain), testServerRAM) || len(own) != 8 {
		t.Fatalf("got %q, want the server's characters and 8 more", plain)
	}
	if got := SecretRAM(testGuest, t8(testServerRAM), own); !bytes.Equal(got, login.SecretRAM) {
		t.Errorf("got %x, want %x", got, login.SecretRAM)
	}
}
