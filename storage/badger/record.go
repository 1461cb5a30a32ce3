package badger

import (
	"encoding/binary"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// recordVersion is the first byte of a Session's record.
const recordVersion = 1

// The second byte of a Session's record.
const (
	recordSubscriptions = 0x01
	recordWill          = 0x02
	recordName          = 0x04 // App and Client Identifier follow: the key has only their digest
	recordMail          = 0x08 // the mailbox may hold entries that are Addressed
	recordReserved      = 0xf0
)

// appendRecord encodes a Session's record as the package comment says.
func (c *clock) appendRecord(b []byte, key broker.SessionKey, r *broker.SessionRecord) []byte {
	flags := byte(0)
	if len(r.Subscriptions) > 0 {
		flags |= recordSubscriptions
	}
	if r.Will != nil {
		flags |= recordWill
	}
	if isLong(key.App, key.ClientID) {
		flags |= recordName
	}
	if r.Mail {
		flags |= recordMail
	}
	b = append(b, recordVersion, flags)
	if flags&recordName != 0 {
		b = appendBytes(appendBytes(b, key.App), key.ClientID)
	}
	for _, v := range [...]uint64{
		uint64(r.Mailbox), uint64(r.Expiry), uint64(r.KeepFor), uint64(r.SleptAt), r.Next, r.Head, r.Sent, r.DropBefore,
		uint64(r.Fruitless), uint64(r.WillAt),
	} {
		b = binary.AppendUvarint(b, v)
	}
	if flags&recordSubscriptions != 0 {
		b = binary.AppendUvarint(b, uint64(len(r.Subscriptions)))
		for i := range r.Subscriptions {
			s := &r.Subscriptions[i]
			b = appendBytes(append(b, byte(s.Options)), s.TopicFilter)
			b = binary.AppendUvarint(b, uint64(s.ID))
		}
	}
	if flags&recordWill != 0 {
		b = binary.AppendUvarint(b, uint64(max(r.Will.Delay, 0)))
		b = binary.AppendUvarint(b, uint64(max(r.Will.Expiry, 0)))
		b = c.appendMessage(b, r.Will.Message)
	}
	return b
}

// record decodes a Session's record. The Will's Payload and Properties lie in b, which must not change any more.
func (c *clock) record(key []byte, b []byte) (broker.SessionKey, *broker.SessionRecord, error) {
	d := decoder{b: b}
	var k broker.SessionKey
	version, flags := d.byte(), d.byte()
	if version != recordVersion || flags&recordReserved != 0 || (flags&recordName != 0) != (key[0] == kindLongSession) {
		return k, nil, errCorrupt
	}
	if flags&recordName != 0 {
		k.App, k.ClientID = d.string(), d.string()
	} else {
		var err error
		if k.App, k.ClientID, err = splitName(key); err != nil {
			return k, nil, err
		}
	}
	r := &broker.SessionRecord{
		Mailbox: broker.Mailbox(d.uvarint()), Expiry: d.uvarint32(), KeepFor: d.uvarint32(), Mail: flags&recordMail != 0, SleptAt: int64(d.uvarint()), Next: d.uvarint(),
		Head: d.uvarint(), Sent: d.uvarint(), DropBefore: d.uvarint(), Fruitless: uint8(d.uvarint()), WillAt: int64(d.uvarint()),
	}
	if flags&recordSubscriptions != 0 {
		r.Subscriptions = decodeSubscriptions(&d)
	}
	if flags&recordWill != 0 && !d.bad {
		w := &broker.Will{Delay: time.Duration(d.uvarint()), Expiry: time.Duration(d.uvarint())}
		var err error
		if w.Message, err = c.message(d.b); err != nil {
			return k, nil, err
		}
		r.Will = w
	}
	return k, r, d.err()
}

func decodeSubscriptions(d *decoder) []broker.Subscribe {
	n := d.count(3) // options, length, identifier
	if n == 0 {
		return nil
	}
	subs := make([]broker.Subscribe, n)
	for i := range subs {
		subs[i].Options = topic.Options(d.byte())
		subs[i].TopicFilter = d.string()
		subs[i].ID = d.uvarint32()
	}
	return subs
}

// recordSlack is how long a record outlives its Session in Badger. When the Store is opened meanwhile it finds what
// the Session has left behind.
const recordSlack = 30 * 24 * time.Hour

// recordUntil is when Badger may forget the record, in seconds since 1970; 0 is never.
func recordUntil(r *broker.SessionRecord) uint64 {
	end := r.EndsAt()
	if end <= 0 {
		return 0
	}
	return uint64(end/1000) + uint64(recordSlack/time.Second)
}
