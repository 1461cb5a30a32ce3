package badger

import (
	"errors"
	"time"
)

// batches is how many batches there are: one is filled and written while another is told.
const batches = 3

// commitLoop is the committer: the only one who writes.
func (s *Store) commitLoop() {
	defer close(s.notes)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	lim := s.bounds()
	for b := range s.free {
		if !s.next(b, lim, timer) {
			return
		}
		s.commit(b)
		s.notes <- b
	}
}

// bounds leaves room in Badger's transactions for what a batch needs beside its operations, each of which may come
// with a body. Should that not be enough, the batch is written in two transactions.
func (s *Store) bounds() bounds {
	count, size := s.db.MaxBatchCount(), s.db.MaxBatchSize()
	lim := bounds{soft: s.opts.MaxBatch, hard: int(count/2) - 8, softBytes: size / 4, hardBytes: size / 10 * 9}
	lim.soft = min(lim.soft, lim.hard)
	return lim
}

// next waits until there is something to do, and takes it. It reports false when the Store was closed and all is done.
//
// While there are operations it looks every half of the delay, and takes those which were there the last time: each
// waits for at least half of the delay, so that most of those that will be cancelled are, and for no longer than all of it.
func (s *Store) next(b *batch, lim bounds, timer *time.Timer) bool {
	q, half := s.q, s.opts.CommitDelay/2
	ticked := time.Since(s.took) >= half
	for {
		q.mu.Lock()
		if ticked {
			q.aged, q.mark = q.mark, q.tail
		}
		aged := q.aged
		if q.urgent > 0 || q.live >= q.many || q.closed || s.opts.CommitDelay < 0 {
			aged = q.tail
		}
		q.state = committing
		switch {
		case aged > q.head && q.limitLocked(aged) != q.head, q.look:
			q.takeLocked(b, lim, max(aged, q.head))
			q.look, q.mark = false, q.tail
			q.mu.Unlock()
			s.took = time.Now()
			return true
		case q.limitLocked(q.tail) != q.head:
			q.state = collecting
		case q.closed:
			q.mu.Unlock()
			return false
		default:
			q.state = idle
		}
		state := q.state
		q.mu.Unlock()
		ticked = q.rest(state, timer, half)
	}
}

// rest waits until the queue needs the committer or, while it collects, so much time has passed; that it reports.
func (q *queue) rest(state waiting, timer *time.Timer, d time.Duration) (ticked bool) {
	if state == idle {
		<-q.wake
		return false
	}
	timer.Reset(d)
	select {
	case <-q.wake:
		return false
	case <-timer.C:
		return true
	}
}

// commit writes a batch and settles it. What its Commits are told is told by tell.
func (s *Store) commit(b *batch) {
	s.checkSpace(b.bytes)
	w := writer{s: s, b: b}
	w.write()
	s.q.settled(b.bytes)
	s.follow(b)
}

// follow starts what reads after the commit: reads, and the ends of mailboxes.
func (s *Store) follow(b *batch) {
	var snap *snapshot
	take := func() *snapshot {
		if snap == nil {
			snap = newSnapshot(s.db)
		}
		return snap.hold()
	}
	for i := range b.ops {
		switch o := &b.ops[i]; {
		case o.kind == opRead:
			if p := s.purging[o.mb]; p != nil && o.mb != 0 {
				p.reads = append(p.reads, o.x.read)
				continue
			}
			s.readers.do(o.x.read, take())
		case o.kind == opDrop && o.mb != 0 && b.err(i) == nil:
			s.startPurge(o.mb, take())
		case o.kind == opPurge && o.x.purge.last:
			p := s.purging[o.mb]
			delete(s.purging, o.mb)
			if p == nil {
				continue
			}
			for _, read := range p.reads {
				s.readers.do(read, take())
			}
		}
	}
	if snap != nil {
		snap.release()
	}
}

// tellLoop tells Commits how their operations ended, in order, while the committer goes on.
func (s *Store) tellLoop() {
	for b := range s.notes {
		for i := range b.ops {
			o := &b.ops[i]
			if o.c != nil && o.kind != opRead { // a read tells its result itself
				o.c.Committed(b.err(i))
			}
		}
		b.reset()
		s.free <- b
	}
}

func (b *batch) err(i int) error {
	if b.errs == nil {
		return nil
	}
	return b.errs[i]
}

// fail notes how the operations [from, to) ended.
func (b *batch) fail(from, to int, err error) {
	if b.errs == nil {
		b.errs = make([]error, len(b.ops))
	}
	for i := from; i < to; i++ {
		b.errs[i] = errors.Join(b.errs[i], err)
	}
}
