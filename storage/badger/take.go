package badger

// batch is what the committer writes at once.
type batch struct {
	ops      []op // some cancelled
	bytes    int64
	unneeded []uint64
	errs     []error // as long as ops: how it ended; nil slice if all is well
}

func (b *batch) reset() {
	clear(b.ops)
	b.ops, b.unneeded = b.ops[:0], b.unneeded[:0]
	if cap(b.ops) > largeQueue {
		b.ops = nil
	}
	b.bytes, b.errs = 0, nil
}

// bounds are what a batch should hold and what it can hold.
type bounds struct {
	soft, hard           int   // operations
	softBytes, hardBytes int64 // their costs
}

// takeLocked moves the next batch out of the queue, of what is before end, into b.
func (q *queue) takeLocked(b *batch, lim bounds, end uint64) {
	cut := q.cutLocked(lim, end)
	for p := q.head; p != cut; p++ {
		o := q.at(p)
		switch o.kind {
		case opNone:
			continue
		case opAppend:
			delete(q.pending, entryID{o.mb, o.seq})
		case opRead:
			q.urgent--
		}
		b.ops = append(b.ops, *o)
		b.bytes += int64(o.cost)
		*o = op{}
		q.live--
	}
	q.head = cut
	q.brackets.taken(cut)
	q.shrinkLocked()
	b.unneeded, q.unneeded = append(b.unneeded, q.unneeded...), q.unneeded[:0]
}

// cutLocked says where the next batch ends: not within a bracket if that can be helped, and before a write
// that an earlier read of the batch must not see.
func (q *queue) cutLocked(lim bounds, end uint64) uint64 {
	limit := q.limitLocked(end)
	spans := q.brackets.spans
	safe := q.head // the last place where the batch may end
	n, bytes := 0, int64(0)
	var barriers map[subject]struct{}
	for p := q.head; p < limit; p++ {
		for len(spans) > 0 && spans[0].end <= p {
			spans = spans[1:]
		}
		if len(spans) == 0 || p <= spans[0].start {
			safe = p
			if n >= lim.soft || bytes >= lim.softBytes {
				return p
			}
		}
		o := q.at(p)
		if o.kind == opNone {
			continue
		}
		if n > 0 && (n >= lim.hard || bytes+int64(o.cost) > lim.hardBytes) {
			if safe > q.head {
				return safe
			}
			return p // the bracket alone is too much
		}
		if safe > q.head && len(barriers) > 0 && behind(o, barriers) {
			return safe
		}
		if o.barrier() {
			if barriers == nil {
				barriers = make(map[subject]struct{})
			}
			if o.kind == opDrop { // the record goes at once
				barriers[subject{what: kindMailbox, mb: o.mb}] = struct{}{}
			} else {
				o.subjects(func(s subject) { barriers[s] = struct{}{} })
			}
		}
		n++
		bytes += int64(o.cost)
	}
	return limit
}

// behind tells whether o writes what a barrier must not see.
func behind(o *op, barriers map[subject]struct{}) (found bool) {
	if o.kind == opRead {
		return false
	}
	o.subjects(func(s subject) {
		if _, ok := barriers[s]; ok {
			found = true
		}
	})
	return found
}
