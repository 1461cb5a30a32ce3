package broker

import "time"

// What is published to "broadcast/{App}" with QoS 1 or 2 goes into the App's
// log, once, however many Sessions subscribe. One that is awake takes it like
// any message; its mailbox refers to the log's copy. One that sleeps takes
// nothing: it is not even in the index for it, and when it is awake again it
// reads on in the log where it left off. Of a Session it is known up to which
// place of the log it has taken all, by the cursor in the Store, and which it
// has taken beyond that, by its mailbox's entries: if the Store failed to keep
// one, there may be gaps.

// logged tells whether messages of a subscription are in the App's log.
func (s *Session) logged(sub *Subscribe) bool { return sub.TopicFilter == s.app.broadcastTopic }

// broadcast adds a message to the log and offers it to the Sessions that are awake.
func (a *App) broadcast(sc *Scratch, p *Publish) Result {
	if sc.skips(0) {
		return Accepted // it is in the log, and those who are to have it from elsewhere have gone with the node
	}
	sc.note(0)
	a.logMu.Lock() // all see broadcasts in the log's order
	defer a.logMu.Unlock()
	if p.Session != nil {
		p.Message.Publisher = p.Session.clientID
	}
	m := p.Message.Keep()
	m.share()
	place := a.broker.store.AppendLog(a.name, m, sc.waits())
	a.logEnd.Store(place)
	q := *p
	q.Message = m
	return sc.offerAll(&q, place)
}

// followsLog tells whether what is published to the log comes to the Session from there. To one that ends with its
// connection it does as long as there is something that it has missed before.
func (s *Session) followsLog() bool {
	return s.persistent() && (s.lasting() || s.logBehind()) && s.logSubscription() != nil
}

// leftToLog tells whether a broadcast that is offered need not be taken: the Session has it, or
// will read it in the log. it is no broadcast any more for a Session that has
// subscribed to it in another way.
func (s *Session) leftToLog(it *item) bool {
	switch {
	case it.log == 0:
		return false
	case !s.followsLog():
		it.log = 0
		return false
	case s.asleep():
		return true
	}
	r := &s.more().reader
	if !s.has(flagReady) || !s.fits(it.msg.size()) { // one that has just connected has yet to read what it has missed
		r.logBehind = true
	}
	if r.logBehind || it.log <= r.logTaken {
		return true
	}
	r.logTaken = it.log
	return false
}

// moveCursor notes in the Store that the broadcast at place is settled.
func (s *Session) moveCursor(place uint64) {
	if r := &s.extra.reader; place > r.cursor && place <= r.logTaken {
		r.cursor = place
		s.app.broker.store.SetCursor(s.box.id, place)
	}
}

// logRetry is how long after a failure of the Store the log is read again.
const logRetry = time.Second

// rewindLog has the log read again from place on, in a while, except for what there is of it.
func (s *Session) rewindLog(place uint64) {
	s.extra.logAt = s.app.broker.deadlines.now() + logRetry
	s.schedule()
	r := &s.extra.reader
	r.logTaken = min(r.logTaken, place-1)
	delete(r.logHeld, place)
	r.logBehind = true
	r.cursor = min(r.cursor, r.logTaken)
	s.app.broker.store.SetCursor(s.box.id, r.cursor)
	s.eachStored(func(it *item) {
		if !it.lost {
			r.hold(it.log)
		}
	})
}

// hold notes that the mailbox has the broadcast at place.
func (r *reader) hold(place uint64) {
	if place <= r.logTaken {
		return
	}
	if r.logHeld == nil {
		r.logHeld = make(map[uint64]bool)
	}
	r.logHeld[place] = true
	for ; r.logHeld[r.logTaken+1]; r.logTaken++ {
		delete(r.logHeld, r.logTaken+1)
	}
}

// subscribeLog begins the Session's part in the log at its end.
func (s *Session) subscribeLog() {
	if !s.lasting() {
		return
	}
	r := &s.more().reader
	r.logTaken, r.logBehind, r.logHeld = s.app.logEnd.Load(), false, nil
	r.cursor = r.logTaken
	s.app.broker.store.SetCursor(s.box.id, r.cursor)
}

// logSubscription is the Session's subscription to broadcasts; nil if it has none, or
// one that keeps nothing.
func (s *Session) logSubscription() *Subscribe {
	for i := range s.subs {
		if s.logged(&s.subs[i]) && s.subs[i].Options.QoS() > 0 {
			return &s.subs[i]
		}
	}
	return nil
}

// followLog has a Session that has been away read what it has missed.
func (s *Session) followLog() {
	if s.followsLog() {
		s.more().reader.logBehind = true
	}
}

// logBehind tells whether broadcasts are to be read from the log.
func (s *Session) logBehind() bool { return s.extra != nil && s.extra.reader.logBehind }

// wantLog has unlock fetch what the Session has missed in the log, once its mailbox has
// been read: that is where it comes after.
func (s *Session) wantLog() {
	if !s.logBehind() || s.extra.logAt != 0 || s.behind() || s.has(flagPaging|flagLogging|flagEnded) || s.backlog != nil && s.backlog.waiting.len() > 0 {
		return
	}
	if r := &s.extra.reader; r.logTaken >= s.app.logEnd.Load() || !s.followsLog() {
		r.logBehind, r.logHeld = false, nil
	} else if s.fits(r.logNeeds) {
		s.flags |= flagLogging | flagFetchLog
	}
}

// fetchLog asks the Store for a page of the log. mu is not held.
func (s *Session) fetchLog() {
	s.mu.Lock()
	if s.asleep() || s.extra == nil || s.has(flagEnded) {
		s.flags &^= flagLogging
		s.mu.Unlock()
		return
	}
	p := logRequest{session: s, after: s.extra.reader.logTaken, end: s.app.logEnd.Load()}
	s.mu.Unlock()
	s.app.broker.store.LoadLog(s.app.name, p.after, page, pageBytes, p.loaded)
}

// logRequest is a page of the log that is being fetched.
type logRequest struct {
	session *Session
	after   uint64 // the place up to which all was taken
	end     uint64 // place of the last broadcast at that time
}

// loaded is called by the Store, from any goroutine.
func (p logRequest) loaded(es []Entry, more bool, err error) {
	s := p.session
	var todo sessionFlags
	s.app.broker.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		s.flags &^= flagLogging
		switch {
		case s.has(flagEnded) || s.asleep() || s.link == nil || !s.persistent():
		case err != nil:
			s.app.broker.cfg.Logger.Error("broadcasts_unreadable", "client_id", s.clientID, "error", err)
			s.link.End(err)
		case s.extra.reader.logTaken != p.after: // gone and back meanwhile
			s.pump(sc)
		default:
			s.addBroadcasts(sc, p, es, more)
			s.pump(sc)
		}
		todo = s.release()
	})
	s.carryOut(todo)
}

// addBroadcasts puts messages from the log at the end of the mailbox, as far as
// there is room; the rest comes again.
func (s *Session) addBroadcasts(sc *Scratch, p logRequest, es []Entry, more bool) {
	sub := s.logSubscription()
	if sub == nil {
		return
	}
	r := &s.extra.reader
	r.logNeeds = 0
	all := true
	for i := range es {
		m := es[i].Message
		if r.logHeld[es[i].Log] {
			r.logTaken = es[i].Log
			continue
		}
		if !s.fits(m.size()) {
			r.logNeeds = m.size() // asked for again once there is room
			all = false
			break
		}
		r.logTaken = es[i].Log
		if m.expired(s.app.broker.cfg.Clock) || sub.Options.NoLocal() && m.Publisher == s.clientID { // v5 [MQTT-3.8.3-3]
			continue
		}
		it := item{msg: m, qos: min(m.QoS, QoS(sub.Options.QoS())), log: es[i].Log}
		if sub.ID != 0 {
			it.ids = []uint32{sub.ID}
		}
		s.enqueue(sc, &it, nil)
	}
	// What was published meanwhile is in the log, as its end tells, or will be offered.
	if all && !more {
		if len(es) == 0 {
			r.logTaken = max(r.logTaken, p.end) // nothing is left of what was there
		}
		r.logBehind = r.logTaken < s.app.logEnd.Load()
	}
}
