package broker

import "time"

// watchProgress begins to watch a client for which publishers wait.
func (s *Session) watchProgress() {
	x := s.more()
	x.progressed = false
	x.slowAt = s.app.broker.deadlines.now() + s.app.broker.cfg.SlowConsumerTimeout
	s.schedule()
}

// progress notes that the client has taken something.
func (s *Session) progress() {
	if s.extra != nil && s.extra.slowAt != 0 {
		s.extra.progressed = true
	}
}

// endSlow ends the connection of a client that has taken nothing for
// SlowConsumerTimeout while publishers waited, or watches on.
func (s *Session) endSlow(now time.Duration) {
	if s.link == nil || s.backlog == nil || s.backlog.waiting.len() == 0 {
		return
	}
	if s.extra.progressed {
		s.extra.progressed = false
		s.extra.slowAt = now + s.app.broker.cfg.SlowConsumerTimeout
		return
	}
	s.app.broker.slowEnded.Add(1)
	s.link.End(ErrSlowConsumer)
}

// refuseWaiting empties the list of publishers that wait for a Session which
// has gone off line: there is no telling when it will take anything. What was acknowledged to its publisher before it was handed on
// to this member of a Shared Subscription goes to another one: unlock sees to that.
func (s *Session) refuseWaiting(sc *Scratch) []*publishOp {
	b := s.backlog
	if b == nil {
		return nil
	}
	var ops []*publishOp
	s.app.await(-b.waiting.len(), -b.waitingBytes)
	for b.waiting.len() > 0 {
		if it := b.waiting.pop(); it.owed {
			it.refused++
			s.more().refused = append(s.more().refused, it)
			s.flags |= flagHandOn
		} else {
			ops = append(ops, it.op)
		}
	}
	b.waitingBytes = 0
	s.relax()
	return ops
}
