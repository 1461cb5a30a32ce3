package packet

import (
	"bytes"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Subscribe is a SUBSCRIBE packet. A decoded one owns its memory.
type Subscribe struct {
	// PacketID is never 0.
	PacketID PacketID
	// SubscriptionID is the MQTT 5 Subscription Identifier, 0 if absent.
	SubscriptionID uint32
	// Filters are 1 to MaxFilters requests, in order.
	Filters []Filter
	// UserProperties are those of MQTT 5.
	UserProperties []UserProperty
}

// Filter is a Topic Filter and its Subscription Options. All but QoS are zero in
// MQTT 3.
type Filter struct {
	// TopicFilter is valid UTF-8 without U+0000 and not empty. Its wildcards and
	// ShareName are not checked here.
	TopicFilter string
	// QoS is the highest the Client wants, 0 to 2.
	QoS QoS
	// NoLocal is never set on a Shared Subscription.
	NoLocal           bool
	RetainAsPublished bool
	// RetainHandling is 0 to 2: send retained messages on SUBSCRIBE, only if
	// the subscription is new, never.
	RetainHandling byte
}

// DecodeSubscribe decodes a SUBSCRIBE of version v. The result does not alias the
// frame.
func DecodeSubscribe(f Frame, v Version) (*Subscribe, error) {
	if err := walkFilters(f, v, TypeSubscribe); err != nil {
		return nil, err
	}
	pk := fromMochi(f, v)
	if err := contain(f.Type, func() error { return pk.SubscribeDecode(f.Body) }); err != nil {
		return nil, err
	}
	s := &Subscribe{
		PacketID:       PacketID(pk.PacketID),
		Filters:        make([]Filter, len(pk.Filters)),
		UserProperties: cloneUser(pk.Properties.User),
	}
	if ids := pk.Properties.SubscriptionIdentifier; len(ids) > 0 {
		s.SubscriptionID = uint32(ids[0])
	}
	for i, sub := range pk.Filters {
		s.Filters[i] = Filter{
			TopicFilter:       strings.Clone(sub.Filter),
			QoS:               QoS(sub.Qos),
			NoLocal:           sub.NoLocal,
			RetainAsPublished: sub.RetainAsPublished,
			RetainHandling:    sub.RetainHandling,
		}
	}
	return s, nil
}

// Unsubscribe is an UNSUBSCRIBE packet. A decoded one owns its memory.
type Unsubscribe struct {
	// PacketID is never 0.
	PacketID PacketID
	// Filters are 1 to MaxFilters Topic Filters, as in Filter.TopicFilter.
	Filters []string
	// UserProperties are those of MQTT 5.
	UserProperties []UserProperty
}

// DecodeUnsubscribe decodes an UNSUBSCRIBE of version v. The result does not alias
// the frame.
func DecodeUnsubscribe(f Frame, v Version) (*Unsubscribe, error) {
	if err := walkFilters(f, v, TypeUnsubscribe); err != nil {
		return nil, err
	}
	pk := fromMochi(f, v)
	if err := contain(f.Type, func() error { return pk.UnsubscribeDecode(f.Body) }); err != nil {
		return nil, err
	}
	u := &Unsubscribe{
		PacketID:       PacketID(pk.PacketID),
		Filters:        make([]string, len(pk.Filters)),
		UserProperties: cloneUser(pk.Properties.User),
	}
	for i, sub := range pk.Filters {
		u.Filters[i] = strings.Clone(sub.Filter)
	}
	return u, nil
}

// walkFilters validates a SUBSCRIBE or UNSUBSCRIBE, which is t.
func walkFilters(f Frame, v Version, t Type) error {
	if err := f.expect(t, v); err != nil {
		return err
	}
	r := reader{b: f.Body}
	if id := r.uint16(); r.err == nil && id == 0 { // v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1]
		return violation(t, ErrPacketID)
	}
	if v == V5 {
		block := r.block()
		if r.err == nil {
			p := walkProps(block, t)
			if err := p.drain(); err != nil {
				return err
			}
		}
	}
	n := 0
	for ; r.rest() > 0; n++ {
		if n == MaxFilters {
			return refusal(t, QuotaExceeded, ErrTooMany)
		}
		filter := r.string() // v5 [MQTT-3.8.3-1] [MQTT-3.10.3-1], v3.1.1 [MQTT-3.8.3-1] [MQTT-3.10.3-1]
		if r.err == nil && len(filter) == 0 {
			r.fail(ErrTopicFilter) // v5 [MQTT-4.7.3-1], v3.1.1 [MQTT-4.7.3-1]
		}
		if t == TypeSubscribe {
			options := r.byte()
			if r.err == nil {
				if err := checkOptions(options, v, filter); err != nil {
					return err
				}
			}
		}
	}
	if r.err != nil {
		return malformed(t, r.err)
	}
	if n == 0 { // v5 [MQTT-3.8.3-2] [MQTT-3.10.3-2], v3.1.1 [MQTT-3.8.3-3] [MQTT-3.10.3-2]
		return violation(t, ErrNoFilters)
	}
	return nil
}

// checkOptions validates Subscription Options.
func checkOptions(o byte, v Version, filter []byte) error {
	if v != V5 {
		if o > byte(ExactlyOnce) { // v3.1.1 [MQTT-3-8.3-4]
			return malformed(TypeSubscribe, ErrOptions)
		}
		return nil
	}
	switch {
	case o&0xC0 != 0: // v5 [MQTT-3.8.3-5]
		return malformed(TypeSubscribe, ErrOptions)
	case o&0x03 == 0x03, o&0x30 == 0x30: // v5 section 3.8.3.1
		return violation(TypeSubscribe, ErrOptions)
	case o&0x04 != 0 && bytes.HasPrefix(filter, []byte("$share/")): // v5 [MQTT-3.8.3-4]
		return violation(TypeSubscribe, ErrNoLocalShared)
	}
	return nil
}

// AppendSubscribe appends s as a SUBSCRIBE of version v; nothing if it has no
// PacketID or a string is over MaxStringLength.
func AppendSubscribe(dst []byte, v Version, s *Subscribe) []byte {
	pk := newMochi(TypeSubscribe, v)
	pk.PacketID = uint16(s.PacketID)
	pk.Properties.User = toMochiUser(s.UserProperties)
	if s.SubscriptionID > 0 {
		pk.Properties.SubscriptionIdentifier = []int{int(s.SubscriptionID)}
	}
	ok := userPropertiesFit(s.UserProperties) && s.SubscriptionID <= MaxRemainingLength
	for _, f := range s.Filters {
		ok = ok && fits(f.TopicFilter)
		pk.Filters = append(pk.Filters, packets.Subscription{
			Filter:            f.TopicFilter,
			Qos:               byte(f.QoS),
			NoLocal:           f.NoLocal,
			RetainAsPublished: f.RetainAsPublished,
			RetainHandling:    f.RetainHandling,
		})
	}
	if !ok {
		return dst
	}
	body := containEncode(func(b *bytes.Buffer) error { return pk.SubscribeEncode(b) })
	if body == nil || len(body) > MaxRemainingLength {
		return dst
	}
	return appendBody(dst, byte(TypeSubscribe)<<4|0x02, body)
}

// AppendUnsubscribe appends u as an UNSUBSCRIBE of version v, under the conditions
// of AppendSubscribe.
func AppendUnsubscribe(dst []byte, v Version, u *Unsubscribe) []byte {
	if !userPropertiesFit(u.UserProperties) || !fits(u.Filters...) {
		return dst
	}
	pk := newMochi(TypeUnsubscribe, v)
	pk.PacketID = uint16(u.PacketID)
	pk.Properties.User = toMochiUser(u.UserProperties)
	for _, filter := range u.Filters {
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: filter})
	}
	body := containEncode(func(b *bytes.Buffer) error { return pk.UnsubscribeEncode(b) })
	if body == nil || len(body) > MaxRemainingLength {
		return dst
	}
	return appendBody(dst, byte(TypeUnsubscribe)<<4|0x02, body)
}
