package broker

// A page of the mailbox is what is fetched at a time: so many messages, and
// about so many bytes. A Session that is awake has no more of it in RAM beyond
// its window.
const (
	page      = 256
	pageBytes = 256 << 10
)

// wantPage has unlock fetch the next page of the mailbox, if there is one.
func (s *Session) wantPage() {
	if s.behind() && s.room() && !s.has(flagPaging|flagEnded) && s.extra.scans == 0 {
		s.flags |= flagPaging | flagFetch
	}
}

// fetchPage asks the Store for the next page. mu is not held.
func (s *Session) fetchPage() {
	s.mu.Lock()
	if s.asleep() || s.extra == nil || s.has(flagEnded) {
		s.flags &^= flagPaging
		s.mu.Unlock()
		return
	}
	p := pageRequest{session: s, box: s.box.id, after: s.extra.reader.loaded, next: s.box.next}
	s.mu.Unlock()
	s.app.broker.store.Load(p.box, p.after, page, pageBytes, p.loaded)
}

// pageRequest is a page of a mailbox that is being fetched.
type pageRequest struct {
	session *Session
	box     Mailbox
	after   uint64 // the largest seq that was in RAM
	next    uint64 // the next entry's seq at that time
}

// loaded is called by the Store, from any goroutine.
func (p pageRequest) loaded(es []Entry, more bool, err error) {
	s := p.session
	tx := s.app.broker.store.Begin() // what is handed on is with its next owner when it leaves the mailbox
	var todo sessionFlags
	s.app.broker.withScratch(func(sc *Scratch) {
		s.mu.Lock()
		s.flags &^= flagPaging
		switch {
		case s.has(flagEnded) || s.asleep() || s.link == nil:
		case err != nil:
			s.app.broker.cfg.Logger.Error("mailbox_unreadable", "client_id", s.clientID, "error", err)
			s.link.End(err)
		default:
			if s.extra.reader.loaded == p.after && s.box.id == p.box {
				s.addPage(sc, p, es, more)
				s.recount(sc)
			} // else the client has gone and come back meanwhile: fetch again
			s.pump(sc)
		}
		todo = s.release()
	})
	s.carryOut(todo) // with the working memory given back: a Store may answer at once, and so on
	s.app.broker.store.End(tx)
}

// addPage puts a page into the queue.
func (s *Session) addPage(sc *Scratch, p pageRequest, es []Entry, more bool) {
	r := &s.extra.reader
	b := s.pending()
	for i := range es {
		e := &es[i]
		it := item{
			msg: e.Message, qos: e.QoS, retain: e.Retain, seq: e.Seq, log: e.Log, ids: e.SubscriptionIDs,
			released: e.Released, addressed: e.Addressed, dup: e.Seq <= r.sent,
		}
		r.loaded = e.Seq
		r.hold(e.Log)
		if e.Seq < r.dropBefore && (!e.Addressed || e.Released) {
			if e.Group != "" && e.QoS == 1 { // of QoS 2 it is not known whether it was sent
				s.leave(sc, e)
			}
			s.unstore(sc, &it) // owed to a Session that is no more
			continue
		}
		if e.Seq < r.dropBefore {
			it.dup = false // the client has forgotten what it was sent
		}
		if e.Group != "" {
			it.group = s.app.index.Group(e.Group)
		}
		b.queued.push(it)
		b.bytes += e.Message.size()
	}
	if !more {
		r.loaded = max(r.loaded, p.next-1) // what is missing up to here has never been stored
	}
	r.behind = r.loaded+1 < s.box.next
}

// recount corrects what is counted of the mailbox once all of it is in RAM:
// messages may have expired in the Store, or it may have failed to keep what it was given.
func (s *Session) recount(sc *Scratch) {
	if s.behind() {
		return
	}
	count, bytes := 0, 0
	s.eachStored(func(it *item) {
		if !it.lost {
			count++
			bytes += it.msg.size()
		}
	})
	s.setCount(sc, count, bytes)
}

// recountEmpty is recount of a Session that has nothing in RAM, nor in the Store.
func (s *Session) recountEmpty(sc *Scratch) {
	s.extra.reader.loaded, s.extra.reader.behind = s.box.next-1, false
	s.recount(sc)
}

// setCount sets what the mailbox is known to hold.
func (s *Session) setCount(sc *Scratch, count, bytes int) {
	b := &s.box
	s.app.hold(count-int(b.count), bytes-int(b.bytes))
	b.count, b.bytes = uint32(count), uint32(bytes)
}
