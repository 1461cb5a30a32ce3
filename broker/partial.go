package broker

import "sync"

// publishReceipt is the receipt of a QoS 2 publish that some Sessions have yet to take.
//
// The Store knows in parts who has the message, so that not all of them are written again with each Session that takes it: its mailbox makes
// a part together with those of the latest parts that are no larger than what they are put together with. A mailbox is
// written again only into a part that is twice as large at least: n mailboxes make some log2(n) parts, and are written
// n*log2(n) times.
type publishReceipt struct {
	owner *Session
	box   Mailbox
	id    PacketID
	print uint64

	mu        sync.Mutex           // guards what follows
	given     []Mailbox            // those that have the message
	parts     []int                // where in given the parts begin that the Store was given
	noted     int                  // how many of given are in parts; noted <= len(given)
	known     map[Mailbox]struct{} // given; nil until it is looked into
	forgotten bool                 // see forget
}

// begin has the op wait for r too, and those be noted who have the message already. For one of them the Store may
// have failed before the op knew of r.
func (r *publishReceipt) begin(op *publishOp) {
	op.receipt.Store(r)
	if op.incomplete.Load() {
		r.forget()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noteLocked()
}

// give has put, which puts the message into a mailbox, be safe together with the note that it has.
func (r *publishReceipt) give(mb Mailbox, put func()) {
	if r.owner.epoch.Load() == 0 { // its Session has ended
		put()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.owner.app.broker.store
	tx := st.Begin()
	r.given = append(r.given, mb)
	if r.known != nil {
		r.known[mb] = struct{}{}
	}
	r.noteLocked()
	put() // last: a Store that answers at once completes the receipt
	st.End(tx)
}

// noteLocked gives the Store what of given it was not given yet.
func (r *publishReceipt) noteLocked() {
	if r.forgotten || r.noted == len(r.given) {
		return
	}
	begin, n := r.noted, len(r.parts)
	for n > 0 && begin-r.parts[n-1] <= len(r.given)-begin {
		n--
		begin = r.parts[n]
	}
	r.parts, r.noted = append(r.parts[:n], begin), len(r.given)
	p := PartialReceipt{Print: r.print, Given: r.given[begin:]}
	r.owner.app.broker.store.AddPartialReceipt(r.box, r.id, n, p, &receiptPart{r, n})
}

// has tells whether a mailbox has the message.
func (r *publishReceipt) has(mb Mailbox) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = make(map[Mailbox]struct{}, len(r.given))
		for _, g := range r.given {
			r.known[g] = struct{}{}
		}
	}
	_, has := r.known[mb]
	return has
}

// forget removes the receipt, since the Store has failed to keep the message for a mailbox that may be noted: after a crash
// a repetition would not go there. The publish is going to be refused, so that one without a crash is a new publish, too.
func (r *publishReceipt) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.forgotten {
		return
	}
	r.forgotten = true
	if r.owner.epoch.Load() != 0 { // else it has ended, and its receipts with it
		r.owner.app.broker.store.RemoveReceipt(r.box, r.id, nil)
	}
}

// receiptPart is a part that is being stored. It is the Store's Commit.
type receiptPart struct {
	receipt *publishReceipt
	part    int
}

// Committed implements Commit. What the Store has failed to note is noted with the next mailbox.
func (p *receiptPart) Committed(err error) {
	if err == nil { // maybe within the call, with the lock held
		return
	}
	r := p.receipt
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.part < len(r.parts) {
		r.parts, r.noted = r.parts[:p.part], r.parts[p.part]
	}
}
