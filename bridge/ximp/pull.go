package ximp

import (
	"strconv"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// infoOverhead is what a message takes in a page beside its payload, in bytes, names of users excepted.
const infoOverhead = 256

// Bounds of pulls that cannot be answered yet, because the Session has not got all its messages from the Store: an answer that
// leaves older ones out would have the client skip them.
const (
	maxWaiting  = 16
	pullTimeout = 5 * time.Second
)

// waitingPull is one of them.
type waitingPull struct {
	sn    uint64
	k     kind
	query query
	until time.Duration
}

// futility counts pulls of one page of which nothing is acknowledged.
type futility struct {
	k     kind
	start int64
	n     int
}

// mostFutile is how often a client may pull the same messages on one connection.
const mostFutile = 100

// onGetInfo answers a pull.
func (c *conn) onGetInfo(sn uint64, r *packet.GetInfoRequest) {
	k, ok := kindOf(r.InfoType)
	if !ok || k == im && c.clientVersion <= lastWithoutIM { // nothing is there, and never will be
		c.putInfos(sn, &packet.GetInfoResponse{InfoType: r.InfoType, LastID: packet.Some(int64(0))})
		return
	}
	p := waitingPull{sn: sn, k: k, query: queryOf(k, r.ID, r.Offset.Value), until: c.nc.Now() + pullTimeout}
	ready, whole := c.complete()
	if ready && !whole && r.ID > 0 && !p.query.backwards { // that makes room for what is to be in the page
		c.mu.Lock()
		var taken []entry
		if c.boxes != nil {
			taken = c.boxes.takeBelow(k, r.ID)
		}
		c.mu.Unlock()
		c.acknowledge(taken)
		ready, whole = c.complete()
	}
	if !ready || c.rare != nil && len(c.rare.waiting) > 0 { // each after those before it
		w := &c.more().waiting
		if len(*w) >= maxWaiting {
			c.refuse(sn, packet.CodeRead, packet.CodeRead.String())
			return
		}
		*w = append(*w, p)
		c.arm()
		return
	}
	c.pull(&p, whole)
	c.arm()
}

// complete tells whether the inboxes have all that they are to have at present, and whether that is all there is. It is not if the
// window is smaller than the mailbox.
func (c *conn) complete() (ready, whole bool) {
	all, stalled := c.session.CaughtUp(c.epoch)
	return all || stalled, all
}

// retryPulls answers the pulls that have waited, once that is possible.
func (c *conn) retryPulls() {
	for c.rare != nil && len(c.rare.waiting) > 0 && c.state == loggedIn {
		w := &c.rare.waiting
		p := (*w)[0]
		late := p.until <= c.nc.Now()
		ready, whole := c.complete()
		if !late && !ready {
			return
		}
		if *w = (*w)[1:]; len(*w) == 0 {
			*w = nil
		}
		if late {
			c.refuse(p.sn, packet.CodeRead, packet.CodeRead.String())
			continue
		}
		c.pull(&p, whole)
	}
}

// pull answers with a page, and takes what the client acknowledges by asking. The page stays unacknowledged. If there is more than the
// inboxes have, the newest id that the client is told is that of the newest message which they have: it may go on behind that.
func (c *conn) pull(p *waitingPull, whole bool) {
	count(&c.ls.srv.stats.pulls)
	c.pulled.add(p.k)
	c.mu.Lock()
	var es, taken []entry
	last, vain := c.newest[p.k], false
	if !whole {
		last = max(p.query.start-1, 0)
	}
	if c.boxes != nil {
		gone := c.expired()
		es, taken = c.boxes.page(p.k, p.query, gone)
		taken = append(taken, c.boxes.sweep(p.k, gone)...)
		taken = append(taken, c.boxes.takeWithdrawn(p.k, taken)...)
		b := &c.boxes.box[p.k]
		if !whole {
			last = max(last, b.newest())
		}
		if p.query.start > 0 {
			taken = append(taken, c.boxes.takeBelow(p.k, p.query.start)...)
		}
		vain = !p.query.leaves(b, es)
		b.answered(es, c.web)
		if c.boxes.count == 0 {
			c.boxes = nil
		}
	}
	c.mu.Unlock()
	if last == 0 && !whole { // clients would forget where they are
		c.refuse(p.sn, packet.CodeRead, packet.CodeRead.String())
		return
	}
	r := &packet.GetInfoResponse{InfoType: []byte(boxNames[p.k]), LastID: packet.Some(last)}
	cut := c.addInfos(r, es)
	c.putInfos(p.sn, r)
	newest := int64(0)
	for i := range es {
		newest = max(newest, es[i].id)
	}
	c.uncountPull(newest, len(taken) > 0)
	c.acknowledge(taken)
	if vain && !c.fetched {
		c.fetched = true
		c.session.Fetched(c.epoch)
	}
	if cut {
		c.ringAgain(p.k)
	}
	c.ring()
	c.watchFutility(p, len(es), len(taken))
}

// expired returns what tells whether a message is worth nothing any more now.
func (c *conn) expired() func(*entry) bool {
	now := c.ls.srv.broker.Clock().Now()
	return func(e *entry) bool { return e.expires() && !now.Before(e.msg.Expires) }
}

// addInfos adds messages to a page until it is full. It returns true if some are left.
func (c *conn) addInfos(r *packet.GetInfoResponse, es []entry) (cut bool) {
	size := 0
	for i := range es {
		info, n := c.infoOf(&es[i])
		if size += n; i > 0 && size > packet.MaxPage {
			return true
		}
		r.Infos = append(r.Infos, info)
	}
	return false
}

// infoOf is a message as clients read it, and its size in bytes or a little more.
func (c *conn) infoOf(e *entry) (packet.Info, int) {
	from := property(e.msg, propFrom)
	typ := packet.TypePlain
	if n, err := strconv.ParseUint(property(e.msg, propType), 10, 32); err == nil {
		typ = uint32(n)
	}
	expires := e.sent + c.ls.srv.cfg.SessionExpiry.Milliseconds()
	if !e.msg.Expires.IsZero() {
		expires = e.msg.Expires.UnixMilli()
	}
	body := e.body()
	s := packet.Stored{
		ID: packet.Some(e.id), Type: packet.Some(typ), Body: body, Sent: packet.Some(uint64(e.sent)), Expire: packet.Some(uint64(expires)),
		Box: packet.Some(uint32(0)), SN: e.trace(), To: []byte(c.user), From: []byte(from),
	}
	return s.Info(), len(body) + len(from) + len(c.user) + infoOverhead
}

func (c *conn) putInfos(sn uint64, r *packet.GetInfoResponse) {
	c.put(answer(packet.IDGetInfo, sn, &packet.Response{GetInfo: r}))
}

// acknowledge settles what the client has. No lock is held.
func (c *conn) acknowledge(es []entry) {
	for i := range es {
		switch e := &es[i]; {
		case e.packetID == 0:
		case e.qos == 2: // nothing follows: the id is how clients tell a repetition
			c.session.Received(c.ls.scratch, c.epoch, e.packetID, false)
		default:
			c.session.Ack(c.ls.scratch, c.epoch, e.packetID)
		}
	}
	c.mu.Lock()
	resume := c.refused && len(es) > 0
	if resume {
		c.refused = false
	}
	c.mu.Unlock()
	if resume {
		c.resume()
	}
}

// ringAgain has the doorbell of k rung at once, because the client has got less than it has asked for.
func (c *conn) ringAgain(k kind) {
	c.mu.Lock()
	var e entry
	if c.boxes != nil && c.boxes.box[k].lastShown() >= 0 && (!c.web || k != public) {
		e = c.toRing(k)
	}
	c.mu.Unlock()
	if e.msg != nil {
		c.announce(k, &e)
	}
}

// watchFutility ends the connection of a client that pulls the same messages again and again.
func (c *conn) watchFutility(p *waitingPull, given, taken int) {
	if given == 0 || taken > 0 {
		if c.rare != nil {
			c.rare.futile = futility{}
		}
		c.relax()
		return
	}
	f := &c.more().futile
	if f.k != p.k || f.start != p.query.start {
		*f = futility{k: p.k, start: p.query.start}
	}
	if f.n++; f.n > mostFutile {
		c.end(broker.ErrFruitless)
	}
}
