package packet

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// raw turns hex digits and "quoted text" into bytes; blanks are for the reader.
// [ ... ] is a property block: its content after its length.
func raw(s string) []byte {
	if before, rest, ok := strings.Cut(s, "["); ok {
		inside, after, _ := strings.Cut(rest, "]")
		block := raw(inside)
		return append(append(appendVarint(raw(before), len(block)), block...), raw(after)...)
	}
	var b []byte
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			b = append(b, part...)
			continue
		}
		x, err := hex.DecodeString(strings.Join(strings.Fields(part), ""))
		if err != nil {
			panic(fmt.Sprintf("bad test bytes %q: %v", s, err))
		}
		b = append(b, x...)
	}
	return b
}

// pkt makes a packet of a first byte and a body written as for raw.
func pkt(first byte, body string) []byte { return appendBody(nil, first, raw(body)) }

// one cuts the only packet out of b.
func one(t *testing.T, b []byte) Frame {
	t.Helper()
	f, n, err := ReadFrame(b, 0)
	if err != nil || n != len(b) {
		t.Fatalf("ReadFrame(%x) = %d, %v, want %d, nil", b, n, err, len(b))
	}
	return f
}

// decodeFromClient decodes whatever a Client may send.
func decodeFromClient(f Frame, v Version) (any, error) {
	switch f.Type {
	case TypeConnect:
		return DecodeConnect(f)
	case TypePublish:
		p := &Publish{}
		return p, p.Decode(f, v)
	case TypePubAck, TypePubRec, TypePubRel, TypePubComp:
		return DecodeAck(f, v)
	case TypeSubscribe:
		return DecodeSubscribe(f, v)
	case TypeUnsubscribe:
		return DecodeUnsubscribe(f, v)
	case TypePingReq:
		return nil, DecodePing(f)
	case TypeDisconnect:
		return DecodeDisconnect(f, v)
	case TypeAuth:
		return DecodeAuth(f, v)
	}
	return nil, violation(f.Type, ErrType)
}

// decodeFromServer decodes whatever a Server may send.
func decodeFromServer(f Frame, v Version) (any, error) {
	switch f.Type {
	case TypeConnAck:
		return DecodeConnAck(f, v)
	case TypePublish:
		p := &Publish{}
		return p, p.DecodeFromServer(f, v)
	case TypePubAck, TypePubRec, TypePubRel, TypePubComp:
		return DecodeAck(f, v)
	case TypeSubAck:
		return DecodeSubAck(f, v)
	case TypeUnsubAck:
		return DecodeUnsubAck(f, v)
	case TypePingResp:
		return nil, DecodePing(f)
	case TypeDisconnect:
		return DecodeDisconnectFromServer(f, v)
	case TypeAuth:
		return DecodeAuthFromServer(f, v)
	}
	return nil, violation(f.Type, ErrType)
}

var (
	v3s  = []Version{V31, V311}
	v5s  = []Version{V5}
	v4up = []Version{V311, V5}
	vAll = []Version{V31, V311, V5}
)

// refusal table row: the body is refused in each version with the cause and, in
// V5, with the code.
type refused struct {
	name     string // what is wrong, with the normative label
	versions []Version
	first    byte
	body     string
	want     error
	code     ReasonCode
}

func testRefused(t *testing.T, rows []refused, decode func(Frame, Version) (any, error)) {
	t.Helper()
	for _, row := range rows {
		for _, v := range row.versions {
			t.Run(fmt.Sprintf("%s/%v", row.name, v), func(t *testing.T) {
				f, n, err := ReadFrame(pkt(row.first, row.body), 0)
				if err == nil {
					if n == 0 {
						t.Fatalf("ReadFrame wants more of %x", pkt(row.first, row.body))
					}
					_, err = decode(f, v)
				}
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("got error %v, want *Error", err)
				}
				if !errors.Is(err, row.want) {
					t.Errorf("got cause %q, want %q", e.Err, row.want)
				}
				if e.Code != row.code {
					t.Errorf("got code %v, want %v", e.Code, row.code)
				}
				if errors.Is(err, ErrCodec) {
					t.Errorf("validation has let it through: %v", err)
				}
			})
		}
	}
}

// accepted are valid packets of every kind, for tests that mutilate them.
var accepted = []struct {
	name     string
	versions []Version
	server   bool // sent by a Server
	first    byte
	body     string
}{
	{"connect 3.1", []Version{V31}, false, 0x10, `0006 "MQIsdp" 03 02 003c 0001 "c"`},
	{"connect 3.1.1", []Version{V311}, false, 0x10, `0004 "MQTT" 04 02 003c 0000`},
	{"connect 3.1.1 full", []Version{V311}, false, 0x10,
		`0004 "MQTT" 04 f6 003c 0001 "c" 0001 "w" 0002 "xy" 0001 "u" 0001 "p"`},
	{"connect 5", v5s, false, 0x10, `0004 "MQTT" 05 02 003c 00 0001 "c"`},
	{"connect 5 full", v5s, false, 0x10, `0004 "MQTT" 05 f6 003c
		[11 0000000a 21 0014 27 00000400 22 0005 19 01 17 00 26 0001 "k" 0001 "v"
		15 0005 "SCRAM" 16 0002 0102 26 0001 "k" 0001 "w"]
		0001 "c"
		[18 00000005 01 01 02 00000009 03 0001 "t" 08 0001 "r" 09 0001 ff 26 0001 "a" 0001 "b"]
		0001 "w" 0002 "xy" 0001 "u" 0001 "p"`},
	{"connack 3", v3s, true, 0x20, `00 05`},
	{"connack 3.1.1 session", []Version{V311}, true, 0x20, `01 00`},
	{"connack 5", v5s, true, 0x20, `01 00 00`},
	{"connack 5 full", v5s, true, 0x20, `00 00
		[11 0000000a 21 0014 24 01 25 00 27 00000400 12 0001 "i" 22 0005 1f 0001 "r"
		26 0001 "k" 0001 "v" 28 00 29 00 2a 00 13 001e 1a 0001 "x" 1c 0001 "s" 15 0001 "m" 16 0001 ff]`},
	{"publish QoS 0", v3s, false, 0x31, `0003 "a/b" "hi"`},
	{"publish QoS 2", v3s, false, 0x3d, `0003 "a/b" 0001`},
	{"publish 5 QoS 0", v5s, false, 0x30, `0003 "a/b" 00 "hi"`},
	{"publish 5 full", v5s, false, 0x3b, `0003 "a/b" 1234
		[01 01 02 00000009 23 0001 03 0001 "t" 08 0001 "r" 09 0001 ff 26 0001 "a" 0001 "b"] "hi"`},
	{"publish 5 alias", v5s, false, 0x30, `0000 03 23 0001 "hi"`},
	{"publish 5 from server", v5s, true, 0x30, `0001 "a" 05 0b 01 0b 80 01 "hi"`},
	{"puback", vAll, false, 0x40, `0001`},
	{"pubrec", vAll, false, 0x50, `ffff`},
	{"pubrel", vAll, false, 0x62, `0001`},
	{"pubcomp", vAll, false, 0x70, `0001`},
	{"puback 5 reason", v5s, false, 0x40, `0001 10`},
	{"pubrec 5 properties", v5s, false, 0x50, `0001 97 0b 1f 0001 "r" 26 0001 "k" 0001 "v"`},
	{"pubrel 5 empty properties", v5s, false, 0x62, `0001 92 00`},
	{"subscribe", v3s, false, 0x82, `0001 0003 "a/+" 01 0001 "#" 02`},
	{"subscribe 5", v5s, false, 0x82, `0001 00 0003 "a/+" 2e`},
	{"subscribe 5 full", v5s, false, 0x82, `0001 09 0b 01 26 0001 "k" 0001 "v" 0003 "a/+" 01 000a "$share/g/a" 02`},
	{"suback", v3s, true, 0x90, `0001 00 80`},
	{"suback 5", v5s, true, 0x90, `0001 04 1f 0001 "r" 02 a1`},
	{"unsubscribe", v3s, false, 0xa2, `0001 0003 "a/+" 0001 "#"`},
	{"unsubscribe 5", v5s, false, 0xa2, `0001 07 26 0001 "k" 0001 "v" 0003 "a/+"`},
	{"unsuback", v3s, true, 0xb0, `0001`},
	{"unsuback 5", v5s, true, 0xb0, `0001 00 00 11`},
	{"pingreq", vAll, false, 0xc0, ``},
	{"pingresp", vAll, true, 0xd0, ``},
	{"disconnect", vAll, false, 0xe0, ``},
	{"disconnect 5 reason", v5s, false, 0xe0, `04`},
	{"disconnect 5 full", v5s, false, 0xe0, `04 10 11 0000000a 1f 0001 "r" 26 0001 "k" 0001 "v"`},
	{"disconnect 5 from server", v5s, true, 0xe0, `9c 08 1c 0001 "s" 1f 0001 "r"`},
	{"auth", v5s, false, 0xf0, `19 13 15 0001 "m" 16 0001 ff 1f 0001 "r" 26 0001 "k" 0001 "v"`},
	{"auth from server", v5s, true, 0xf0, `18 04 15 0001 "m"`},
	{"auth success", v5s, true, 0xf0, ``},
}

func TestAccepted(t *testing.T) {
	for _, row := range accepted {
		for _, v := range row.versions {
			f := one(t, pkt(row.first, row.body))
			if _, err := decoder(row.server)(f, v); err != nil {
				t.Errorf("%s, version %v: got %v, want it accepted", row.name, v, err)
			}
		}
	}
}

func decoder(server bool) func(Frame, Version) (any, error) {
	if server {
		return decodeFromServer
	}
	return decodeFromClient
}

// TestTruncated cuts every valid packet short at every byte and lengthens it by
// one. Nothing may panic; where a packet has no payload, what is left must be
// refused unless it is a valid shorter form.
func TestTruncated(t *testing.T) {
	shorter := map[string]bool{ // prefixes that are packets themselves
		"pubrec 5 properties 2": true, "pubrec 5 properties 3": true, "puback 5 reason 2": true,
		"pubrel 5 empty properties 2": true, "pubrel 5 empty properties 3": true,
		"disconnect 5 reason 0": true, "disconnect 5 full 0": true, "disconnect 5 full 1": true,
		"disconnect 5 from server 0": true, "disconnect 5 from server 1": true,
		"auth from server 0": true, "subscribe 8": true, "subscribe 5 full 18": true,
		"unsubscribe 7": true, "suback 3": true, "suback 5 8": true, "unsuback 5 4": true,
	}
	for _, row := range accepted {
		for _, v := range row.versions {
			body := raw(row.body)
			payload := Type(row.first>>4) == TypePublish
			for n := range body {
				_, err := decoder(row.server)(Frame{Type(row.first >> 4), row.first & 15, body[:n:n]}, v)
				var e *Error
				if err != nil && !errors.As(err, &e) || errors.Is(err, ErrCodec) {
					t.Errorf("%s, version %v, first %d bytes: got %v, want an *Error of our own", row.name, v, n, err)
				}
				if want := shorter[fmt.Sprint(row.name, " ", n)]; !payload && (err == nil) != want {
					t.Errorf("%s, version %v, first %d bytes: got error %v, want accepted %v", row.name, v, n, err, want)
				}
			}
			_, err := decoder(row.server)(Frame{Type(row.first >> 4), row.first & 15, append(body, 0xFF)}, v)
			longer := v == V5 && len(body) == 2 && row.first>>4 < 8 // the byte is a Reason Code then
			if err == nil && !payload && !longer {
				t.Errorf("%s, version %v: a trailing byte is accepted", row.name, v)
			}
		}
	}
}
