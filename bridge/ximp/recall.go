package ximp

import (
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	mqtt "github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// A message of type packet.TypeRecall withdraws another one of the same inbox. Which, its publisher says in one of two ways.
//
// By the number that it gave it: the withdrawn message had the User Property x-msg-sn, the recall has x-recall-sn, and both are
// from the same user. That holds on all devices, and in all inboxes. The device is told its own id of the withdrawn message, or 0 if it
// has acknowledged that before: the number, which is msg_sn of both, is all that is known of it then.
//
// Or by the id that the device has for it, as the payload. Ids are those of one device's mailbox, so that this is for inbox/CLIENT_ID only; the
// device is told what the payload says, whether the message is still there or not.
//
// A withdrawn message stays in the inbox, where it is not shown, until the recall is acknowledged. So when both are delivered again on
// another connection, or after a restart, they find each other again. A recall that expires takes it along.

// recall is what an entry has to do with that.
type recall struct {
	sn        uint64 // the publisher's number of the message, or of the one it withdraws; 0 is none
	withdraws int64  // id of the message that it withdraws, if bySN; 0 is not known
	is        bool   // it withdraws another
	bySN      bool   // and names that by sn
	by        int64  // id of the last recall that withdraws it; 0 is none, and it is shown
}

// recallOf reads what a message has to do with recalls.
func recallOf(m *broker.Message) (r recall) {
	var own, other uint64
	for k, v := range mqtt.UserProperties(m.Properties) {
		switch string(k) {
		case propSN:
			own, _ = strconv.ParseUint(string(v), 10, 64)
		case propRecallSN:
			other, _ = strconv.ParseUint(string(v), 10, 64)
		case propType:
			r.is = r.is || string(v) == recallType
		}
	}
	r.sn = own
	if r.is && other != 0 {
		r.sn, r.bySN = other, true
	}
	return r
}

// recallType is packet.TypeRecall in decimal.
const recallType = "10000"

// withdraw hides the message that e, which is about to be added, withdraws. It returns true if there is one that was shown.
func (b *box) withdraw(e *entry) bool {
	if !e.recall.is {
		return false
	}
	at := b.withdrawnBy(e)
	if at < 0 || b.entries[at].recall.is {
		return false
	}
	old := &b.entries[at]
	if e.recall.bySN {
		e.recall.withdraws = old.id
	}
	first := old.recall.by == 0
	old.recall.by = e.id
	return first
}

// withdrawnBy is the place of the message that e names; -1 is not there.
func (b *box) withdrawnBy(e *entry) int {
	if e.recall.bySN {
		for i := len(b.entries) - 1; i >= 0; i-- {
			o := &b.entries[i]
			if o.recall.sn == e.recall.sn && !o.recall.is && property(o.msg, propFrom) == property(e.msg, propFrom) {
				return i
			}
		}
		return -1
	}
	if !strings.HasPrefix(e.msg.TopicName, "inbox/") {
		return -1
	}
	id, err := strconv.ParseInt(string(e.msg.Payload), 10, 64)
	if err != nil {
		return -1
	}
	if i := b.from(id); i < len(b.entries) && b.entries[i].id == id {
		return i
	}
	return -1
}

// takeWithdrawn takes out the messages that those of the recalls have withdrawn which leave because they have expired: there is nobody else
// to say on another connection that they are not to be shown.
func (bs *boxes) takeWithdrawn(k kind, expired []entry) []entry {
	var recalls []int64
	for i := range expired {
		if e := &expired[i]; e.recall.is {
			recalls = append(recalls, e.id)
		}
	}
	if recalls == nil {
		return nil
	}
	b := &bs.box[k]
	return bs.cut(b, 0, len(b.entries), func(e *entry) bool { return e.recall.by != 0 && slices.Contains(recalls, e.recall.by) })
}

// shownFrom returns the place of the first entry that is shown, from i on; the number of entries if there is none.
func (b *box) shownFrom(i int) int {
	for i < len(b.entries) && b.entries[i].recall.by != 0 {
		i++
	}
	return i
}

// lastShown returns the place of the last entry that is shown; -1 is none.
func (b *box) lastShown() int {
	i := len(b.entries) - 1
	for i >= 0 && b.entries[i].recall.by != 0 {
		i--
	}
	return i
}

// body is what the client reads of e.
func (e *entry) body() []byte {
	switch {
	case e.recall.bySN:
		return strconv.AppendInt(nil, e.recall.withdraws, 10)
	case e.msg.Payload == nil:
		return []byte{}
	}
	return e.msg.Payload
}

// trace is the number by which the publisher knows e; the id if it has given none.
func (e *entry) trace() packet.Opt[uint64] {
	if e.recall.sn != 0 {
		return packet.Some(e.recall.sn)
	}
	return packet.Some(uint64(e.id))
}
