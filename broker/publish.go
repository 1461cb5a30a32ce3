package broker

import (
	"slices"
	"sync/atomic"
)

// Result is the outcome of a publish. Larger ones are worse.
type Result uint32

// Results.
const (
	// Accepted means that every Session the message is owed to has it: stored,
	// acknowledged, or in a bounded window. It may be acknowledged.
	Accepted Result = iota
	// NoSubscribers is Accepted when it is owed to nobody.
	NoSubscribers
	// QuotaExceeded means that a Session or the broker has no room. It must not be acknowledged.
	QuotaExceeded
	// StoreFailed means that it could not be stored. It must not be acknowledged.
	StoreFailed
	// Rejected means that a PublishInterceptor forbids it. A front answers as when its client may not publish it.
	Rejected
	// Stale means that the publishing connection has been taken over. Nothing
	// has been published.
	Stale
	// Repeated means that a QoS 2 publish was accepted before, under the same
	// Packet Identifier. Nothing has been published; it may be acknowledged again.
	Repeated
	// Pending means that the result comes later, through the Completion.
	Pending
)

// OK tells whether the message may be acknowledged.
func (r Result) OK() bool { return r == Accepted || r == NoSubscribers }

// Completion is told the result of a publish that was Pending.
type Completion interface {
	// Published is called once, from any goroutine, maybe with the lock of a
	// Session held. It must do no more than post the result.
	Published(r Result)
}

// Deferrer makes Completions. A front implements it so that a publish which
// need not wait costs none.
type Deferrer interface {
	// Defer is called at most once per Publish, before Publish returns.
	Defer() Completion
}

// Publish is a message and where it comes from.
type Publish struct {
	App     *App
	Message *Message // maybe borrowed
	// Session and Epoch are the publisher's; nil for the server itself.
	Session *Session
	Epoch   uint64
	// PacketID is that of a QoS 2 publish, which is published once however often
	// the client repeats it, until Session.Release; 0 is for all others. The one
	// who makes the Completion calls Session.Conclude with the result.
	PacketID PacketID
	Dup      bool // the client says that it may have sent it before
	// Deferrer makes the Completion; nil if nobody waits for the result.
	Deferrer Deferrer

	willOf string // Client Identifier whose Will it is; empty is nobody's
}

// publishOp is a publish that waits for Sessions or for the Store.
type publishOp struct {
	left  atomic.Int32  // what it waits for; the call of Publish itself is one of them
	worst atomic.Uint32 // Result
	done  Completion

	receipt    atomic.Pointer[publishReceipt] // is stored when all else is done, and waited for too; nil is none
	incomplete atomic.Bool                    // the Store has failed to keep the message for a mailbox

	// unsettled is true while it is being offered and its receipt is not known yet: a Session
	// must not take it from its waiting items before that.
	unsettled atomic.Bool
}

// appendFailed tells that the Store has failed to keep the message for one of its mailboxes. finish is yet to be called.
func (op *publishOp) appendFailed() {
	op.incomplete.Store(true) // first: see publishReceipt.begin
	if rc := op.receipt.Load(); rc != nil {
		rc.forget()
	}
}

// finish reports the end of one thing the op waits for.
func (op *publishOp) finish(r Result) {
	for {
		old := op.worst.Load()
		if uint32(r) <= old || op.worst.CompareAndSwap(old, uint32(r)) {
			break
		}
	}
	if op.left.Add(-1) > 0 {
		return
	}
	if rc := op.receipt.Load(); rc != nil && rc.owner.epoch.Load() != 0 { // else it has ended
		st := rc.owner.app.broker.store
		op.receipt.Store(nil)
		op.left.Store(1)
		if Result(op.worst.Load()).OK() {
			st.AddReceipt(rc.box, rc.id, op)
		} else { // a repetition is a new publish
			st.RemoveReceipt(rc.box, rc.id, op)
		}
		return
	}
	if op.done != nil {
		op.done.Published(Result(op.worst.Load()))
	}
}

// Committed implements Commit.
func (op *publishOp) Committed(err error) {
	op.finish(resultOf(err))
}

// waits counts one more thing that the publish going on waits for.
func (sc *Scratch) waits() *publishOp {
	if sc.op == nil {
		sc.op = new(publishOp)
		sc.op.left.Store(1)
	}
	sc.op.left.Add(1)
	return sc.op
}

// Publish offers the message to every Session that it is owed to and, if it is
// to be retained, keeps it. It never blocks. Messages of one publisher to one
// Topic Name reach each Session in the order of the calls.
func (b *Broker) Publish(sc *Scratch, p *Publish) Result {
	m := p.Message
	if m.QoS > 0 && m.Published == 0 {
		m.Published = b.cfg.Clock.Now().UnixMilli()
	}
	box := Mailbox(0)
	sc.skip, sc.print = nil, 0
	if p.Session != nil {
		if p.Session.epoch.Load() != p.Epoch {
			return Stale
		}
		if p.PacketID != 0 {
			var r Result
			if r, box, sc.skip = p.Session.receive(p); r != Accepted {
				return r
			}
		}
		c := sc.of(p.App)
		c.Received[m.QoS].add(1)
		c.BytesIn.add(uint64(len(m.Payload)))
	}
	sc.attended, sc.parked = p.Deferrer != nil, false
	verdict := Pass
	if h := sc.hooks; h != nil && len(h.interceptors) > 0 {
		if p.PacketID != 0 {
			sc.print = m.print()
		}
		verdict = sc.intercept(h, p)
	}
	if box == 0 {
		return sc.conclude(p, sc.pass(p, verdict))
	}
	tx := b.store.Begin() // message and receipt are safe together, or neither is
	sc.given, sc.tracking = append(sc.given[:0], sc.skip...), true
	result := sc.pass(p, verdict)
	sc.tracking = false
	sc.storeReceipt(p, box, result)
	sc.skip = nil
	b.store.End(tx)
	sc.settle()
	return sc.conclude(p, result)
}

// storeReceipt stores that a QoS 2 publish has been accepted or, if a
// Session has yet to take it, by whom.
func (sc *Scratch) storeReceipt(p *Publish, box Mailbox, result Result) {
	switch st, id := sc.broker.store, p.PacketID; {
	case !result.OK() && len(sc.given) > 0 || len(sc.skip) > 0 && !result.OK():
		st.RemoveReceipt(box, id, sc.waits())
	case !result.OK():
	case sc.parked:
		rc := &publishReceipt{owner: p.Session, box: box, id: id, print: sc.printOf(p), given: slices.Clone(sc.given)}
		rc.begin(sc.op)
	default:
		sc.broker.store.AddReceipt(box, p.PacketID, sc.waits())
	}
}

// printOf tells the QoS 2 publish from others: as its client has sent it, whatever hooks have made of it.
func (sc *Scratch) printOf(p *Publish) uint64 {
	if sc.print != 0 {
		return sc.print
	}
	return p.Message.print()
}

// park has it.op be told when the Session takes it, which may be as soon as the receipt of a QoS 2 publish is known.
func (sc *Scratch) park(s *Session, it *item) {
	it.op = sc.waits()
	sc.parked = true
	if sc.tracking {
		it.op.unsettled.Store(true)
		sc.parkedAt = append(sc.parkedAt, s)
	}
}

// settle lets the Sessions take what they have parked of the QoS 2 publish that is going on.
func (sc *Scratch) settle() {
	if len(sc.parkedAt) == 0 {
		return
	}
	sc.op.unsettled.Store(false)
	for _, s := range sc.parkedAt {
		sc.broker.resumer.post(s) // there may have been room meanwhile
	}
	clear(sc.parkedAt)
	sc.parkedAt = sc.parkedAt[:0]
}

// note remembers that a mailbox has the message of the QoS 2 publish that is going on.
func (sc *Scratch) note(mb Mailbox) {
	if sc.tracking {
		sc.given = append(sc.given, mb)
	}
}

// skips tells whether a mailbox has the message already.
func (sc *Scratch) skips(mb Mailbox) bool {
	_, has := slices.BinarySearch(sc.skip, mb)
	return has
}

// route offers the message to whoever it is owed to.
func (sc *Scratch) route(p *Publish) Result {
	m, a := p.Message, p.App
	if id, ok := inboxOwner(m.TopicName); ok {
		return a.offerInbox(sc, m, id)
	}
	result := Accepted
	if m.Retain {
		if p.Session != nil {
			m.Publisher = p.Session.clientID
		}
		result = a.retain(sc, m)
	}
	if m.QoS > 0 && m.TopicName == a.broadcastTopic {
		return max(result, a.broadcast(sc, p))
	}
	return max(result, sc.offerAll(p, 0))
}

// offerAll offers the message to all who subscribe; log is its place in the App's log, if it has one.
func (sc *Scratch) offerAll(p *Publish, log uint64) Result {
	m := p.Message
	p.App.index.Match(m.TopicName, p.Session, &sc.matches)
	n := len(sc.matches.Subs) + len(sc.matches.Shared)
	if n > 1 && m.QoS > 0 {
		m.share()
	}
	result := Accepted
	for i := range sc.matches.Subs {
		result = max(result, sc.offerMatch(m, i, log))
	}
	for _, g := range sc.matches.Shared {
		result = max(result, sc.offerGroup(m, g))
	}
	if n == 0 && log == 0 {
		sc.of(p.App).NoMatch.add(1)
		result = NoSubscribers
	}
	return result
}

// conclude gives the result, or has it come later.
func (sc *Scratch) conclude(p *Publish, result Result) Result {
	op := sc.op
	sc.op = nil
	switch {
	case op == nil:
	case op.left.Load() == 1: // all that was waited for has come
		result = max(result, Result(op.worst.Load()))
	case p.Deferrer != nil:
		sc.of(p.App).Deferred.add(1)
		op.done = p.Deferrer.Defer()
		op.finish(result)
		return Pending
	default:
		op.finish(result)
	}
	if !result.OK() && result != Rejected {
		sc.of(p.App).Refused.add(1)
	}
	if p.PacketID != 0 {
		if again := p.Session.Conclude(p.PacketID, result); again != nil {
			again.Published(result) // repeated on another connection in this moment
		}
	}
	return result
}

// offerMatch offers m to the i-th of the matching Sessions.
func (sc *Scratch) offerMatch(m *Message, i int, log uint64) Result {
	sub := &sc.matches.Subs[i]
	it := item{
		msg:    m,
		qos:    min(m.QoS, QoS(sub.Options.QoS())),
		retain: m.Retain && sub.Options.RetainAsPublished(),
		log:    log,
	}
	if sub.ID != 0 {
		sc.ids = append(sc.ids[:0], sub.ID)
		if sub.HasMoreIDs() {
			sc.ids = sc.matches.AppendIDs(sc.ids[:0], i)
		}
		it.ids = sc.ids
	}
	return sub.Subscriber.offer(sc, &it)
}

// offerGroup offers m to one member of a Shared Subscription: in turn to one
// that can send it on at once, else to one that is connected, else to one that
// keeps it until it comes back.
func (sc *Scratch) offerGroup(m *Message, g *group) Result {
	return sc.offerShared(g, item{msg: m, qos: m.QoS, retain: m.Retain, group: g})
}
