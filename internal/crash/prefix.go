package crash

import (
	"fmt"
	"math"
	"slices"
)

// checkPrefix looks at the messages of one round that had been acknowledged before its kill, after all that is left
// of them has come. cutBytes is what was taken off the log; most is how many messages may have been under way at
// once, and so in one commit.
//
// The log is a sequence. A message acknowledged before another was sent stands in front of it, so it must not be
// missing where that one is there; and each message that is missing takes at least its payload of what was cut,
// but for those of the commit that the cut went through.
func (l *ledger) checkPrefix(round uint16, cutBytes int64, most int) (faults []fault, missing int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rs := l.recipients()
	var gone []*message
	lastKept := event{}
	var lastKeptMessage *message
	size := int64(0)
	for _, m := range l.messages {
		if !m.settledIn(round) {
			continue
		}
		if !slices.ContainsFunc(rs, func(r *recipient) bool { return l.lacks(r, m) }) {
			if s := m.first(sent); s.order > lastKept.order {
				lastKept, lastKeptMessage = *s, m
			}
			continue
		}
		gone = append(gone, m)
		size += int64(len(m.key.payload()))
	}
	for _, m := range gone {
		if a := m.first(acked); a.order < lastKept.order {
			faults = append(faults, fault{rulePrefix, fmt.Sprintf(
				"%s is missing, acknowledged at %.3f s; %s is there, sent at %.3f s",
				m.key, a.at.Seconds(), lastKeptMessage.key, lastKept.at.Seconds()), m})
		}
	}
	slices.SortFunc(gone, func(a, b *message) int { return b.key.size() - a.key.size() })
	for _, m := range gone[:min(most, len(gone))] { // the commit that the cut went through, at its largest
		size -= int64(m.key.size())
	}
	if size > cutBytes {
		faults = append(faults, fault{rulePrefix, fmt.Sprintf(
			"%d messages of round %d are missing, their payloads are %d bytes longer than the %d bytes that were cut",
			len(gone), round, size-cutBytes, cutBytes), nil})
	}
	return faults, len(gone)
}

// size is the length of the payload in bytes.
func (k key) size() int { return headerBytes + k.fillerBytes() }

// settledIn tells whether m was sent once, in a round, and acknowledged in it.
func (m *message) settledIn(round uint16) bool {
	sends, ack := 0, uint16(math.MaxUint16)
	for _, e := range m.events {
		switch e.kind {
		case sent:
			sends++
		case acked:
			ack = e.round
		}
	}
	return sends == 1 && ack == round && m.events[0].round == round
}

// ackedBytesLocked is the size of the payloads that were acknowledged in a round.
func (l *ledger) ackedBytesLocked(round uint16) (bytes int) {
	for _, m := range l.messages {
		if m.settledIn(round) {
			bytes += m.key.size()
		}
	}
	return bytes
}
