package packet

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestSubscribeRefused(t *testing.T) {
	testRefused(t, []refused{
		{"empty", vAll, 0x82, ``, ErrTruncated, MalformedPacket},
		{"packet id 0 v5 [MQTT-2.2.1-3] v3.1.1 [MQTT-2.3.1-1]", v3s, 0x82, `0000 0001 "a" 00`, ErrPacketID, ProtocolError},
		{"packet id 0 v5 [MQTT-2.2.1-3]", v5s, 0x82, `0000 00 0001 "a" 00`, ErrPacketID, ProtocolError},
		{"no filter v3.1.1 [MQTT-3.8.3-3]", v3s, 0x82, `0001`, ErrNoFilters, ProtocolError},
		{"no filter v5 [MQTT-3.8.3-2]", v5s, 0x82, `0001 00`, ErrNoFilters, ProtocolError},
		{"no property length", v5s, 0x82, `0001`, ErrTruncated, MalformedPacket},
		{"empty filter v3.1.1 [MQTT-4.7.3-1]", v3s, 0x82, `0001 0000 00`, ErrTopicFilter, MalformedPacket},
		{"empty filter v5 [MQTT-4.7.3-1]", v5s, 0x82, `0001 00 0000 00`, ErrTopicFilter, MalformedPacket},
		{"filter not UTF-8 v3.1.1 [MQTT-3.8.3-1]", v3s, 0x82, `0001 0001 ff 00`, ErrString, MalformedPacket},
		{"filter not UTF-8 v5 [MQTT-3.8.3-1]", v5s, 0x82, `0001 00 0001 ff 00`, ErrString, MalformedPacket},
		{"filter with U+0000 v5 [MQTT-4.7.3-2]", v5s, 0x82, `0001 00 0001 00 00`, ErrString, MalformedPacket},
		{"no options v3.1.1", v3s, 0x82, `0001 0001 "a"`, ErrTruncated, MalformedPacket},
		{"no options v5, which mochi panics on", v5s, 0x82, `0001 00 0001 "a"`, ErrTruncated, MalformedPacket},
		{"no options of the second", v5s, 0x82, `0001 00 0001 "a" 00 0001 "b"`, ErrTruncated, MalformedPacket},
		{"QoS 3 v3.1.1 [MQTT-3-8.3-4]", v3s, 0x82, `0001 0001 "a" 03`, ErrOptions, MalformedPacket},
		{"reserved option bits v3.1.1 [MQTT-3-8.3-4]", v3s, 0x82, `0001 0001 "a" 04`, ErrOptions, MalformedPacket},
		{"QoS 3 v5 3.8.3.1", v5s, 0x82, `0001 00 0001 "a" 03`, ErrOptions, ProtocolError},
		{"retain handling 3 v5 3.8.3.1", v5s, 0x82, `0001 00 0001 "a" 30`, ErrOptions, ProtocolError},
		{"reserved bit 6 v5 [MQTT-3.8.3-5]", v5s, 0x82, `0001 00 0001 "a" 40`, ErrOptions, MalformedPacket},
		{"reserved bit 7 v5 [MQTT-3.8.3-5]", v5s, 0x82, `0001 00 0001 "a" 80`, ErrOptions, MalformedPacket},
		{"no local on a share v5 [MQTT-3.8.3-4]", v5s, 0x82, `0001 00 000a "$share/g/a" 04`, ErrNoLocalShared, ProtocolError},
		{"subscription identifier 0 v5 3.8.2.1.2", v5s, 0x82, `0001 [0b 00] 0001 "a" 00`, ErrPropertyValue, ProtocolError},
		{"two subscription identifiers v5 3.8.2.1.2", v5s, 0x82, `0001 [0b 01 0b 02] 0001 "a" 00`, ErrPropertyTwice, ProtocolError},
		{"subscription identifier of five bytes", v5s, 0x82, `0001 [0b 8080808001] 0001 "a" 00`, ErrVarint, MalformedPacket},
		{"reason string", v5s, 0x82, `0001 [1f 0000] 0001 "a" 00`, ErrProperty, MalformedPacket},
	}, decodeFromClient)
}

func TestUnsubscribeRefused(t *testing.T) {
	testRefused(t, []refused{
		{"empty", vAll, 0xa2, ``, ErrTruncated, MalformedPacket},
		{"packet id 0 v3.1.1 [MQTT-2.3.1-1]", v3s, 0xa2, `0000 0001 "a"`, ErrPacketID, ProtocolError},
		{"no filter v3.1.1 [MQTT-3.10.3-2]", v3s, 0xa2, `0001`, ErrNoFilters, ProtocolError},
		{"no filter v5 [MQTT-3.10.3-2]", v5s, 0xa2, `0001 00`, ErrNoFilters, ProtocolError},
		{"empty filter v5 [MQTT-4.7.3-1]", v5s, 0xa2, `0001 00 0000`, ErrTopicFilter, MalformedPacket},
		{"filter not UTF-8 v5 [MQTT-3.10.3-1] v3.1.1 [MQTT-3.10.3-1]", v3s, 0xa2, `0001 0001 ff`, ErrString, MalformedPacket},
		{"half a filter length", v5s, 0xa2, `0001 00 00`, ErrTruncated, MalformedPacket},
		{"subscription identifier v5 2.2.2.2", v5s, 0xa2, `0001 [0b 01] 0001 "a"`, ErrProperty, MalformedPacket},
	}, decodeFromClient)
}

func TestSubscribeDecode(t *testing.T) {
	b := pkt(0x82, `0001 [26 0001 "k" 0001 "v" 0b ffffff7f] 0003 "a/+" 2e 000a "$share/g/a" 01`)
	got, err := DecodeSubscribe(one(t, b), V5)
	clear(b)
	want := &Subscribe{PacketID: 1, SubscriptionID: MaxRemainingLength, UserProperties: []UserProperty{{"k", "v"}}, Filters: []Filter{
		{TopicFilter: "a/+", QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2},
		{TopicFilter: "$share/g/a", QoS: 1},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	b = pkt(0xa2, `0007 0003 "a/+" 0001 "#"`)
	unsub, err := DecodeUnsubscribe(one(t, b), V311)
	clear(b)
	if want := (&Unsubscribe{PacketID: 7, Filters: []string{"a/+", "#"}}); err != nil || !reflect.DeepEqual(unsub, want) {
		t.Errorf("got %+v, %v, want %+v", unsub, err, want)
	}
}

func TestFilterLimit(t *testing.T) {
	for _, row := range []struct {
		n    int
		want error
	}{{MaxFilters, nil}, {MaxFilters + 1, ErrTooMany}} {
		for first, entry := range map[byte]string{0x82: `0001 "a" 00`, 0xa2: `0001 "a"`} {
			body := append(raw("0001"), bytes.Repeat(raw(entry), row.n)...)
			_, err := decodeFromClient(one(t, appendBody(nil, first, body)), V311)
			if !errors.Is(err, row.want) {
				t.Errorf("first byte %#x, %d filters: got %v, want %v", first, row.n, err, row.want)
			}
		}
	}
}

func TestAppendSubscribeRefuses(t *testing.T) {
	long := strings.Repeat("x", MaxStringLength+1)
	subs := map[string]*Subscribe{
		"no packet id": {Filters: []Filter{{TopicFilter: "a"}}},
		"filter":       {PacketID: 1, Filters: []Filter{{TopicFilter: long}}},
		"identifier":   {PacketID: 1, SubscriptionID: MaxRemainingLength + 1, Filters: []Filter{{TopicFilter: "a"}}},
		"user":         {PacketID: 1, UserProperties: []UserProperty{{long, ""}}, Filters: []Filter{{TopicFilter: "a"}}},
	}
	for name, s := range subs {
		if got := AppendSubscribe(nil, V5, s); got != nil {
			t.Errorf("%s: got %d bytes, want none appended", name, len(got))
		}
	}
	unsubs := map[string]*Unsubscribe{
		"no packet id": {Filters: []string{"a"}},
		"filter":       {PacketID: 1, Filters: []string{long}},
	}
	for name, u := range unsubs {
		if got := AppendUnsubscribe(nil, V5, u); got != nil {
			t.Errorf("%s: got %d bytes, want none appended", name, len(got))
		}
	}
}
