package packet

import (
	"bytes"
	"strings"
	"testing"
)

func TestConnAckRefused(t *testing.T) {
	testRefused(t, []refused{
		{"empty", vAll, 0x20, ``, ErrTruncated, MalformedPacket},
		{"no properties", v5s, 0x20, `00 00`, ErrTruncated, MalformedPacket},
		{"trailing byte", v3s, 0x20, `00 00 00`, ErrTrailing, MalformedPacket},
		{"reserved flag v3.1.1", []Version{V311}, 0x20, `02 00`, ErrConnectFlags, MalformedPacket},
		{"reserved flag v5 [MQTT-3.2.2-1]", v5s, 0x20, `80 00 00`, ErrConnectFlags, MalformedPacket},
		{"session present of a refusal v3.1.1 [MQTT-3.2.2-4]", []Version{V311}, 0x20, `01 05`, ErrConnectFlags, ProtocolError},
		{"session present of a refusal v5 [MQTT-3.2.2-6]", v5s, 0x20, `01 87 00`, ErrConnectFlags, ProtocolError},
		{"return code 6", v3s, 0x20, `00 06`, ErrReasonCode, ProtocolError},
		{"reason code 1 v5 [MQTT-3.2.2-8]", v5s, 0x20, `00 01 00`, ErrReasonCode, ProtocolError},
		{"maximum QoS 2 v5 3.2.2.3.4", v5s, 0x20, `00 00 [24 02]`, ErrPropertyValue, ProtocolError},
		{"property of CONNECT", v5s, 0x20, `00 00 [17 00]`, ErrProperty, MalformedPacket},
	}, decodeFromServer)
}

func TestAppendConnAck(t *testing.T) {
	e := Explanation{ReasonString: "r", User: []UserProperty{{"k", "v"}}}
	long := strings.Repeat("x", MaxStringLength+1)
	tests := []struct {
		name string
		v    Version
		ack  ConnAck
		max  uint32
		want []byte
	}{
		{"3.1 has no session present", V31, ConnAck{SessionPresent: true}, 0, raw("20 02 00 00")},
		{"3.1.1 session present, v3.1.1 [MQTT-3.2.2-2]", V311, ConnAck{SessionPresent: true}, 0, raw("20 02 01 00")},
		{"3.1.1 refusal, v3.1.1 [MQTT-3.2.2-4]", V311, ConnAck{SessionPresent: true, Reason: NotAuthorized}, 0, raw("20 02 00 05")},
		{"3.1.1 busy", V311, ConnAck{Reason: ServerBusy}, 0, raw("20 02 00 03")},
		{"no return code, v3.1.1 [MQTT-3.2.2-6]", V311, ConnAck{Reason: MalformedPacket}, 0, nil},
		{"5", V5, ConnAck{SessionPresent: true}, 0, raw("20 03 01 00 00")},
		{"5 refusal, v5 [MQTT-3.2.2-6]", V5, ConnAck{SessionPresent: true, Reason: Banned}, 0, raw("20 03 00 8a 00")},
		{"explained", V5, ConnAck{Reason: Banned, Explanation: e}, 0, pkt(0x20, `00 8a [1f 0001 "r" 26 0001 "k" 0001 "v"]`)},
		{"exactly fits", V5, ConnAck{Reason: Banned, Explanation: e}, 16, pkt(0x20, `00 8a [1f 0001 "r" 26 0001 "k" 0001 "v"]`)},
		{"without user properties, v5 [MQTT-3.2.2-20]", V5, ConnAck{Reason: Banned, Explanation: e}, 15, pkt(0x20, `00 8a [1f 0001 "r"]`)},
		{"without reason string, v5 [MQTT-3.2.2-19]", V5, ConnAck{Reason: Banned, Explanation: e}, 8, pkt(0x20, `00 8a 00`)},
		{"fits in no way, v5 [MQTT-3.1.2-24]", V5, ConnAck{Reason: Banned, Explanation: e}, 4, nil},
		{"assigned client id too long", V5, ConnAck{AssignedClientID: long}, 0, nil},
		{"user property too long", V5, ConnAck{Explanation: Explanation{User: []UserProperty{{long, ""}}}}, 0, raw("20 03 00 00 00")},
	}
	for _, tt := range tests {
		if got := AppendConnAck([]byte("x"), tt.v, &tt.ack, tt.max); !bytes.Equal(got[1:], tt.want) {
			t.Errorf("%s: got %x, want %x", tt.name, got[1:], tt.want)
		}
	}
}

func TestSubAckRefused(t *testing.T) {
	testRefused(t, []refused{
		{"packet id 0", v3s, 0x90, `0000 00`, ErrPacketID, ProtocolError},
		{"no code", v3s, 0x90, `0001`, ErrNoFilters, ProtocolError},
		{"no code v5", v5s, 0x90, `0001 00`, ErrNoFilters, ProtocolError},
		{"code 3 v3.1.1 [MQTT-3.9.3-2]", v3s, 0x90, `0001 03`, ErrReasonCode, ProtocolError},
		{"code of v5 in v3.1.1 [MQTT-3.9.3-2]", v3s, 0x90, `0001 87`, ErrReasonCode, ProtocolError},
		{"code 3 v5 [MQTT-3.9.3-2]", v5s, 0x90, `0001 00 03`, ErrReasonCode, ProtocolError},
		{"no property length", v5s, 0x90, `0001`, ErrTruncated, MalformedPacket},
		{"unsuback with code", v3s, 0xb0, `0001 00`, ErrTrailing, MalformedPacket},
		{"unsuback code 1 v5 [MQTT-3.11.3-2]", v5s, 0xb0, `0001 00 01`, ErrReasonCode, ProtocolError},
		{"unsuback with subscription identifier", v5s, 0xb0, `0001 [0b 01] 00`, ErrProperty, MalformedPacket},
	}, decodeFromServer)
}

func TestAppendSubAck(t *testing.T) {
	ack := SubAck{PacketID: 7, Reasons: []ReasonCode{GrantedQoS2, NotAuthorized}, Explanation: Explanation{ReasonString: "r"}}
	tests := []struct {
		name string
		got  []byte
		want []byte
	}{
		{"3.1.1, v3.1.1 [MQTT-3.9.3-2]", AppendSubAck(nil, V311, &ack, 0), pkt(0x90, "0007 02 80")},
		{"5", AppendSubAck(nil, V5, &ack, 0), pkt(0x90, `0007 [1f 0001 "r"] 02 87`)},
		{"5 without reason string, v5 [MQTT-3.9.2-1]", AppendSubAck(nil, V5, &ack, 10), pkt(0x90, `0007 00 02 87`)},
		{"5 fits in no way", AppendSubAck(nil, V5, &ack, 6), nil},
		{"unsuback 3.1", AppendUnsubAck(nil, V31, &ack, 0), pkt(0xb0, `0007`)},
		{"unsuback 5, v5 [MQTT-2.2.2-1]", AppendUnsubAck(nil, V5, &SubAck{PacketID: 7, Reasons: []ReasonCode{NoSubscriptionExisted}}, 0), pkt(0xb0, `0007 00 11`)},
	}
	for _, tt := range tests {
		if !bytes.Equal(tt.got, tt.want) {
			t.Errorf("%s: got %x, want %x", tt.name, tt.got, tt.want)
		}
	}
}

func TestDisconnectRefused(t *testing.T) {
	testRefused(t, []refused{
		{"body v3.1.1 3.14", v3s, 0xe0, `00`, ErrTrailing, MalformedPacket},
		{"trailing byte", v5s, 0xe0, `00 00 00`, ErrTrailing, MalformedPacket},
		{"server reference from a Client v5 3.14.2.2.5", v5s, 0xe0, `00 [1c 0001 "s"]`, ErrProperty, ProtocolError},
		{"two session expiry intervals v5 3.14.2.2.2", v5s, 0xe0, `00 [11 00000000 11 00000000]`, ErrPropertyTwice, ProtocolError},
		{"property of PUBLISH", v5s, 0xe0, `00 [01 00]`, ErrProperty, MalformedPacket},
	}, decodeFromClient)
	testRefused(t, []refused{
		{"session expiry from a Server v5 [MQTT-3.14.2-2]", v5s, 0xe0, `8b [11 00000000]`, ErrProperty, ProtocolError},
		{"a Server of 3.1.1 sends none", v3s, 0xe0, ``, ErrType, ProtocolError},
	}, decodeFromServer)
}

// TestDisconnectReasons has all 256 codes from a Client, v5 [MQTT-3.14.2-1].
func TestDisconnectReasons(t *testing.T) {
	client := raw("00 04 80 81 82 83 90 93 94 95 96 97 98 99")
	server := raw("00 80 81 82 83 87 89 8b 8c 8d 8e 8f 90 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f a0 a1 a2")
	for c := range 256 {
		f := Frame{TypeDisconnect, 0, []byte{byte(c)}}
		d, err := DecodeDisconnect(f, V5)
		if want := bytes.IndexByte(client, byte(c)) >= 0; (err == nil) != want || err == nil && d.Reason != ReasonCode(c) {
			t.Errorf("%#02x from a Client: got %+v, %v, want accepted %v", c, d, err, want)
		}
		d, err = DecodeDisconnectFromServer(f, V5)
		if want := bytes.IndexByte(server, byte(c)) >= 0; (err == nil) != want || err == nil && d.Reason != ReasonCode(c) {
			t.Errorf("%#02x from a Server: got %+v, %v, want accepted %v", c, d, err, want)
		}
	}
}

func TestAppendDisconnect(t *testing.T) {
	e := Explanation{ReasonString: "r", User: []UserProperty{{"k", "v"}}}
	tests := []struct {
		name string
		got  []byte
		want []byte
	}{
		{"3.1.1", AppendDisconnect(nil, V311, &Disconnect{Reason: ServerBusy}, 0), raw("e000")},
		{"5 normal", AppendDisconnect(nil, V5, &Disconnect{}, 0), raw("e000")},
		{"5 reason", AppendDisconnect(nil, V5, &Disconnect{Reason: ServerShuttingDown}, 0), raw("e0018b")},
		{"5 expiry", AppendDisconnect(nil, V5, &Disconnect{HasSessionExpiry: true, SessionExpiry: 5}, 0), pkt(0xe0, `00 [11 00000005]`)},
		{"5 explained", AppendDisconnect(nil, V5, &Disconnect{Reason: UseAnotherServer, ServerReference: "s", Explanation: e}, 0),
			pkt(0xe0, `9c [1c 0001 "s" 1f 0001 "r" 26 0001 "k" 0001 "v"]`)},
		{"no room for user properties, v5 [MQTT-3.14.2-4]", AppendDisconnect(nil, V5, &Disconnect{Reason: ServerBusy, Explanation: e}, 14), pkt(0xe0, `89 [1f 0001 "r"]`)},
		{"no room for the reason string, v5 [MQTT-3.14.2-3]", AppendDisconnect(nil, V5, &Disconnect{Reason: ServerBusy, Explanation: e}, 7), raw("e00189")},
		{"no room", AppendDisconnect(nil, V5, &Disconnect{Reason: ServerBusy}, 2), nil},
	}
	for _, tt := range tests {
		if !bytes.Equal(tt.got, tt.want) {
			t.Errorf("%s: got %x, want %x", tt.name, tt.got, tt.want)
		}
	}
}

func TestAuthRefused(t *testing.T) {
	testRefused(t, []refused{
		{"AUTH in MQTT 3", v3s, 0xf0, `18 [15 0001 "m"]`, ErrType, ProtocolError},
		{"no method v5 3.15.2.2.2", v5s, 0xf0, `18 00`, ErrPropertyMissing, ProtocolError},
		{"two methods v5 3.15.2.2.2", v5s, 0xf0, `18 [15 0001 "m" 15 0001 "m"]`, ErrPropertyTwice, ProtocolError},
		{"reason alone", v5s, 0xf0, `18`, ErrTruncated, MalformedPacket},
		{"success from a Client v5 [MQTT-3.15.2-1]", v5s, 0xf0, ``, ErrReasonCode, ProtocolError},
		{"unknown reason v5 [MQTT-3.15.2-1]", v5s, 0xf0, `87 [15 0001 "m"]`, ErrReasonCode, ProtocolError},
		{"trailing byte", v5s, 0xf0, `18 [15 0001 "m"] 00`, ErrTrailing, MalformedPacket},
	}, decodeFromClient)
	testRefused(t, []refused{
		{"re-authenticate from a Server v5 [MQTT-3.15.2-1]", v5s, 0xf0, `19 [15 0001 "m"]`, ErrReasonCode, ProtocolError},
	}, decodeFromServer)
}

func TestAppendAuth(t *testing.T) {
	a := Auth{Reason: ContinueAuthentication, Method: "m", Data: []byte{1}, Explanation: Explanation{ReasonString: "r"}}
	if got, want := AppendAuth(nil, &a, 0), pkt(0xf0, `18 [15 0001 "m" 16 0001 01 1f 0001 "r"]`); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	// v5 [MQTT-3.15.2-2]
	if got, want := AppendAuth(nil, &a, 13), pkt(0xf0, `18 [15 0001 "m" 16 0001 01]`); !bytes.Equal(got, want) {
		t.Errorf("got %x in 13 bytes, want %x", got, want)
	}
	a.Method = strings.Repeat("x", MaxStringLength+1)
	if got := AppendAuth(nil, &a, 0); got != nil {
		t.Errorf("got %d bytes for a method that is too long, want none", len(got))
	}
}

func TestPingRefused(t *testing.T) {
	testRefused(t, []refused{
		{"PINGREQ with body v5 3.12 v3.1.1 3.12", vAll, 0xc0, `00`, ErrTrailing, MalformedPacket},
	}, decodeFromClient)
	testRefused(t, []refused{
		{"PINGRESP with body v5 3.13 v3.1.1 3.13", vAll, 0xd0, `00`, ErrTrailing, MalformedPacket},
		{"PINGREQ from a Server", vAll, 0xc0, ``, ErrType, ProtocolError},
	}, decodeFromServer)
	if got, want := AppendPingResp(AppendPingReq(nil)), raw("c000 d000"); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestReasonCodes(t *testing.T) {
	for c, want := range map[ReasonCode]string{
		ProtocolError: "0x82 Protocol Error", Success: "0x00 Success", 0x7B: "0x7B",
	} {
		if got := c.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for code := range byte(7) {
		c, ok := reasonFromV3(code)
		back, ok2 := c.V3ReturnCode()
		if ok != (code < 6) || ok && (!ok2 || back != code) {
			t.Errorf("return code %d: got %v, %v and back %d, %v", code, c, ok, back, ok2)
		}
	}
}
