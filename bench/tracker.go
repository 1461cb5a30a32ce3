package bench

// maxMissing bounds what a tracker remembers of gaps.
const maxMissing = 1 << 16

// tracker finds duplicates and wrong order in the messages that one subscriber
// gets from one publisher. It costs a comparison while all is well.
type tracker struct {
	next    uint32              // sequence number after the highest one seen
	missing map[uint32]struct{} // below next and not seen, at most maxMissing
}

// arrival is what a tracker says about a message.
type arrival uint8

const (
	inOrder arrival = iota
	late            // comes after a message that was published later
	again           // has come before
)

// see notes a message.
func (t *tracker) see(sequence uint32) arrival {
	if sequence == t.next {
		t.next++
		return inOrder
	}
	if sequence > t.next {
		for s := t.next; s < sequence && len(t.missing) < maxMissing; s++ {
			if t.missing == nil {
				t.missing = make(map[uint32]struct{})
			}
			t.missing[s] = struct{}{}
		}
		t.next = sequence + 1
		return inOrder
	}
	if _, ok := t.missing[sequence]; ok {
		delete(t.missing, sequence)
		return late
	}
	return again
}

// count notes what t says about a message in m, and returns whether it is new.
func (m *meter) count(t *tracker, sequence uint32) bool {
	m.received++
	switch t.see(sequence) {
	case late:
		m.outOfOrder++
	case again:
		m.duplicates++
		return false
	}
	return true
}
