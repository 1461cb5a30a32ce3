package badger

import (
	"encoding/binary"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// The flags of an entry, its first byte. The highest bit is 0: a later version may set it.
const (
	entryQoS       = 0x03
	entryRetain    = 0x04
	entryReleased  = 0x08
	entryAddressed = 0x10
	entryReference = 0x20 // a body's number and size instead of the message
	entryExtended  = 0x40 // a second byte of flags
	entryReserved  = 0x80
)

// The second byte of flags.
const (
	extLog      = 0x01
	extIDs      = 0x02
	extGroup    = 0x04
	extReserved = 0xf8
)

// entryExtra is what most entries do not have.
type entryExtra struct {
	log   uint64
	ids   []uint32
	group string
}

func entryFlags(e *broker.Entry) byte {
	flags := byte(e.QoS) & entryQoS
	for _, f := range [...]struct {
		set bool
		bit byte
	}{{e.Retain, entryRetain}, {e.Released, entryReleased}, {e.Addressed, entryAddressed}} {
		if f.set {
			flags |= f.bit
		}
	}
	return flags
}

// appendEntryHead encodes all of an entry that comes before the message or the reference.
func appendEntryHead(b []byte, flags byte, x *entryExtra) []byte {
	if x == nil {
		return append(b, flags)
	}
	ext := byte(0)
	if x.log != 0 {
		ext |= extLog
	}
	if len(x.ids) > 0 {
		ext |= extIDs
	}
	if x.group != "" {
		ext |= extGroup
	}
	b = append(b, flags|entryExtended, ext)
	if x.log != 0 {
		b = binary.AppendUvarint(b, x.log)
	}
	if len(x.ids) > 0 {
		b = binary.AppendUvarint(b, uint64(len(x.ids)))
		for _, id := range x.ids {
			b = binary.AppendUvarint(b, uint64(id))
		}
	}
	if x.group != "" {
		b = appendBytes(b, x.group)
	}
	return b
}

func appendReference(b []byte, body uint64, size int) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, body), uint64(size))
}

// storedEntry is a decoded entry before its message is.
type storedEntry struct {
	flags byte
	x     entryExtra
	body  uint64 // 0 if the message is inline
	size  int    // broker.Message.Size
	rest  []byte // the encoded message, in the value
}

// decodeEntry reads an entry.
func decodeEntry(b []byte) (storedEntry, error) {
	d := decoder{b: b}
	e := storedEntry{flags: d.byte()}
	if e.flags&entryReserved != 0 {
		return e, errCorrupt
	}
	if e.flags&entryExtended != 0 {
		e.x.decode(&d)
	}
	if e.flags&entryReference == 0 {
		if d.bad {
			return e, errCorrupt
		}
		e.rest = d.b
		size, err := messageSize(d.b)
		e.size = size
		return e, err
	}
	e.body, e.size = d.uvarint(), int(d.uvarint32())
	if e.body == 0 || len(d.b) > 0 {
		d.fail()
	}
	return e, d.err()
}

func (x *entryExtra) decode(d *decoder) {
	ext := d.byte()
	if ext&extReserved != 0 {
		d.fail()
	}
	if ext&extLog != 0 {
		x.log = d.uvarint()
	}
	if ext&extIDs != 0 {
		if n := d.count(1); n > 0 {
			x.ids = make([]uint32, n)
			for i := range x.ids {
				x.ids[i] = d.uvarint32()
			}
		}
	}
	if ext&extGroup != 0 {
		x.group = d.string()
	}
}

// entry is what the broker gets of e.
func (e *storedEntry) entry(seq uint64, m *broker.Message) broker.Entry {
	return broker.Entry{
		Seq: seq, Log: e.x.log, Message: m, QoS: broker.QoS(e.flags & entryQoS),
		Retain: e.flags&entryRetain != 0, Released: e.flags&entryReleased != 0, Addressed: e.flags&entryAddressed != 0,
		SubscriptionIDs: e.x.ids, Group: e.x.group,
	}
}

// decodeReference reads the value of a log's message.
func decodeReference(b []byte) (body uint64, size int, err error) {
	d := decoder{b: b}
	body, size = d.uvarint(), int(d.uvarint32())
	if body == 0 || len(d.b) > 0 {
		d.fail()
	}
	return body, size, d.err()
}
