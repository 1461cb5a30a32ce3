package netloop

import (
	"container/list"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// ErrBusy closes a connection for whose TLS handshake there is no place.
var ErrBusy = errors.New("netloop: too many TLS handshakes")

// maxPending is how many bytes a peer may be ahead of its handshake before it is not read for a while.
const maxPending = 16 << 10

// How many bytes a client's part of the handshake may have. crypto/tls waits for messages of up to 64 KB, and, once it has taken a
// ClientHello, for one of 256 KB if it says that it is a Certificate, though none was asked for; its buffers take as much again.
const (
	// maxClientPart has room for two ClientHellos, of which those with post-quantum key shares have 2 KB, and for
	// what follows, which is less than 1 KB without certificates.
	maxClientPart = 20 << 10
	// maxClientChain is for a client's certificates besides: what OpenSSL takes.
	maxClientChain = 100 << 10
)

// errLongHandshake closes a connection.
var errLongHandshake = errors.New("netloop: TLS handshake is too long")

// longest is how many bytes a client may send in a handshake that is done with cfg.
func longest(cfg *tls.Config) int {
	if cfg.ClientAuth == tls.NoClientCert {
		return maxClientPart
	}
	return maxClientPart + maxClientChain
}

// handshakes are those of an engine that are under way. Each has a goroutine,
// since crypto/tls cannot resume a handshake, but only as many compute at the
// same time as there are slots: one that waits for its peer gives its slot back,
// so that slow peers hold up nobody. A slot rests after computing while the loops
// are busy: see restAfter.
//
//	computing <= cap(slots)
type handshakes struct {
	// static
	slots  chan time.Duration // the free ones, each with the engine's time until which it rests
	places *places
	now    func() time.Duration        // since the engine's start
	load   func(now time.Duration) int // of the loops, in percent

	done, failed, refused, displaced atomic.Uint64

	rested atomic.Int64 // nanoseconds that handshakes have waited for slots to rest
}

func newHandshakes(e *Engine) *handshakes {
	m := &loadMeter{loops: e.cfg.Loops, worked: e.serveTime}
	hs := &handshakes{
		slots:  make(chan time.Duration, e.cfg.HandshakeWorkers),
		places: newPlaces(e.cfg.HandshakeQueue, e.cfg.HandshakesPerAddr),
		now:    e.now,
		load:   m.load,
	}
	for range cap(hs.slots) {
		hs.slots <- 0
	}
	return hs
}

// take waits for a slot, and until that has rested. It returns when computing begins.
func (hs *handshakes) take() (began time.Duration) {
	until := <-hs.slots
	now := hs.now()
	if d := until - now; d > 0 {
		time.Sleep(d)
		hs.rested.Add(int64(d))
		now = hs.now()
	}
	return now
}

// give gives back a slot that has computed since began.
func (hs *handshakes) give(began time.Duration) {
	now := hs.now()
	hs.slots <- now + restAfter(now-began, hs.load(now))
}

// enter takes a place for h, if need be that of another one, or returns false if there is none.
func (hs *handshakes) enter(h *handshake) bool {
	other, ok := hs.places.enter(h)
	if !ok {
		hs.refused.Add(1)
	}
	if other != nil {
		hs.displaced.Add(1)
		other.abort(errDisplaced)
	}
	return ok
}

// handshake is one that is under way. Its connection is on its loop as always,
// which feeds it.
type handshake struct {
	// static
	wire   *wire
	pool   *handshakes
	addr   netip.Addr
	most   int                          // bytes that crypto/tls takes from the peer; 0 is no limit
	local  net.Addr                     // the listener's
	remote net.Addr                     // as RemoteAddr
	then   func(err error, rest []byte) // called on the loop
	more   chan struct{}                // something has changed below; has room for one

	// owned by the goroutine until it ends, then by the loop
	err   error
	taken int           // bytes that crypto/tls has taken
	slot  bool          // it has one
	began time.Duration // when it began to compute, while it has a slot

	// guarded by pool.places.mu
	party     *party        // nil for one of our own making
	place     *list.Element // in party.resting, while it waits for its peer
	displaced bool          // its place has been given away

	// guarded by mu
	mu     sync.Mutex
	in     []byte // read and not yet taken
	end    error  // nothing more comes
	over   error  // the same, and nothing that has come matters any more
	paused bool   // the connection is not read: the peer is too far ahead or has ended
}

// start runs the handshake. The connection's engine waits for its goroutine.
func (h *handshake) start() {
	h.more = make(chan struct{}, 1)
	h.wire.conn.loop.engine.wg.Go(h.run)
}

func (h *handshake) run() {
	h.began, h.slot = h.pool.take(), true
	h.err = h.wire.tls.Handshake()
	if h.slot {
		h.pool.give(h.began)
	}
	switch {
	case !h.pool.places.leave(h): // counted as displaced
	case h.err != nil:
		h.pool.failed.Add(1)
	default:
		h.pool.done.Add(1)
	}
	h.wire.conn.loop.Post((*handshakeTask)(h))
}

// handshakeTask goes on with a connection after its handshake.
type handshakeTask handshake

func (t *handshakeTask) Run(l *Loop) {
	h := (*handshake)(t)
	c := h.wire.conn
	l.tally(c)
	h.wire.hs = nil
	if c.ended {
		return
	}
	h.mu.Lock()
	rest, paused := h.in, h.paused
	h.mu.Unlock()
	if paused {
		c.ResumeRead()
	}
	h.then(h.err, rest)
}

// read is what crypto/tls reads with during the handshake.
func (h *handshake) read(b []byte, records *recordCutter) (int, error) {
	for {
		h.mu.Lock()
		n, _ := records.cut(b, h.in)
		end := h.end
		h.in = h.in[n:]
		resume := h.paused && len(h.in) == 0 && end == nil
		if resume {
			h.paused = false
		}
		h.mu.Unlock()
		if resume {
			h.wire.conn.loop.PostFunc(h.wire.conn.ResumeRead)
		}
		if h.taken += n; h.most > 0 && h.taken > h.most {
			return 0, errLongHandshake
		}
		if n > 0 || len(b) == 0 {
			return n, nil
		}
		if end != nil {
			return 0, end
		}
		if err := h.await(); err != nil {
			return 0, err
		}
	}
}

// await waits for the peer, and then for a slot. It returns an error, without a slot, when the handshake has been
// displaced or its connection has ended: there is nothing left to compute, and those that end must not be
// kept by those that compute, since others have their places.
func (h *handshake) await() error {
	h.pool.give(h.began)
	h.slot = false
	h.pool.places.rest(h)
	<-h.more
	if !h.pool.places.wake(h) {
		return errDisplaced
	}
	h.mu.Lock()
	over := h.over
	h.mu.Unlock()
	if over != nil {
		return over
	}
	h.began, h.slot = h.pool.take(), true
	return nil
}

// feed hands over what has been read. It is called on the loop.
func (h *handshake) feed(data []byte) {
	h.pool.places.wake(h)
	h.mu.Lock()
	h.in = append(h.in, data...)
	ahead := !h.paused && len(h.in) > maxPending
	if ahead {
		h.paused = true
	}
	h.mu.Unlock()
	if ahead {
		h.wire.conn.PauseRead()
	}
	h.changed()
}

// last tells that nothing comes after what has been fed. The connection is not
// read until the handshake has ended; then its end is noticed again.
func (h *handshake) last() {
	h.mu.Lock()
	h.end = ErrPeerGone
	h.paused = true
	h.mu.Unlock()
	h.wire.conn.PauseRead()
	h.changed()
}

// abort has the handshake end because the connection has, or shall. It may be called by any goroutine.
func (h *handshake) abort(err error) {
	h.mu.Lock()
	h.end, h.over = err, err
	h.in = nil
	h.mu.Unlock()
	h.changed()
}

func (h *handshake) changed() {
	select {
	case h.more <- struct{}{}:
	default:
	}
}
