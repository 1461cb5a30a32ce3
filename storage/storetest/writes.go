package storetest

import (
	"fmt"
	"slices"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// A write is a random operation on a world, chosen in proportion to its weight.
var writes = []struct {
	weight int
	do     func(*world)
}{
	{40, (*world).append},
	{30, (*world).remove},
	{5, (*world).released},
	{5, (*world).addReceipt},
	{12, (*world).addPart},
	{4, (*world).removeReceipt},
	{4, (*world).setCursor},
	{5, (*world).save},
	{1, (*world).delete},
	{2, (*world).late},
	{5, (*world).setRetained},
	{4, (*world).appendLog},
}

// write does one write.
func (w *world) write() {
	sum := 0
	for _, o := range writes {
		sum += o.weight
	}
	n := w.r.IntN(sum)
	for _, o := range writes {
		if n -= o.weight; n < 0 {
			o.do(w)
			return
		}
	}
}

// append appends a message of one, of many, one from another mailbox, or one from the log.
func (w *world) append() {
	s := w.session()
	e := broker.Entry{
		Seq: s.next, Message: w.message(), QoS: broker.QoS(w.r.IntN(3)), Retain: w.r.IntN(4) == 0, Addressed: w.r.IntN(4) == 0,
	}
	switch w.r.IntN(10) {
	case 0, 1, 2:
		e.Message = w.shared[w.r.IntN(len(w.shared))]
	case 3:
		if other := w.session(); len(other.entries) > 0 {
			e.Message = other.entries[w.r.IntN(len(other.entries))].Message
		}
	case 4:
		if n := len(w.log); n > 0 {
			l := w.log[w.r.IntN(n)]
			e.Message, e.Log = l.Message, l.Log
		}
	}
	if w.r.IntN(4) == 0 {
		e.SubscriptionIDs = []uint32{1 + w.r.Uint32N(100), 268_435_455}
	}
	if w.r.IntN(8) == 0 {
		e.Group = fmt.Sprintf("$share/g%d/t/#", w.r.IntN(3))
	}
	s.entries = append(s.entries, e)
	given := e
	w.st.Append(s.mb, &given, w.commit())
	given = broker.Entry{}
	s.next += 1 + uint64(w.r.IntN(2)*w.r.IntN(3)) // there may be gaps
}

// anyEntry returns the place of an entry in s and its Seq; the place is -1 if there is none.
func (w *world) anyEntry(s *sessionModel) (at int, seq uint64) {
	if n := len(s.entries); n > 0 && w.r.IntN(6) > 0 {
		at = min(w.r.IntN(n), w.r.IntN(n)) // most often an old one
		return at, s.entries[at].Seq
	}
	seq = w.r.Uint64N(s.next + 2)
	return slices.IndexFunc(s.entries, func(e broker.Entry) bool { return e.Seq == seq }), seq
}

func (w *world) remove() {
	s := w.session()
	at, seq := w.anyEntry(s)
	var body *broker.Body
	if at >= 0 {
		body = s.entries[at].Message.Body
		s.entries = slices.Delete(s.entries, at, at+1)
	}
	w.st.Remove(s.mb, seq, body)
}

func (w *world) released() {
	s := w.session()
	at, seq := w.anyEntry(s)
	if at >= 0 {
		s.entries[at].Released = true
	}
	w.st.Released(s.mb, seq, w.commit())
}

// packetID returns one of a few Packet Identifiers.
func (w *world) packetID() broker.PacketID { return broker.PacketID(1 + 253*w.r.IntN(6)) }

func (w *world) addReceipt() {
	s, id := w.session(), w.packetID()
	s.received[id] = true
	delete(s.partial, id)
	w.st.AddReceipt(s.mb, id, w.commit())
}

// addPart adds a part to a receipt that is partial, or has it take the place of those from one on, or begins one.
func (w *world) addPart() {
	s, id := w.session(), w.packetID()
	parts := s.partial[id]
	n := len(parts)
	if n > 0 && w.r.IntN(3) == 0 {
		n = w.r.IntN(n)
	}
	p := broker.PartialReceipt{Print: w.r.Uint64()}
	if n > 0 {
		p.Print = parts[0].Print
	}
	for range 1 + w.r.IntN(5) {
		p.Given = append(p.Given, broker.Mailbox(w.r.Uint64()>>w.r.IntN(64)))
	}
	delete(s.received, id)
	s.partial[id] = append(parts[:n:n], p)
	given := slices.Clone(p.Given)
	w.st.AddPartialReceipt(s.mb, id, n, broker.PartialReceipt{Print: p.Print, Given: given}, w.commit())
	clear(given)
}

func (w *world) removeReceipt() {
	s, id := w.session(), w.packetID()
	delete(s.received, id)
	delete(s.partial, id)
	w.st.RemoveReceipt(s.mb, id, w.commit())
}

func (w *world) setCursor() {
	s := w.session()
	s.cursor += 1 + w.r.Uint64N(1000)
	w.st.SetCursor(s.mb, s.cursor)
}

func (w *world) save() {
	s := w.session()
	s.record = w.record(s)
	given := *s.record
	w.st.SaveSession(s.key, &given, w.commit())
	given = broker.SessionRecord{}
}

// delete ends a Session, or deletes its record only.
func (w *world) delete() {
	s := w.session()
	s.record = nil
	if w.r.IntN(4) == 0 {
		w.st.DeleteSession(s.key, 0, w.commit())
		return
	}
	w.old = append(w.old, s.mb)
	w.st.DeleteSession(s.key, s.mb, w.commit())
	w.begin(s)
}

// late makes a call that belongs to a Session which has ended.
func (w *world) late() {
	if len(w.old) == 0 {
		return
	}
	mb, seq := w.old[w.r.IntN(len(w.old))], 1+w.r.Uint64N(100)
	switch w.r.IntN(3) {
	case 0:
		w.st.Remove(mb, seq, nil)
	case 1:
		w.st.Released(mb, seq, w.commit())
	case 2:
		w.st.RemoveReceipt(mb, w.packetID(), w.commit())
	}
}

func (w *world) setRetained() {
	name := retainedName{w.app, fmt.Sprint("r/", w.r.IntN(6))}
	if w.r.IntN(3) == 0 {
		delete(w.retained, name)
		w.st.SetRetained(name.app, name.name, nil, w.commit())
		return
	}
	m := w.message()
	m.TopicName, m.Retain, m.Publisher = name.name, true, fmt.Sprint("c", w.r.IntN(9))
	w.retained[name] = m
	w.st.SetRetained(name.app, name.name, m, w.commit())
}

func (w *world) appendLog() {
	m := w.shared[w.r.IntN(len(w.shared))]
	if w.r.IntN(2) == 0 {
		m = w.message()
		m.Body = new(broker.Body)
	}
	seq := w.st.AppendLog(w.app, m, w.commit())
	if n := len(w.log); n > 0 && seq <= w.log[n-1].Log {
		w.t.Errorf("AppendLog: got place %d after %d, want a larger one", seq, w.log[n-1].Log)
	}
	w.log = append(w.log, broker.Entry{Log: seq, Message: m})
}
