package broker

import "time"

// A client that fetches its messages and acknowledges none must not fetch them
// for ever. Each connection that begins with messages which have been sent
// before, while none was acknowledged since, is one more in a row; any
// acknowledgement ends the row. Of a client that fetches by itself, from a Link of
// Connect.Pulls, each connection is one more on which it has: see Fetched.
const (
	fruitlessFree = 3           // so many have no consequence
	fruitlessMost = 10          // one more is ended
	fruitlessWait = time.Second // the first pause; each is twice the one before
	fruitlessMax  = time.Minute // but no longer
)

// acknowledgedSome notes that the client has acknowledged something.
func (s *Session) acknowledgedSome() {
	if x := s.extra; x != nil {
		x.fruitless = 0
	}
}

// watchFruitless counts a connection that begins. It returns false if
// deliveries are put off, or the connection is ended.
func (s *Session) watchFruitless() bool {
	x := s.extra
	if x == nil || !s.persistent() || s.box.count == 0 || s.head() > x.reader.sent {
		return true
	}
	if !s.has(flagPulls) {
		x.fruitless++
	}
	b := s.app.broker
	switch n := x.fruitless; {
	case n <= fruitlessFree:
		return true
	case n > fruitlessMost:
		x.fruitless = fruitlessFree + 1
		b.fruitlessEnded.Add(1)
		b.cfg.Logger.Warn("client_acknowledges_nothing", "client_id", s.clientID, "connections", int(n), "messages", s.box.count)
		s.link.End(ErrFruitless)
		return false
	default:
		x.heldUntil = b.deadlines.now() + min(fruitlessWait<<(n-fruitlessFree-1), fruitlessMax)
		s.flags |= flagHeld
		s.schedule()
		return false
	}
}

// Fetched tells that the client has fetched messages that it has yet to acknowledge, on a connection with Connect.Pulls. The front calls it
// once for each connection, and not for messages that are none too many: those that a client cannot acknowledge before there are others.
func (s *Session) Fetched(epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.Load() != epoch || s.asleep() || !s.persistent() {
		return
	}
	if x := s.more(); x.fruitless <= fruitlessMost {
		x.fruitless++
	}
}
