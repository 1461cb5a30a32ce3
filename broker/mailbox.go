package broker

import (
	"errors"
	"sync/atomic"
	"time"
)

// A persistent Session keeps what it is owed in its mailbox: one entry for each
// message, under numbers that go up by one. The Packet Identifier of a delivery
// follows from its entry's number, so that a message which is sent again after
// a restart, even of the whole node, has the identifier that it had before.
// That is what QoS 2 needs, and it is why nothing of QoS 2 is sent before its
// entry is safe: a number that is lost in a crash is given to another message.

// A mailbox's numbers begin at one made from the time of day, so that those of a device
// never go back, even when its Session has ended and its mailbox begun anew: some protocols
// have clients remember the largest that they have seen.

// mailboxEpoch is where the numbers of mailboxes count from: 2025-01-01, in Unix seconds.
const mailboxEpoch = 1735689600

// firstSeq is the number of the first entry of a mailbox made at now, of which the Packet
// Identifier is id. It grows by maxPacketID a second, which is more than any one client takes.
func firstSeq(now time.Time, id PacketID) uint64 {
	return uint64(max(now.Unix()-mailboxEpoch, 0))*maxPacketID + uint64(id)
}

// packetIDOf is the Packet Identifier of the mailbox's entry seq.
func packetIDOf(seq uint64) PacketID { return PacketID((seq-1)%maxPacketID + 1) }

// keepMailbox makes the Session persistent, if it is not yet.
func (s *Session) keepMailbox() {
	if s.persistent() {
		return
	}
	s.flags |= flagStored
	s.box.id = s.app.broker.store.NewMailbox()
	// The first entry's Packet Identifier is the one after those that are used up.
	next := s.nextID
	if b := s.backlog; b != nil {
		next = next.after(b.queued.len())
	}
	s.box.next = firstSeq(s.app.broker.deadlines.wallNow(), next)
	s.more().reader = reader{loaded: s.box.next - 1, sent: s.box.next - 1}
}

// dropMailbox makes a Session that ends with its connection transient again,
// once its mailbox is empty.
func (s *Session) dropMailbox() {
	if s.lasting() || !s.persistent() || s.box.count > 0 || s.behind() || s.logBehind() {
		return
	}
	if b := s.backlog; b != nil && b.queued.len() > 0 {
		return
	}
	s.nextID = packetIDOf(s.box.next)
	s.app.broker.store.DeleteSession(s.key(), s.box.id, nil)
	s.box = box{}
	s.flags &^= flagStored | flagMail | flagUnrecorded
	s.extra.reader = reader{}
	s.extra.record, s.extra.mail = recordState{}, nil
	if s.extra.will != nil {
		s.saveRecord(nil) // it is published if the node goes down
	}
}

// appended is an entry that is being stored, or of which it is being stored
// that only the release is owed. It is the Store's Commit.
type appended struct {
	session *Session
	op      *publishOp // the publisher's; nil if nobody waits
	seq     uint64
	log     uint64        // its place in the App's log; 0 for none
	logs    *atomic.Int32 // counts those with such a place that are being stored; nil if it has none
	size    int
	qos2    bool // the Session waits for it
	release bool // see noteReceived
	state   atomic.Uint32
}

// States of an appended.
const (
	appendCalled   = iota // Store.Append has not returned
	appendReturned        // but it is not safe
	appendSafe
)

// safe tells whether the entry is. a may be nil, which is.
func (a *appended) safe() bool { return a == nil || a.state.Load() == appendSafe }

// Committed implements Commit.
func (a *appended) Committed(err error) {
	if err != nil && !a.release {
		if a.op != nil {
			a.op.appendFailed()
		}
		a.session.appendFailed(a)
	} else if was := a.state.Swap(appendSafe); a.qos2 && was == appendReturned {
		a.session.app.broker.resumer.post(a.session)
	}
	if a.logs != nil {
		a.logs.Add(-1)
	}
	if a.op != nil {
		a.op.Committed(err)
	}
}

// appendMailbox gives k the next place in the mailbox; op is told when it is safe.
func (s *Session) appendMailbox(sc *Scratch, k *item, op *publishOp) {
	a := &appended{session: s, op: op, log: k.log, size: k.msg.size(), qos2: k.qos == 2}
	b := &s.box
	a.seq = b.next
	k.seq = b.next
	b.next++
	b.count++
	b.bytes += uint32(a.size)
	s.app.hold(1, a.size)
	e := &sc.entry
	*e = Entry{
		Seq: k.seq, Log: k.log, Message: k.msg, QoS: k.qos, Retain: k.retain, Addressed: k.addressed, SubscriptionIDs: k.ids,
	}
	if k.group != nil {
		e.Group = groupFilter(k.group)
	}
	if k.log != 0 {
		a.logs = &s.more().logs
		a.logs.Add(1)
	}
	s.app.broker.store.Append(b.id, e, a)
	if a.qos2 && !a.state.CompareAndSwap(appendCalled, appendReturned) {
		return // safe already
	}
	if a.qos2 {
		k.unsafe = a
	}
}

// groupFilter is the Topic Filter by which members of g have subscribed.
func groupFilter(g *group) string { return "$share/" + g.Name + "/" + g.Filter }

// unstore removes from queue or mailbox what is settled.
func (s *Session) unstore(sc *Scratch, it *item) {
	size := it.msg.size()
	switch {
	case it.lost: // it was counted out when the Store failed
	case it.seq != 0:
		s.countOut(sc, size)
		if it.log != 0 {
			s.moveCursor(it.log) // first: if the entry were gone and the cursor behind, the log would be read again
		}
		s.app.broker.store.Remove(s.box.id, it.seq, it.msg.Body)
	default:
		s.app.hold(-1, -size)
	}
}

// countOut takes a message of that size out of what the mailbox is known to hold.
func (s *Session) countOut(sc *Scratch, size int) {
	b := &s.box
	s.setCount(sc, max(int(b.count)-1, 0), max(int(b.bytes)-size, 0))
}

// appendFailed counts out an entry that the Store has failed to keep. If it is
// on its way to the client already it stays so: the publisher, who is told of
// the failure, may send it again, and at least once it is.
func (s *Session) appendFailed(a *appended) {
	s.app.broker.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.has(flagEnded) {
			return
		}
		if !s.asleep() && s.extra != nil && a.seq <= s.extra.reader.loaded {
			it := s.findStored(a.seq)
			if it == nil || it.lost {
				return // settled meanwhile
			}
			it.lost, it.unsafe = true, nil
		}
		if a.log != 0 && !s.asleep() && s.extra != nil && !s.has(flagLoading) { // it comes from the log again
			s.rewindLog(a.log)
		}
		s.app.broker.resumer.post(s) // something may wait behind it
		s.countOut(sc, a.size)
	})
}

// findStored returns what is in RAM of the entry seq.
func (s *Session) findStored(seq uint64) (found *item) {
	s.eachStored(func(it *item) {
		if it.seq == seq {
			found = it
		}
	})
	return found
}

// eachStored calls f with what is in RAM of the mailbox.
func (s *Session) eachStored(f func(*item)) {
	if b := s.backlog; b != nil {
		for i := range b.queued.len() {
			if it := b.queued.at(i); it.seq != 0 {
				f(it)
			}
		}
	}
	if w := s.window; w != nil {
		for i := range w.holds.len() {
			if it := &w.holds.at(i).item; it.seq != 0 {
				f(it)
			}
		}
	}
}

// resultOf is the outcome of a write.
func resultOf(err error) Result {
	switch {
	case err == nil:
		return Accepted
	case errors.Is(err, ErrStoreFull):
		return QuotaExceeded
	}
	return StoreFailed
}

// receiptBox is where the receipts of the Session's QoS 2 publishes are kept; 0 is
// in RAM only.
func (s *Session) receiptBox() Mailbox {
	if s.lasting() && s.persistent() {
		return s.box.id
	}
	return 0
}

// unixMilli is t in ms since 1970, and 0 for the zero time.
func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
