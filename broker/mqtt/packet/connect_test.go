package packet

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestConnectRefused(t *testing.T) {
	decode := func(f Frame, _ Version) (any, error) { return DecodeConnect(f) }
	one := []Version{0} // the packet itself tells its version
	testRefused(t, []refused{
		{"empty", one, 0x10, ``, ErrTruncated, MalformedPacket},
		{"protocol name not UTF-8 v5 3.1.2.1", one, 0x10, `0004 ffffffff 05`, ErrString, MalformedPacket},
		{"protocol name unknown v5 [MQTT-3.1.2-1]", one, 0x10, `0004 "HTTP" 04 02 0000 0001 "c"`, ErrProtocol, UnsupportedProtocolVersion},
		{"level 6", one, 0x10, `0004 "MQTT" 06 02 0000 0001 "c"`, ErrProtocol, UnsupportedProtocolVersion},
		{"level 3 of MQTT", one, 0x10, `0004 "MQTT" 03 02 0000 0001 "c"`, ErrProtocol, UnsupportedProtocolVersion},
		{"level 4 of MQIsdp", one, 0x10, `0006 "MQIsdp" 04 02 0000 0001 "c"`, ErrProtocol, UnsupportedProtocolVersion},
		{"name alone", one, 0x10, `0004 "MQTT"`, ErrTruncated, MalformedPacket},
		{"no flags", one, 0x10, `0004 "MQTT" 04`, ErrTruncated, MalformedPacket},
		{"no keep alive", one, 0x10, `0004 "MQTT" 04 02 00`, ErrTruncated, MalformedPacket},
		{"no client id v5 [MQTT-3.1.3-3] v3.1.1 [MQTT-3.1.3-3]", one, 0x10, `0004 "MQTT" 04 02 0000`, ErrTruncated, MalformedPacket},
		{"reserved flag v3.1.1 [MQTT-3.1.2-3]", one, 0x10, `0004 "MQTT" 04 03 0000 0001 "c"`, ErrConnectFlags, MalformedPacket},
		{"reserved flag v5 [MQTT-3.1.2-3]", one, 0x10, `0004 "MQTT" 05 03 0000 00 0001 "c"`, ErrConnectFlags, MalformedPacket},
		{"Will QoS 3 v3.1.1 [MQTT-3.1.2-14]", one, 0x10, `0004 "MQTT" 04 1e 0000 0001 "c" 0001 "w" 0000`, ErrConnectFlags, MalformedPacket},
		{"Will QoS 3 v5 [MQTT-3.1.2-12]", one, 0x10, `0004 "MQTT" 05 1e 0000 00 0001 "c" 00 0001 "w" 0000`, ErrConnectFlags, MalformedPacket},
		{"Will QoS 3 v3.1", one, 0x10, `0006 "MQIsdp" 03 1e 0000 0001 "c" 0001 "w" 0000`, ErrConnectFlags, MalformedPacket},
		{"Will QoS without Will v3.1.1 [MQTT-3.1.2-13]", one, 0x10, `0004 "MQTT" 04 0a 0000 0001 "c"`, ErrConnectFlags, MalformedPacket},
		{"Will QoS without Will v5 [MQTT-3.1.2-11]", one, 0x10, `0004 "MQTT" 05 0a 0000 00 0001 "c"`, ErrConnectFlags, MalformedPacket},
		{"Will Retain without Will v3.1.1 [MQTT-3.1.2-15]", one, 0x10, `0004 "MQTT" 04 22 0000 0001 "c"`, ErrConnectFlags, MalformedPacket},
		{"Will Retain without Will v5 [MQTT-3.1.2-13]", one, 0x10, `0004 "MQTT" 05 22 0000 00 0001 "c"`, ErrConnectFlags, MalformedPacket},
		{"password without user name v3.1.1 [MQTT-3.1.2-22]", one, 0x10, `0004 "MQTT" 04 42 0000 0001 "c" 0001 "p"`, ErrConnectFlags, MalformedPacket},
		{"password without user name v3.1", one, 0x10, `0006 "MQIsdp" 03 42 0000 0001 "c" 0001 "p"`, ErrConnectFlags, MalformedPacket},
		{"empty client id without clean session v3.1.1 [MQTT-3.1.3-8]", one, 0x10, `0004 "MQTT" 04 00 0000 0000`, ErrClientID, ClientIdentifierNotValid},
		{"empty client id v3.1", one, 0x10, `0006 "MQIsdp" 03 02 0000 0000`, ErrClientID, ClientIdentifierNotValid},
		{"client id not UTF-8 v5 [MQTT-3.1.3-4] v3.1.1 [MQTT-3.1.3-4]", one, 0x10, `0004 "MQTT" 04 02 0000 0001 ff`, ErrString, MalformedPacket},
		{"client id with U+0000", one, 0x10, `0004 "MQTT" 05 02 0000 00 0001 00`, ErrString, MalformedPacket},
		{"Will Topic missing v3.1.1 [MQTT-3.1.2-9]", one, 0x10, `0004 "MQTT" 04 06 0000 0001 "c"`, ErrTruncated, MalformedPacket},
		{"Will Message missing v5 [MQTT-3.1.2-9]", one, 0x10, `0004 "MQTT" 05 06 0000 00 0001 "c" 00 0001 "w"`, ErrTruncated, MalformedPacket},
		{"Will Properties missing v5 [MQTT-3.1.2-9]", one, 0x10, `0004 "MQTT" 05 06 0000 00 0001 "c"`, ErrTruncated, MalformedPacket},
		{"Will Topic with wildcard v5 [MQTT-4.7.0-1]", one, 0x10, `0004 "MQTT" 05 06 0000 00 0001 "c" 00 0001 "#" 0000`, ErrTopicName, TopicNameInvalid},
		{"Will Topic empty v5 [MQTT-4.7.3-1]", one, 0x10, `0004 "MQTT" 05 06 0000 00 0001 "c" 00 0000 0000`, ErrTopicName, TopicNameInvalid},
		{"Will Topic not UTF-8 v5 [MQTT-3.1.3-11] v3.1.1 [MQTT-3.1.3-10]", one, 0x10, `0004 "MQTT" 04 06 0000 0001 "c" 0001 ff 0000`, ErrString, MalformedPacket},
		{"user name missing v3.1.1 [MQTT-3.1.2-19]", one, 0x10, `0004 "MQTT" 04 82 0000 0001 "c"`, ErrTruncated, MalformedPacket},
		{"user name missing v5 [MQTT-3.1.2-17]", one, 0x10, `0004 "MQTT" 05 82 0000 00 0001 "c"`, ErrTruncated, MalformedPacket},
		{"user name not UTF-8 v5 [MQTT-3.1.3-12] v3.1.1 [MQTT-3.1.3-11]", one, 0x10, `0004 "MQTT" 04 82 0000 0001 "c" 0001 ff`, ErrString, MalformedPacket},
		{"password missing v5 [MQTT-3.1.2-19]", one, 0x10, `0004 "MQTT" 05 42 0000 00 0001 "c"`, ErrTruncated, MalformedPacket},
		{"trailing byte v3.1.1 [MQTT-3.1.2-18]", one, 0x10, `0004 "MQTT" 04 02 0000 0001 "c" 00`, ErrTrailing, MalformedPacket},
		{"password with its flag off v5 [MQTT-3.1.2-18]", one, 0x10, `0004 "MQTT" 05 82 0000 00 0001 "c" 0001 "u" 0001 "p"`, ErrTrailing, MalformedPacket},
		{"receive maximum 0 v5 3.1.2.11.3", one, 0x10, `0004 "MQTT" 05 02 0000 [21 0000] 0001 "c"`, ErrPropertyValue, ProtocolError},
		{"maximum packet size 0 v5 3.1.2.11.4", one, 0x10, `0004 "MQTT" 05 02 0000 [27 00000000] 0001 "c"`, ErrPropertyValue, ProtocolError},
		{"request response information 2 v5 3.1.2.11.6", one, 0x10, `0004 "MQTT" 05 02 0000 [19 02] 0001 "c"`, ErrPropertyValue, ProtocolError},
		{"request problem information 2 v5 3.1.2.11.7", one, 0x10, `0004 "MQTT" 05 02 0000 [17 02] 0001 "c"`, ErrPropertyValue, ProtocolError},
		{"authentication data without method v5 3.1.2.11.10", one, 0x10, `0004 "MQTT" 05 02 0000 [16 0001 "d"] 0001 "c"`, ErrPropertyMissing, ProtocolError},
		{"two session expiry intervals v5 3.1.2.11.2", one, 0x10, `0004 "MQTT" 05 02 0000 [11 00000001 11 00000001] 0001 "c"`, ErrPropertyTwice, ProtocolError},
		{"Will Delay outside the Will v5 2.2.2.2", one, 0x10, `0004 "MQTT" 05 02 0000 [18 00000001] 0001 "c"`, ErrProperty, MalformedPacket},
		{"session expiry inside the Will v5 2.2.2.2", one, 0x10, `0004 "MQTT" 05 06 0000 00 0001 "c" [11 00000001] 0001 "w" 0000`, ErrProperty, MalformedPacket},
		{"two Will Delays v5 3.1.3.2.2", one, 0x10, `0004 "MQTT" 05 06 0000 00 0001 "c" [18 00000001 18 00000001] 0001 "w" 0000`, ErrPropertyTwice, ProtocolError},
		{"response topic of the Will with wildcard", one, 0x10, `0004 "MQTT" 05 06 0000 00 0001 "c" [08 0001 "+"] 0001 "w" 0000`, ErrPropertyValue, ProtocolError},
		{"properties swallow the client id", one, 0x10, `0004 "MQTT" 05 02 0000 04 0001 "c"`, ErrTruncated, MalformedPacket},
	}, decode)
}

// TestConnectAnswerVersion has the version in which a refusal is to be said.
func TestConnectAnswerVersion(t *testing.T) {
	tests := []struct {
		name string
		body string
		want Version
		v3   byte // return code, 0xFF for none
	}{
		{"level 6", `0004 "MQTT" 06`, V5, 1},
		{"level 3 of MQTT, v3.1.1 [MQTT-3.1.2-2]", `0004 "MQTT" 03`, V311, 1},
		{"level 0", `0004 "MQTT" 00`, V311, 1},
		{"bridge of 3.1.1", `0004 "MQTT" 84`, V311, 1},
		{"bridge of 5", `0004 "MQTT" 85`, V5, 1},
		{"bridge of 3.1", `0006 "MQIsdp" 83`, V31, 1},
		{"other name", `0004 "mqtt" 04`, 0, 1},
		{"cut in the name", `0004 "MQ"`, 0, 0xFF},
		{"malformed 5", `0004 "MQTT" 05 03`, V5, 0xFF},
		{"client id in 3.1.1", `0004 "MQTT" 04 00 0000 0000`, V311, 2},
		{"client id in 3.1", `0006 "MQIsdp" 03 02 0000 0000`, V31, 2},
	}
	for _, tt := range tests {
		_, err := DecodeConnect(one(t, pkt(0x10, tt.body)))
		var e *Error
		if !errors.As(err, &e) || e.Version != tt.want {
			t.Errorf("%s: got %#v, want version %v", tt.name, err, tt.want)
			continue
		}
		code, ok := e.Code.V3ReturnCode()
		if ok != (tt.v3 != 0xFF) || ok && code != tt.v3 {
			t.Errorf("%s: got return code %d, %v, want %d", tt.name, code, ok, tt.v3)
		}
	}
}

func TestConnectDecode(t *testing.T) {
	full := accepted[4]
	if full.name != "connect 5 full" {
		t.Fatalf("got %q in the table, want connect 5 full", full.name)
	}
	message := raw(`01 01 03 0001 "t" 08 0001 "r" 09 0001 ff 26 0001 "a" 0001 "b"`)
	tests := []struct {
		name string
		body string
		want *Connect
	}{
		{"5 full", full.body, &Connect{
			Version: V5, CleanStart: true, KeepAlive: 60, ClientID: "c", HasUsername: true, Username: "u",
			HasPassword: true, Password: []byte("p"), HasSessionExpiry: true, SessionExpiry: 10, ReceiveMaximum: 20,
			MaximumPacketSize: 1024, TopicAliasMaximum: 5, RequestResponseInfo: true, NoProblemInfo: true,
			HasAuthMethod: true, AuthMethod: "SCRAM", AuthData: []byte{1, 2},
			UserProperties: []UserProperty{{"k", "v"}, {"k", "w"}},
			Will: &Will{
				Topic: "w", Payload: []byte("xy"), QoS: 2, Retain: true, Delay: 5, HasMessageExpiry: true, MessageExpiry: 9,
				Forward: message,
				Properties: MessageProperties{PayloadFormat: 1, ContentType: "t", ResponseTopic: "r",
					CorrelationData: []byte{0xFF}, User: []UserProperty{{"a", "b"}}},
			},
		}},
		{"password without user name, v5 3.1.2.9", `0004 "MQTT" 05 42 0000 00 0001 "c" 0001 "p"`,
			&Connect{Version: V5, CleanStart: true, ClientID: "c", HasPassword: true, Password: []byte("p")}},
		{"empty user name and password", `0004 "MQTT" 04 c2 0000 0001 "c" 0000 0000`,
			&Connect{Version: V311, CleanStart: true, ClientID: "c", HasUsername: true, HasPassword: true, Password: []byte{}}},
		{"empty Will Message", `0004 "MQTT" 04 06 0000 0001 "c" 0001 "w" 0000`,
			&Connect{Version: V311, CleanStart: true, ClientID: "c", Will: &Will{Topic: "w", Payload: []byte{}}}},
		{"empty client id, v5 [MQTT-3.1.3-6]", `0004 "MQTT" 05 00 ffff 00 0000`, &Connect{Version: V5, KeepAlive: 65535}},
		{"empty authentication method", `0004 "MQTT" 05 00 0000 [15 0000] 0000`, &Connect{Version: V5, HasAuthMethod: true}},
		{"3.1 user name flag without user name", `0006 "MQIsdp" 03 c2 0000 0001 "c"`,
			&Connect{Version: V31, CleanStart: true, ClientID: "c"}},
		{"3.1 password flag without password", `0006 "MQIsdp" 03 c2 0000 0001 "c" 0001 "u"`,
			&Connect{Version: V31, CleanStart: true, ClientID: "c", HasUsername: true, Username: "u"}},
		{"3.1 disregards the Will's flags without a Will", `0006 "MQIsdp" 03 3b 0000 0001 "c"`,
			&Connect{Version: V31, CleanStart: true, ClientID: "c"}},
		{"3.1 client id of 24 characters", `0006 "MQIsdp" 03 00 0000 0018 "123456789012345678901234"`,
			&Connect{Version: V31, ClientID: "123456789012345678901234"}},
	}
	for _, tt := range tests {
		b := pkt(0x10, tt.body)
		got, err := DecodeConnect(one(t, b))
		clear(b) // what was decoded must not alias it
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v (will %+v), %v, want %+v (will %+v)", tt.name, got, got.Will, err, tt.want, tt.want.Will)
		}
	}
}

func TestConnectTooManyUserProperties(t *testing.T) {
	c := &Connect{Version: V5, UserProperties: make([]UserProperty, MaxUserProperties+1)}
	_, err := DecodeConnect(one(t, AppendConnect(nil, c)))
	var e *Error
	if !errors.As(err, &e) || e.Code != QuotaExceeded || !errors.Is(err, ErrTooMany) {
		t.Errorf("got %v, want ErrTooMany with QuotaExceeded", err)
	}
}

func TestAppendConnectRefuses(t *testing.T) {
	long := strings.Repeat("x", MaxStringLength+1)
	tests := map[string]*Connect{
		"client id":             {Version: V311, ClientID: long},
		"user name":             {Version: V311, HasUsername: true, Username: long},
		"password":              {Version: V5, HasPassword: true, Password: []byte(long)},
		"will topic":            {Version: V311, Will: &Will{Topic: long}},
		"will payload":          {Version: V311, Will: &Will{Topic: "w", Payload: []byte(long)}},
		"user property":         {Version: V5, UserProperties: []UserProperty{{long, ""}}},
		"will user property":    {Version: V5, Will: &Will{Topic: "w", Properties: MessageProperties{User: []UserProperty{{"", long}}}}},
		"authentication data":   {Version: V5, AuthMethod: "m", AuthData: []byte(long)},
		"authentication method": {Version: V5, AuthMethod: long},
	}
	for name, c := range tests {
		if got := AppendConnect([]byte("x"), c); string(got) != "x" {
			t.Errorf("%s too long: got %d bytes, want none appended", name, len(got)-1)
		}
	}
}

func BenchmarkDecodeConnect(b *testing.B) {
	for _, v := range v4up {
		b.Run(v.String(), func(b *testing.B) {
			in := AppendConnect(nil, &Connect{Version: v, CleanStart: true, KeepAlive: 60, ClientID: "device-0123456789"})
			b.ReportAllocs()
			for b.Loop() {
				f, _, err := ReadFrame(in, 1000)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := DecodeConnect(f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
