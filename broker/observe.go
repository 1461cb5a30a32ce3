package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// hooks are those of a Broker, by what they want to know. A Broker without any has none of this: what
// costs nothing then is one look at a pointer.
type hooks struct {
	interceptors []PublishInterceptor
	doors        []ConnectInterceptor
	queues       []*hookQueue // of all that observe

	established, disconnected, subscribed, unsubscribed []*hookQueue
	published, delivered, completed, dropped            []*hookQueue
}

// newHooks starts the goroutines of those that observe. It returns nil if there are no hooks.
func newHooks(b *Broker, list []Hook) *hooks {
	if len(list) == 0 {
		return nil
	}
	hs := new(hooks)
	for _, h := range list {
		q := newHookQueue(b, h)
		observes := false
		add := func(wants bool, to *[]*hookQueue) {
			if wants {
				observes = true
				*to = append(*to, q)
			}
		}
		add(is[SessionEstablishedObserver](h), &hs.established)
		add(is[DisconnectObserver](h), &hs.disconnected)
		add(is[SubscribedObserver](h), &hs.subscribed)
		add(is[UnsubscribedObserver](h), &hs.unsubscribed)
		add(is[PublishedObserver](h), &hs.published)
		add(is[DeliveredObserver](h), &hs.delivered)
		add(is[CompletedObserver](h), &hs.completed)
		add(is[DroppedObserver](h), &hs.dropped)
		i, intercepts := h.(PublishInterceptor)
		if intercepts {
			hs.interceptors = append(hs.interceptors, i)
		}
		if d, ok := h.(ConnectInterceptor); ok {
			hs.doors = append(hs.doors, d)
			intercepts = true
		}
		switch {
		case observes:
			hs.queues = append(hs.queues, q)
			q.done.Go(q.run)
		case !intercepts:
			b.cfg.Logger.Error("hook_does_nothing", "hook", q.id) // its methods have other names, or parameters
		}
	}
	return hs
}

func is[T any](h Hook) bool {
	_, ok := h.(T)
	return ok
}

// tell puts e into queues. It does not block, and may be called with a Session's lock held.
func tell(queues []*hookQueue, e event) {
	for _, q := range queues {
		q.put(e)
	}
}

// stop tells what is still waiting, for a while, and ends the goroutines.
func (hs *hooks) stop() {
	if hs == nil {
		return
	}
	for _, q := range hs.queues {
		q.close()
	}
	for _, q := range hs.queues {
		q.wait()
	}
}

// hookQueue is what one hook is to be told.
type hookQueue struct {
	// static
	broker *Broker
	hook   Hook
	id     string
	ctx    context.Context // ends when the hook has had its time after Close
	cancel context.CancelFunc
	done   sync.WaitGroup

	lost atomic.Uint64 // events

	// guarded by mu, inside which no lock is taken
	mu     sync.Mutex
	cond   sync.Cond
	events ring[event]
	bytes  int
	closed bool
}

func newHookQueue(b *Broker, h Hook) *hookQueue {
	q := &hookQueue{broker: b, hook: h, id: h.ID()}
	q.cond.L = &q.mu
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

// put adds e or, if the queue is full, counts it as lost.
func (q *hookQueue) put(e event) {
	cfg, size := &q.broker.cfg, e.size()
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.events.len()
	if q.closed || n >= cfg.HookQueueEvents || n > 0 && q.bytes+size > cfg.HookQueueBytes {
		q.lost.Add(1)
		return
	}
	q.events.push(e)
	q.bytes += size
	if n == 0 {
		q.cond.Signal()
	}
}

// take waits for the next event. It returns nil at the end.
func (q *hookQueue) take() event {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.events.len() == 0 && !q.closed {
		q.cond.Wait()
	}
	if q.ctx.Err() != nil { // too late for the rest
		q.lost.Add(uint64(q.events.len()))
		q.events.drop()
	}
	if q.events.len() == 0 {
		return nil
	}
	e := q.events.pop()
	q.bytes -= e.size()
	return e
}

func (q *hookQueue) run() {
	for {
		e := q.take()
		if e == nil {
			return
		}
		q.tell(e)
	}
}

// tell calls the hook.
func (q *hookQueue) tell(e event) {
	defer q.broker.contain(e.kind())
	e.tell(q.ctx, q.hook)
}

// close takes no more events.
func (q *hookQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.cond.Signal()
}

// hookGrace is how long after Close hooks are told what is in their queues.
const hookGrace = 2 * time.Second

// wait waits for the goroutine to end.
func (q *hookQueue) wait() {
	defer time.AfterFunc(hookGrace, q.cancel).Stop()
	q.done.Wait()
	q.cancel()
}

// connection names that of the Session at present, or the last one. mu is held, or was when there was a connection.
func (s *Session) connection() ConnectionID {
	return ConnectionID{App: s.app.name, ClientID: s.clientID, Epoch: s.epoch.Load()}
}

// tellEstablished tells that c's client has been let in.
func (s *Session) tellEstablished(h *hooks, c *Connect, r Connected, resumed bool) {
	if len(h.established) > 0 {
		tell(h.established, &SessionEstablished{
			ConnectionID: s.connection(), User: c.User, Remote: c.Remote, Listener: c.Listener, Protocol: c.Protocol, Version: c.Version,
			CleanStart: c.CleanStart, Present: r.Present, Resumed: resumed, Expiry: r.Expiry,
		})
	}
}

// tellDisconnected tells that the Session has lost its connection. The epoch is still that one's.
func (s *Session) tellDisconnected(sc *Scratch, e Disconnected) {
	if h := sc.hooks; h != nil && len(h.disconnected) > 0 {
		e.ConnectionID = s.connection()
		tell(h.disconnected, &e)
	}
}

// dropped counts that m does not reach the Session, and tells.
func (s *Session) dropped(sc *Scratch, m *Message, why DropReason) {
	sc.drop(s.app, s.connection(), m, why)
}

// drop counts that m does not reach a Session of the App, and tells.
func (sc *Scratch) drop(a *App, id ConnectionID, m *Message, why DropReason) {
	sc.of(a).Dropped[why].add(1)
	if h := sc.hooks; h != nil && len(h.dropped) > 0 {
		tell(h.dropped, &Dropped{ConnectionID: id, Message: m.Keep(), Reason: why})
	}
}

// tellDelivered tells that d is on its way.
func (s *Session) tellDelivered(h *hooks, d *Delivery) {
	if len(h.delivered) > 0 {
		tell(h.delivered, &Delivered{
			ConnectionID: s.connection(), Message: d.Message.Keep(), QoS: d.QoS, Retain: d.Retain, Dup: d.Dup, PacketID: d.PacketID,
		})
	}
}

// tellCompleted tells that the client has settled delivery id, and m if that is known.
func (s *Session) tellCompleted(h *hooks, id PacketID, m *Message) {
	if len(h.completed) > 0 {
		tell(h.completed, &Completed{ConnectionID: s.connection(), PacketID: id, Message: m})
	}
}
