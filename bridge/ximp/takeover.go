package ximp

import (
	"errors"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Two clients with one key would take the Session from each other for ever, since each connects again as soon as it has
// lost it. From the fifth time within a minute on, a login waits.
const (
	takeoversFree = 5
	takeoverSpan  = time.Minute
	takeoverWait  = 30 * time.Second
	maxTakeovers  = 4096 // keys that are remembered
)

type sessionKey struct{ app, clientID string }

// takeovers remembers which Sessions were taken over of late.
type takeovers struct {
	mu    sync.Mutex
	since time.Duration // when the younger of the two generations began
	young map[sessionKey]takeoverCount
	old   map[sessionKey]takeoverCount
}

type takeoverCount struct {
	n     int
	first time.Duration
}

// note counts one. What is older than takeoverSpan is forgotten with its generation, and so is all if there are too many.
func (t *takeovers) note(app, clientID string, now time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.young == nil || now-t.since >= takeoverSpan || len(t.young) >= maxTakeovers {
		t.old, t.young, t.since = t.young, make(map[sessionKey]takeoverCount), now
	}
	k := sessionKey{app, clientID}
	e, ok := t.young[k]
	if !ok {
		e = t.old[k]
	}
	if e.n == 0 || now-e.first >= takeoverSpan {
		e = takeoverCount{first: now}
	}
	e.n++
	t.young[k] = e
}

// wait is how long a login must wait; 0 is not at all.
func (t *takeovers) wait(app, clientID string, now time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := sessionKey{app, clientID}
	e, ok := t.young[k]
	if !ok {
		e = t.old[k]
	}
	if e.n < takeoversFree || now-e.first >= takeoverSpan {
		return 0
	}
	return takeoverWait
}

// Lags implements broker.Lagger.
func (c *conn) Lags() bool { return c.nc.Lags() }

// End implements broker.Link.
func (c *conn) End(reason error) {
	c.nc.Loop().PostFunc(func() { c.end(reason) })
}

// end closes the connection for what is none of the client's doing in this moment.
func (c *conn) end(reason error) {
	if errors.Is(reason, broker.ErrTakenOver) && c.session != nil {
		c.ls.srv.takeovers.note(c.session.App().Name(), c.session.ClientID(), c.nc.Now())
	}
	if c.state == closed {
		return
	}
	if code := endCode(reason); code != 0 && (c.state == loggedIn || c.state == moving) {
		c.put(packet.Refuse(0, code, code.String()))
		count(&c.ls.srv.stats.refused)
	}
	c.close(reason)
}

// endCode is what the client is told; 0 is nothing.
func endCode(reason error) packet.Code {
	switch {
	case errors.Is(reason, broker.ErrTakenOver):
		return packet.CodeElsewhere
	case errors.Is(reason, broker.ErrSlowConsumer), errors.Is(reason, broker.ErrFruitless), errors.Is(reason, broker.ErrQuotaExceeded):
		return packet.CodeOverloaded
	}
	return 0
}

// move has the client connect elsewhere, because the node shuts down. Pages in browsers know no such notify; they come back
// after a close that says the server goes away.
func (c *conn) move(nc *netloop.Conn) {
	if c.state != loggedIn || c.web {
		c.close(netloop.ErrShutdown)
		return
	}
	cfg := &c.ls.srv.cfg
	n := &packet.ReConnect{}
	for i, a := range cfg.Elsewhere {
		if i == 0 {
			n.IP = []byte(a)
			continue
		}
		n.MoreIPs = append(n.MoreIPs, []byte(a))
	}
	if cfg.ElsewherePort != 0 {
		n.Port = packet.Some(uint32(cfg.ElsewherePort))
	}
	c.notify("", c.user, &packet.Notify{ReConnect: n}, packet.IDReConnect)
	c.state, c.heard, c.patience = moving, nc.Now(), cfg.DrainWait
	c.endPause() // its own close is to be heard, and the wait to end
	c.arm()
}
