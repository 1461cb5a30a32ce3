package packet

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeRefuses(t *testing.T) {
	for _, row := range []struct {
		name, in string
		to       Part
		want     error
	}{
		{"nothing", "", new(Message), ErrRequired},
		{"no number", "0801", new(Message), ErrRequired},
		{"varint cut short", "0880", new(Message), ErrProtobuf},
		{"varint of eleven bytes", "08ffffffffffffffffffff01", new(Message), ErrProtobuf},
		{"bytes cut short", "080110011a05616263", new(Message), ErrProtobuf},
		{"length of 2^63", "080110011affffffffffffffff7f", new(Message), ErrProtobuf},
		{"field 0", "0001", new(Message), ErrProtobuf},
		{"group", "080110017b7c", new(Message), ErrProtobuf},
		{"wire type 7", "0f", new(Message), ErrProtobuf},
		{"an empty Request", "080110013200", new(Message), nil},
		{"required two levels within", "0801100132021a00", new(Message), ErrRequired},
		{"varint cut short within", "0801100132031a0120", new(Message), ErrProtobuf},
		{"number of the wrong type", "0a0010011001", new(Message), ErrRequired},
		{"packed numbers cut short", "0a00120180", new(GetMultiInfosRequest), ErrProtobuf},
		{"status without id", "0a00", new(StatusRequest), ErrRequired},
		{"who has joined", "", new(RoomChange), ErrRequired},
	} {
		if err := Decode(unhex(t, row.in), row.to); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, err, row.want)
		}
	}
}

// Fields that this codec does not know, or of another wire type, are skipped.
func TestDecodeSkips(t *testing.T) {
	want := Message{ID: 1, SN: 2}
	for name, in := range map[string]string{
		"known ones alone":         "08011002",
		"unknown varint":           "08011002a01f05",
		"unknown bytes":            "08011002a21f03ffffff",
		"unknown fixed":            "080110029d1f01020304991f0102030405060708",
		"between servers":          "080110025203ffffff",
		"bytes that are a varint":  "080110021805",
		"message that is a varint": "080110023005",
	} {
		var got Message
		if err := Decode(unhex(t, in), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestDecodeForms(t *testing.T) {
	var ids GetMultiInfosRequest
	err := Decode(unhex(t, "0a00"+"1001"+"1203028003"+"10ffffffffffffffffff01"), &ids)
	if want := []int64{1, 2, 384, -1}; err != nil || !reflect.DeepEqual(ids.IDs, want) {
		t.Errorf("got %v, %v, want %v, packed or not", ids.IDs, err, want)
	}
	var m Message // the last number counts, and a message that comes twice is one
	err = Decode(unhex(t, "08011002"+"0803"+"32023200"+"32026200"), &m)
	if err != nil || m.ID != 3 || m.Request == nil || m.Request.Logout == nil || m.Request.QueryStatus == nil {
		t.Errorf("got %+v, %v, want ID 3 and both requests", m, err)
	}
}

// However deep a message is nested, only what the schema knows is looked into.
func TestDeepNesting(t *testing.T) {
	b := []byte{}
	for range 10_000 {
		b = append(wrap(15, b), 8, 1, 16, 1) // a Message's required fields, and field 15
	}
	var m Message
	if err := Decode(b, &m); err != nil || m.ID != 1 {
		t.Errorf("got %+v, %v, want what is inside skipped", m, err)
	}
	deepest := &RoomPacket{RoomID: t8("r"), Up: &RoomUp{Payload: RoomJoin, Join: &RoomJoinRequest{RoomID: t8("r"), Room: &Room{
		RoomID: t8("r"), Members: []RoomUser{{UserID: t8("u")}},
	}}}}
	got := new(RoomPacket)
	if err := Decode(Append(nil, deepest), got); err != nil || !reflect.DeepEqual(got, deepest) {
		t.Errorf("got %+v, %v, want %+v", got, err, deepest)
	}
}

// What a message takes in memory does not grow far beyond it, in whichever repeated fields its elements are.
func TestManyElements(t *testing.T) {
	users := func(n int) []byte { return bytes.Repeat([]byte{9<<3 | 2, 0}, n) } // Room.Members without anything
	room := func(n int) []byte { return append(users(n), 1<<3|2, 0) }
	ids := func(n int) []byte { return append([]byte{1<<3 | 2, 0}, wrap(2, bytes.Repeat([]byte{1}, n))...) }
	for _, tt := range []struct {
		name string
		b    []byte
		m    Part
		want error
	}{
		{"members", room(MaxElements), new(Room), nil},
		{"too many members", room(MaxElements + 1), new(Room), ErrElements},
		{"numbers", ids(MaxElements), new(GetMultiInfosRequest), nil},
		{"too many numbers", ids(MaxElements + 1), new(GetMultiInfosRequest), ErrElements},
		{"not packed", append([]byte{1<<3 | 2, 0}, bytes.Repeat([]byte{2 << 3, 1}, MaxElements+1)...), new(GetMultiInfosRequest), ErrElements},
		{"names", bytes.Repeat([]byte{3<<3 | 2, 0}, MaxElements+1), new(ReConnect), ErrElements},
		{"in parts", bytes.Repeat(wrap(1, room(MaxElements/2)), 3), new(RoomAnswer), ErrElements},
	} {
		if err := Decode(tt.b, tt.m); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func wrap(num byte, b []byte) []byte {
	out := []byte{num<<3 | 2}
	n := len(b)
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(append(out, byte(n)), b...)
}

// Lengths of one byte to three come out right, at each level.
func TestEncodeLengths(t *testing.T) {
	for _, n := range []int{0, 1, 100, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 16_370, 16_380, 16_384, 1 << 20} {
		body := bytes.Repeat([]byte("b"), n)
		m := &Message{ID: IDChat, SN: 1, Request: &Request{Chat: &ChatRequest{Body: body}}}
		got := new(Message)
		if err := Decode(Append([]byte{}, m), got); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%d bytes: got %v, want the same message", n, err)
		}
	}
}

// A required message is written even if there is none, and the Part stays as it is.
func TestEncodeRequired(t *testing.T) {
	var c RoomChange
	if got, want := Append(nil, &c), unhex(t, "0a020a00"); !bytes.Equal(got, want) || c.Room != nil {
		t.Errorf("got %x and %+v, want %x", got, c, want)
	}
	if got, want := Append(nil, new(Message)), unhex(t, "08001000"); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestStored(t *testing.T) {
	want := Stored{
		Valid: Some[uint32](1), ID: Some[int64](-5), Type: Some(TypeRecall), Body: t8("12"), Sent: Some[uint64](1 << 60),
		Expire: Some[uint64](9), Box: Some[uint32](1), SN: Some[uint64](7), To: t8("a"), From: t8("b"),
	}
	info := want.Info()
	info.Pairs = append(info.Pairs, Pair{Key: t8("other")})
	got, err := info.Stored()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, p := range []Pair{
		{t8(PairID), t8("1234567")}, {t8(PairType), t8("123")}, {t8(PairSent), nil}, {t8(PairExpire), t8("1")},
		{t8(PairBox), t8("12345")}, {t8(PairSN), t8("1")}, {t8(PairValid), []byte{}},
	} {
		if _, err := (Info{Pairs: []Pair{p}}).Stored(); !errors.Is(err, ErrWidth) {
			t.Errorf("%s of %d bytes: got %v, want %v", p.Key, len(p.Value), err, ErrWidth)
		}
	}
	if got, err := (Info{}).Stored(); err != nil || !reflect.DeepEqual(got, Stored{}) {
		t.Errorf("got %+v, %v, want nothing", got, err)
	}
}

func TestNames(t *testing.T) {
	for id, want := range map[ID]string{
		IDError: "Error", IDChat: "ChatReq", IDChat.Response(): "ChatResp", IDReConnect: "ReConnectNotify", 100003: "100003",
	} {
		if got := id.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for id, want := range map[ID]bool{IDLogin: true, IDGetMultiInfos: true, IDLogin.Response(): false, IDNewMessage: false, IDError: false} {
		if got := id.Request(); got != want {
			t.Errorf("%v: got %t, want %t", id, got, want)
		}
	}
	closes := map[Code]bool{
		CodeClientTooOld: true, CodeOrder: true, CodeLoginFailed: true, CodeSender: true, CodeRate: true, CodeStore: true, CodeSession: true,
		CodeCredentials: true, CodeRouter: true, CodeRefused: true, CodeBusy: true, CodeParameter: true, CodeOverloaded: true,
		CodeElsewhere: true, CodeServerLogin: true,
		CodeDatabase: false, CodeSessionTemporary: false, CodeService: false, CodeMessage: false, CodeReceiver: false, CodeQuery: false,
		CodeReceiverType: false, CodeRead: false,
	}
	if len(closes) != len(codeNames) {
		t.Errorf("got %d codes that have names, want %d", len(codeNames), len(closes))
	}
	for code, want := range closes {
		if got := code.Closes(); got != want {
			t.Errorf("%v: got %t, want %t", code, got, want)
		}
	}
	e := Refuse(1, CodeCredentials, "bad sig").Response.Error
	if got := e.Error(); !strings.Contains(got, "1008 (credentials refused)") || !strings.Contains(got, "bad sig") {
		t.Errorf("got %q, want code, meaning and description", got)
	}
	if got := (&Error{Code: 77}).Error(); got != "77 (error 77)" {
		t.Errorf("got %q, want the number", got)
	}
}

// What pairs are written by is what they are read by.
func TestPairs(t *testing.T) {
	for _, n := range []int{0, 1, 120, 127, 128, 20_000} {
		want := Info{Pairs: []Pair{{Key: []byte{}}, {Key: t8("k"), Value: []byte{}}, {Key: bytes.Repeat(t8("k"), n), Value: bytes.Repeat(t8("v"), n)}}}
		var got Info
		b := Append(nil, &want)
		if err := Decode(b, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d bytes: got %v, want the same pairs", n, err)
		}
		c := codec{}
		subs(&c, 1, &want.Pairs)
		if !bytes.Equal(c.out, b) {
			t.Errorf("%d bytes: got %x, want %x", n, b, c.out)
		}
	}
}

// A page has many messages: each costs its pairs and its numbers, and writing it nothing.
func TestInfoAllocations(t *testing.T) {
	s := Stored{ID: Some[int64](1), Type: Some(TypePlain), Body: t8("b"), Sent: Some[uint64](1), SN: Some[uint64](7), To: t8("a"), From: t8("b")}
	var info Info
	if got := testing.AllocsPerRun(10, func() { info = s.Info() }); got > 2 {
		t.Errorf("got %v allocations, want 2", got)
	}
	m := &Message{Response: &Response{GetInfo: &GetInfoResponse{Infos: []Info{info, info, info}}}}
	room := make([]byte, 0, 4096)
	if got := testing.AllocsPerRun(10, func() { AppendPacket(room, m, "") }); got > 1 {
		t.Errorf("got %v allocations, want one, whatever there is in the page", got)
	}
}

func BenchmarkPage(b *testing.B) {
	s := Stored{ID: Some[int64](1), Type: Some(TypePlain), Body: make([]byte, 256), Sent: Some[uint64](1), SN: Some[uint64](7), To: t8("a"), From: t8("b")}
	room := make([]byte, 0, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		r := &GetInfoResponse{Infos: make([]Info, 0, 32)}
		for range 32 {
			r.Infos = append(r.Infos, s.Info())
		}
		AppendPacket(room, &Message{Response: &Response{GetInfo: r}}, "")
	}
}

func BenchmarkKey(b *testing.B) {
	key, room := Key("0123456789abcdef0123456789abcdef"), make([]byte, 256)
	b.ReportAllocs()
	for b.Loop() {
		key.Crypt(room, room)
	}
}
