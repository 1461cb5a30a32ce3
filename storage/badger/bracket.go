package badger

import "github.com/holdfast-mqtt/holdfast/broker"

// openTx is a bracket that is open.
type openTx struct {
	tx  broker.Tx
	pos uint64 // nothing at or behind it may be taken
}

// span is the extent of closed brackets that overlap: operations [start, end).
type span struct{ start, end uint64 }

// brackets keeps together what was called between Begin and End.
type brackets struct {
	last  broker.Tx
	open  []openTx // in order of pos
	spans []span   // disjoint, in order
}

func (b *brackets) begin(pos uint64) broker.Tx {
	b.last++
	b.open = append(b.open, openTx{b.last, pos})
	return b.last
}

// end closes a bracket at pos, the end of the queue, and tells whether it was open.
func (b *brackets) end(tx broker.Tx, pos uint64) bool {
	for i, o := range b.open {
		if o.tx != tx {
			continue
		}
		b.open = append(b.open[:i], b.open[i+1:]...)
		if pos > o.pos+1 { // a single operation can't be torn
			b.keep(span{o.pos, pos})
		}
		return true
	}
	return false
}

// keep adds a span that ends at the end of the queue, so that it overlaps the last ones only.
func (b *brackets) keep(s span) {
	for n := len(b.spans); n > 0 && b.spans[n-1].end > s.start; n = len(b.spans) {
		s.start = min(s.start, b.spans[n-1].start)
		b.spans = b.spans[:n-1]
	}
	b.spans = append(b.spans, s)
}

// limit is how much of the queue, from head to end, may be taken: all, or to the earliest bracket that is open, or to a
// closed one which that is in the middle of.
func (b *brackets) limit(head, end uint64) uint64 {
	limit := b.earliest(end)
	for i := len(b.spans) - 1; i >= 0 && b.spans[i].end > limit; i-- {
		if b.spans[i].start < limit {
			limit = b.spans[i].start
		}
	}
	return max(limit, head)
}

// earliest is where the earliest open bracket begins, or end.
func (b *brackets) earliest(end uint64) uint64 {
	if len(b.open) > 0 {
		return min(end, b.open[0].pos)
	}
	return end
}

// taken forgets the spans that end at or before pos.
func (b *brackets) taken(pos uint64) {
	n := 0
	for n < len(b.spans) && b.spans[n].end <= pos {
		n++
	}
	if n > 0 {
		b.spans = append(b.spans[:0], b.spans[n:]...)
	}
}
