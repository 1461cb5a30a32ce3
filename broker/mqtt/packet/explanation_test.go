package packet

import (
	"bytes"
	"testing"
)

// TestExplanationIsLeftOut gives every packet that can explain itself less and
// less room. User properties go first, then the reason string.
func TestExplanationIsLeftOut(t *testing.T) {
	e := Explanation{ReasonString: "why", User: []UserProperty{{"k", "v"}}}
	const reason, user = `1f 0003 "why" `, `26 0001 "k" 0001 "v"`
	ack := func(typ Type, code ReasonCode) func(Explanation, uint32) []byte {
		return func(e Explanation, limit uint32) []byte {
			return AppendAckWithReason(nil, typ, V5, 1, code, e, limit)
		}
	}
	tests := []struct {
		name   string
		encode func(e Explanation, limit uint32) []byte
		whole  []byte
		brief  []byte // without user properties
		bare   []byte
	}{
		{"PUBREC, v5 [MQTT-3.5.2-2], [MQTT-3.5.2-3]", ack(TypePubRec, QuotaExceeded),
			pkt(0x50, `0001 97 [`+reason+user+`]`), pkt(0x50, `0001 97 [`+reason+`]`), pkt(0x50, `0001 97`)},
		{"PUBREL, v5 [MQTT-3.6.2-2], [MQTT-3.6.2-3]", ack(TypePubRel, PacketIdentifierNotFound),
			pkt(0x62, `0001 92 [`+reason+user+`]`), pkt(0x62, `0001 92 [`+reason+`]`), pkt(0x62, `0001 92`)},
		{"PUBCOMP, v5 [MQTT-3.7.2-2], [MQTT-3.7.2-3]", ack(TypePubComp, PacketIdentifierNotFound),
			pkt(0x70, `0001 92 [`+reason+user+`]`), pkt(0x70, `0001 92 [`+reason+`]`), pkt(0x70, `0001 92`)},
		{"SUBACK, v5 [MQTT-3.9.2-1], [MQTT-3.9.2-2]", func(e Explanation, limit uint32) []byte {
			return AppendSubAck(nil, V5, &SubAck{PacketID: 1, Reasons: []ReasonCode{NotAuthorized}, Explanation: e}, limit)
		}, pkt(0x90, `0001 [`+reason+user+`] 87`), pkt(0x90, `0001 [`+reason+`] 87`), pkt(0x90, `0001 00 87`)},
		{"UNSUBACK, v5 [MQTT-3.11.2-1], [MQTT-3.11.2-2]", func(e Explanation, limit uint32) []byte {
			return AppendUnsubAck(nil, V5, &SubAck{PacketID: 1, Reasons: []ReasonCode{NotAuthorized}, Explanation: e}, limit)
		}, pkt(0xb0, `0001 [`+reason+user+`] 87`), pkt(0xb0, `0001 [`+reason+`] 87`), pkt(0xb0, `0001 00 87`)},
		{"AUTH, v5 [MQTT-3.15.2-2], [MQTT-3.15.2-3]", func(e Explanation, limit uint32) []byte {
			return AppendAuth(nil, &Auth{Reason: ContinueAuthentication, Method: "m", Explanation: e}, limit)
		}, pkt(0xf0, `18 [15 0001 "m" `+reason+user+`]`), pkt(0xf0, `18 [15 0001 "m" `+reason+`]`), pkt(0xf0, `18 [15 0001 "m"]`)},
	}
	for _, tt := range tests {
		for limit := len(tt.bare); limit <= len(tt.whole); limit++ {
			want := tt.bare
			switch {
			case limit == len(tt.whole):
				want = tt.whole
			case limit >= len(tt.brief):
				want = tt.brief
			}
			if got := tt.encode(e, uint32(limit)); !bytes.Equal(got, want) {
				t.Errorf("%s in %d bytes: got %x, want %x", tt.name, limit, got, want)
			}
		}
	}
}
