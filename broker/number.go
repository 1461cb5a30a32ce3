package broker

import "time"

// skipTo has the numbers go on from one made from the time of day, with the same Packet Identifier, if that is ahead.
// After a crash some may have been used of which nothing is on disk: a client may remember the largest number that it has seen,
// and would take another message under it for one that it has.
func (b *box) skipTo(now time.Time) {
	b.next = max(b.next, firstSeq(now, packetIDOf(b.next)))
}

// lastSeq is the number of the last entry; 0 without mailbox.
func (s *Session) lastSeq() uint64 {
	if !s.persistent() {
		return 0
	}
	return s.box.next - 1
}

// maxPassingSpan is how many Packet Identifiers an unacknowledged delivery and numbers of messages that are not kept may
// span. If those used up all of them, nothing more could be sent until that delivery is acknowledged.
const maxPassingSpan = 4096

// passingSeq takes a number for a message that is not kept. It is 0 while older messages have yet to be sent, for the first
// time or again, which such a one must not overtake, and beyond maxPassingSpan.
func (s *Session) passingSeq() uint64 {
	if !s.persistent() || !s.caughtUp() || s.repeating() {
		return 0
	}
	seq := s.box.next
	if w := s.window; w != nil && w.states.len()+w.gap(packetIDOf(seq)) >= maxPassingSpan {
		return 0
	}
	s.box.next++
	s.more().reader.loaded = seq
	return seq
}

// CaughtUp tells whether the Link has all that is in the mailbox. If not, stalled tells that it will not get more before something is
// acknowledged, or its connection takes more. all is true for a connection that does not own the Session any more.
func (s *Session) CaughtUp(epoch uint64) (all, stalled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.Load() != epoch || s.asleep() || s.link == nil {
		return true, false
	}
	if s.has(flagReady) && !s.has(flagHeld|flagPaging|flagLogging) && s.caughtUp() && !s.logBehind() && !s.repeating() {
		return true, false
	}
	spanned := s.backlog != nil && s.backlog.queued.len() > 0 && !s.spans(s.backlog.queued.at(0))
	return false, !s.room() || s.has(flagFull) || spanned || s.full()
}

// full tells whether what is to come next waits for room in the mailbox, all of which the Link has: publishers wait, or broadcasts in the log.
func (s *Session) full() bool {
	if !s.has(flagReady) || s.has(flagHeld|flagPaging|flagLogging) || s.behind() || s.repeating() {
		return false
	}
	b := s.backlog
	if b != nil && b.queued.len() > 0 {
		return false
	}
	return b != nil && b.waiting.len() > 0 || s.logBehind() && !s.fits(s.extra.reader.logNeeds)
}
