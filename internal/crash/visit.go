package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// visit is one connection of a client, from CONNACK on.
type visit struct {
	// static
	client *client
	conn   *conn
	round  uint16
	window int // messages that may be unacknowledged

	owed     []owedAck                // acknowledgements held back
	unread   []owedAck                // sent, and not known to have been read
	covered  int                      // of unread: sent before the PINGREQ that is under way
	pinging  bool                     // a PINGREQ is under way
	asking   bool                     // a SUBSCRIBE is under way
	inFlight map[packet.PacketID]bool // received and not yet acknowledged for good
}

// owedAck is a PUBACK or PUBREC for a subscriber's message.
type owedAck struct {
	typ packet.Type
	id  packet.PacketID
	key key
}

// errLeave means that the client itself ends the connection.
var errLeave = errors.New("the client leaves")

// resume sends again what the last connection left open.
func (v *visit) resume() error {
	var b []byte
	c := v.client
	c.session.resend(func(o *outgoing) {
		b = packet.AppendAck(b, packet.TypePubRel, c.version, o.id, packet.Success)
	}, func(o *outgoing) {
		b = v.appendPublish(b, o, true)
	})
	if len(b) == 0 {
		return nil
	}
	return v.conn.write(b)
}

func (v *visit) appendPublish(b []byte, o *outgoing, dup bool) []byte {
	v.note(o.key, event{kind: sent, id: o.id, dup: dup})
	return packet.AppendPublish(b, v.client.version, &packet.PublishOut{
		Dup: dup, QoS: o.topic.qos, PacketID: o.id, Topic: o.topic.name, Payload: o.key.payload(),
	})
}

func (v *visit) note(k key, e event) {
	e.client, e.round = uint16(v.client.index), v.round
	v.client.ledger.note(k, e)
}

// run takes part until the server, the client's plan or ctx ends the connection, and ends it.
func (v *visit) run(ctx context.Context) leave {
	c := v.client
	t := &c.temper
	_, changed := c.board.look()
	var end, publish, late <-chan time.Time
	how := leaveDisconnect // what the end of the run asks for
	if s, _ := c.board.look(); s == loading {
		if t.stay.most > 0 {
			end = time.After(t.stay.choose(c.rng))
			how = t.leaves[c.rng.IntN(len(t.leaves))]
		}
		if t.burst > 0 {
			publish = time.After(t.pause.choose(c.rng))
		}
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	var err error
	for err == nil {
		select {
		case f, ok := <-v.conn.frames:
			if !ok {
				v.ended()
				v.conn.close(false)
				return leaveClose
			}
			err = v.packet(f)
			if s, _ := c.board.look(); err == nil && len(v.owed) > 0 {
				if t.late.most == 0 || s == draining {
					err = v.flush()
				} else if late == nil {
					late = time.After(t.late.choose(c.rng))
				}
			}
		case <-late:
			late = nil
			err = v.flush()
		case <-publish:
			err = v.publish()
			publish = time.After(t.pause.choose(c.rng))
		case <-ping.C:
			err = v.tick()
		case <-end:
			err = errLeave
		case <-changed:
			var s stage
			if s, changed = c.board.look(); s == draining {
				end, publish = nil, nil
				how = leaveDisconnect
				err = v.flush()
			} else {
				err = errLeave // the plan is made when a connection begins
			}
		case <-ctx.Done():
			err, how = errLeave, leaveDisconnect
		}
	}
	if !errors.Is(err, errLeave) {
		how = leaveClose
	}
	v.leave(how)
	return how
}

// ended looks at why the server has ended the connection. A network's end is no fault: the server is killed, or
// this is a connection that the run breaks.
func (v *visit) ended() {
	err := v.conn.err
	if _, ok := errors.AsType[*packet.Error](err); ok {
		v.fault(nil, "%v", err)
		return
	}
	for _, ordinary := range []error{io.EOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, ordinary) {
			return
		}
	}
	v.fault(nil, "connection ended: %v", err)
}

// leave ends the connection.
func (v *visit) leave(how leave) {
	switch how {
	case leaveTakeover:
		v.client.old = v.conn
		return
	case leaveDisconnect:
		_ = v.conn.write(packet.AppendDisconnect(nil, v.client.version, &packet.Disconnect{}, 0)) // or it has ended already
	}
	v.conn.close(how == leaveReset)
}

func (v *visit) fault(k *key, format string, args ...any) {
	c := v.client
	c.ledger.fault(ruleProtocol, k, "client %d, MQTT %s: %s", c.index, c.version, fmt.Sprintf(format, args...))
}

// publish sends some new messages, as many as the window allows.
func (v *visit) publish() error {
	c := v.client
	var b []byte
	for range 1 + c.rng.IntN(c.temper.burst) {
		if c.session.inFlight() >= v.window {
			break
		}
		i := c.topics[c.rng.IntN(len(c.topics))]
		k := key{uint16(c.index), uint16(i), c.numbers[i]}
		c.numbers[i]++
		b = v.appendPublish(b, c.session.publish(k, &c.ledger.topics[i]), false)
	}
	if len(b) == 0 {
		return nil
	}
	return v.conn.write(b)
}

// tick sends PINGREQ, and SUBSCRIBE when a wish is due.
func (v *visit) tick() error {
	var b []byte
	if !v.pinging {
		v.pinging, v.covered = true, len(v.unread)
		b = packet.AppendPingReq(b)
	}
	c := v.client
	if c.subscribed < len(c.wishes) && !v.asking && time.Since(c.ledger.began) >= c.wishes[c.subscribed].after {
		w := c.wishes[c.subscribed]
		v.asking = true
		b = packet.AppendSubscribe(b, c.version, &packet.Subscribe{
			PacketID: subscribeID, Filters: []packet.Filter{{TopicFilter: w.filter, QoS: w.qos}},
		})
	}
	if len(b) == 0 {
		return nil
	}
	return v.conn.write(b)
}

// flush sends the acknowledgements that are held back, in the order of the PUBLISH packets: v5 [MQTT-4.6.0-2]
// [MQTT-4.6.0-3], v3.1.1 [MQTT-4.6.0-2] [MQTT-4.6.0-3].
func (v *visit) flush() error {
	var b []byte
	for _, a := range v.owed {
		v.note(a.key, event{kind: ackSent, id: a.id})
		b = packet.AppendAck(b, a.typ, v.client.version, a.id, packet.Success)
		if a.typ == packet.TypePubAck {
			delete(v.inFlight, a.id)
		}
	}
	v.unread = append(v.unread, v.owed...)
	v.owed = v.owed[:0]
	if len(b) == 0 {
		return nil
	}
	return v.conn.write(b)
}

// ponged notes that the server has read what was sent before the PINGREQ.
func (v *visit) ponged() {
	for _, a := range v.unread[:v.covered] {
		v.note(a.key, event{kind: ackSeen, id: a.id})
	}
	v.unread = slices.Delete(v.unread, 0, v.covered)
	v.pinging, v.covered = false, 0
}
