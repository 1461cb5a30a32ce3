package topic

// Subscription is one subscriber's subscription to one Topic Filter.
type Subscription[S comparable] struct {
	// Subscriber identifies the subscribing Session. The zero value of S is
	// not a subscriber: it stands for "no publisher" in Index.Match.
	Subscriber S

	// ID is the v5 Subscription Identifier, 1 to 268,435,455; 0 means none.
	ID uint32

	// Options are the Subscription Options granted.
	Options Options
}

// Options packs the Subscription Options, laid out as the options byte of a
// v5 SUBSCRIBE: QoS in bits 0-1, No Local in bit 2, Retain As Published in
// bit 3, Retain Handling in bits 4-5. The zero value is QoS 0 and nothing
// else, which is also what MQTT 3 grants at QoS 0.
type Options uint8

const (
	qosMask             Options = 0x03
	noLocalBit          Options = 0x04
	retainPublishedBit  Options = 0x08
	retainHandlingMask  Options = 0x30
	retainHandlingShift         = 4
)

// NewOptions packs the options. qos and retainHandling are 0 to 2; of larger
// values the two lowest bits are used.
func NewOptions(qos uint8, noLocal, retainAsPublished bool, retainHandling uint8) Options {
	o := Options(qos)&qosMask | Options(retainHandling)<<retainHandlingShift&retainHandlingMask
	if noLocal {
		o |= noLocalBit
	}
	if retainAsPublished {
		o |= retainPublishedBit
	}
	return o
}

// QoS returns the Maximum QoS of the subscription, 0 to 2.
func (o Options) QoS() uint8 { return uint8(o & qosMask) }

// NoLocal reports whether what the subscriber publishes itself is not sent back to it.
func (o Options) NoLocal() bool { return o&noLocalBit != 0 }

// RetainAsPublished reports whether the RETAIN flag is forwarded as it was published.
func (o Options) RetainAsPublished() bool { return o&retainPublishedBit != 0 }

// RetainHandling returns 0 (send retained messages at the subscribe), 1 (only
// if the subscription is new) or 2 (never).
func (o Options) RetainHandling() uint8 {
	return uint8(o & retainHandlingMask >> retainHandlingShift)
}

// merge joins the options of two overlapping subscriptions of one subscriber:
// the higher QoS (v5 [MQTT-3.3.4-2], v3.1.1 [MQTT-3.3.5-1]), RETAIN kept if
// either keeps it, No Local only if both have it. Retain Handling, which has
// no part in delivery, stays o's.
func (o Options) merge(p Options) Options {
	return max(o&qosMask, p&qosMask) |
		o&p&noLocalBit |
		(o|p)&retainPublishedBit |
		o&retainHandlingMask
}
