package broker

import (
	"hash/maphash"
	"strings"
	"time"
	"unsafe"
)

// retainedInRAM is the size in bytes up to which a retained message's payload
// and properties are in RAM; larger ones are read from the Store when they are sent.
const retainedInRAM = 256

// retained is what RAM holds of a retained message, beside its Topic Name. There may be millions.
type retained struct {
	body      string        // payload, then properties; "" if they are in the Store only
	expires   time.Duration // on the broker's clock; 0 is never
	publisher uint64        // hash of the Client Identifier; 0 is the server itself
	payload   uint32        // bytes
	props     uint32        // bytes; noProps if there are none
	qos       QoS
	stored    bool // body is in the Store only
}

const noProps = 1<<32 - 1

var publisherSeed = maphash.MakeSeed()

// publisherHash stands for a Client Identifier, to know its own messages by.
func publisherHash(clientID string) uint64 {
	if clientID == "" {
		return 0
	}
	return maphash.String(publisherSeed, clientID) | 1
}

// newRetained makes what is kept of m, and its Topic Name.
func (a *App) newRetained(m *Message) (name string, r *retained) {
	r = &retained{publisher: publisherHash(m.Publisher), payload: uint32(len(m.Payload)), props: noProps, qos: m.QoS}
	if !m.Expires.IsZero() {
		r.expires = a.broker.deadlines.of(m.Expires)
	}
	if m.Properties != nil {
		r.props = uint32(len(m.Properties))
	}
	if len(m.Payload)+len(m.Properties) > retainedInRAM && !isSystem(m.TopicName) {
		r.stored = true
		return strings.Clone(m.TopicName), r
	}
	b := make([]byte, 0, len(m.TopicName)+len(m.Payload)+len(m.Properties))
	b = append(append(append(b, m.TopicName...), m.Payload...), m.Properties...)
	all := unsafe.String(unsafe.SliceData(b), len(b))
	r.body = all[len(m.TopicName):]
	return all[:len(m.TopicName)], r
}

// size is about what the message takes in RAM when it is sent.
func (r *retained) size() int {
	if r.props == noProps {
		return int(r.payload)
	}
	return int(r.payload) + int(r.props)
}

// message fills m with the retained message, which must not be in the Store only. m is borrowed.
func (r *retained) message(a *App, name string, m *Message) {
	body := unsafe.Slice(unsafe.StringData(r.body), len(r.body))
	*m = Message{TopicName: name, Payload: body[:r.payload], QoS: r.qos, Retain: true}
	if r.props != noProps {
		m.Properties = body[r.payload:]
	}
	if r.expires != 0 {
		m.Expires = a.broker.deadlines.wall(r.expires)
	}
	m.Borrow()
}

func (r *retained) expired(a *App) bool {
	return r.expires != 0 && r.expires <= a.broker.deadlines.now()
}

// retain keeps m as the retained message of its Topic Name, or removes that if
// m has no payload: v5 [MQTT-3.3.1-5], [MQTT-3.3.1-6], v3.1.1 [MQTT-3.3.1-5], [MQTT-3.3.1-10].
func (a *App) retain(sc *Scratch, m *Message) Result {
	b := a.broker
	a.retainMu.Lock()
	defer a.retainMu.Unlock()
	if isSystem(m.TopicName) {
		a.retainSystemLocked(m)
		return Accepted
	}
	c := &retaining{app: a}
	if a.retaining.Load() == 0 {
		clear(a.retainFailures)
	}
	if m.QoS > 0 {
		c.op = sc.waits()
	}
	if len(m.Payload) == 0 {
		c.name = strings.Clone(m.TopicName)
		_, existed := a.retained.Delete(m.TopicName)
		// Nothing bounds how many there are that remove nothing, but for those whose publishers wait: another removal may be on its way.
		if !existed && !a.retainFailed && (c.op == nil || a.retaining.Load() == 0) {
			if c.op != nil {
				c.op.finish(Accepted)
			}
			return Accepted
		}
		a.retaining.Add(1)
		b.store.SetRetained(a.name, c.name, nil, c)
		return Accepted
	}
	old, replaces := a.retained.Get(m.TopicName)
	if !replaces && a.retained.Len()-a.systemRetained >= a.limits.Load().MaxRetained {
		a.refuse(LimitRetained)
		if c.op != nil {
			c.op.finish(QuotaExceeded)
		}
		return QuotaExceeded
	}
	k := m.Keep()
	c.old = old
	c.name, c.now = a.newRetained(k)
	a.retained.Set(c.name, c.now)
	if c.now.expires != 0 {
		b.sweeper.expect(c.now.expires)
	}
	a.retaining.Add(1)
	b.store.SetRetained(a.name, c.name, k, c)
	return Accepted
}

// isSystem tells whether only the server publishes to name: that counts for no bound, and is not stored, since it tells of this
// process alone.
func isSystem(name string) bool { return strings.HasPrefix(name, "$SYS/") }

// retainSystemLocked keeps what the server says of itself, in RAM. The caller holds retainMu.
func (a *App) retainSystemLocked(m *Message) {
	if len(m.Payload) == 0 {
		if _, existed := a.retained.Delete(m.TopicName); existed {
			a.systemRetained--
		}
		return
	}
	if _, replaces := a.retained.Get(m.TopicName); !replaces {
		a.systemRetained++
	}
	name, r := a.newRetained(m.Keep())
	a.retained.Set(name, r)
	if r.expires != 0 {
		a.broker.sweeper.expect(r.expires)
	}
}

// retaining is a retained message that is being stored. It is the Store's Commit.
type retaining struct {
	app      *App
	op       *publishOp // nil if nobody waits
	name     string
	now, old *retained // now is nil when it is being removed
}

// Committed implements Commit. What could not be stored is not in force.
func (c *retaining) Committed(err error) {
	if err != nil {
		c.failed()
	}
	c.app.retaining.Add(-1)
	if c.op != nil {
		c.op.Committed(err)
	}
}

// maxRetainFailures bounds what is remembered of failures: while the disk stalls and the Store refuses, calls are under way all the time. Who
// causes more of them at once may find a message in force that had failed.
const maxRetainFailures = 1024

// failed puts back into force what there was before. That may have failed too, while c was on its way.
func (c *retaining) failed() {
	a := c.app
	a.retainMu.Lock()
	defer a.retainMu.Unlock()
	a.retainFailed = true
	if c.now == nil {
		return
	}
	if r, _ := a.retained.Get(c.name); r != c.now {
		if len(a.retainFailures) >= maxRetainFailures {
			clear(a.retainFailures)
		}
		if a.retainFailures == nil {
			a.retainFailures = make(map[*retained]*retained)
		}
		a.retainFailures[c.now] = c.old
		return
	}
	old := c.old
	for older, failed := a.retainFailures[old]; failed; older, failed = a.retainFailures[old] {
		old = older
	}
	if old != nil {
		a.retained.Set(c.name, old)
		return
	}
	a.retained.Delete(c.name)
}

// restoreRetained takes in what the Store holds, less what earlier versions have stored there below $SYS, which it deletes.
func (b *Broker) restoreRetained(note func()) error {
	type key struct{ app, name string }
	var old []key
	err := b.store.RetainedMessages(func(app string, m *Message) {
		note()
		if isSystem(m.TopicName) {
			old = append(old, key{strings.Clone(app), strings.Clone(m.TopicName)})
			return
		}
		a := b.App(app)
		name, r := a.newRetained(m)
		a.retained.Set(name, r)
		if r.expires != 0 {
			b.sweeper.expect(r.expires)
		}
	})
	for _, k := range old {
		b.store.SetRetained(k.app, k.name, nil, nil)
	}
	return err
}

// sweepRetained removes retained messages that have expired; the Store does so
// itself. It returns when the next one does; 0 is never.
func (a *App) sweepRetained() (next time.Duration) {
	for after, more := "", true; more; {
		var names []string
		after, more = a.retained.Page("#", after, retainedPage, func(name string, r *retained) {
			switch {
			case r.expires == 0:
			case r.expired(a):
				names = append(names, name)
			default:
				next = earlier(next, r.expires)
			}
		})
		for _, name := range names {
			a.retained.DeleteIf(name, func(r *retained) bool { return r.expired(a) })
		}
	}
	return next
}
