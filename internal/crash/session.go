package crash

import (
	"errors"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// session is a client's Session State, v5 4.1 and v3.1.1 4.1: it outlives connections and the server. Its methods
// return an error for what no correct server does.
type session struct {
	out      []*outgoing // waiting for PUBACK or PUBREC, in the order of their first PUBLISH
	releases []*outgoing // waiting for PUBCOMP, in the order of their PUBRECs
	ids      map[packet.PacketID]*outgoing
	next     packet.PacketID
	in       map[packet.PacketID]key // QoS 2 messages received and not released
}

// outgoing is a message on its way to the server.
type outgoing struct {
	id    packet.PacketID
	key   key
	topic *topic
}

// lastID is the highest Packet Identifier of a PUBLISH. There are few, so that each is used again soon: a server
// that remembers too long takes new messages for old ones.
const lastID = 60

var (
	errUnknownID = errors.New("an acknowledgement for a Packet Identifier that waits for none")
	errWrongAck  = errors.New("an acknowledgement of the wrong kind")
	errIDInUse   = errors.New("a Packet Identifier that belongs to a message not yet released")
	errNoDup     = errors.New("a QoS 2 PUBLISH again without DUP")
)

func newSession() *session {
	return &session{ids: make(map[packet.PacketID]*outgoing), in: make(map[packet.PacketID]key)}
}

// inFlight is the number of messages that count against the server's Receive Maximum.
func (s *session) inFlight() int { return len(s.ids) }

// publish takes a Packet Identifier for a new message; there is a free one while inFlight is below lastID.
func (s *session) publish(k key, t *topic) *outgoing {
	for {
		s.next = s.next%lastID + 1
		if s.ids[s.next] == nil {
			break
		}
	}
	o := &outgoing{s.next, k, t}
	s.ids[o.id] = o
	s.out = append(s.out, o)
	return o
}

// pubAck takes a PUBACK and returns the message it ends.
func (s *session) pubAck(id packet.PacketID) (*outgoing, error) {
	o, err := s.waiting(id, packet.AtLeastOnce)
	if err == nil {
		s.out = without(s.out, o)
		delete(s.ids, id)
	}
	return o, err
}

// pubRec takes a PUBREC. If it has failed, the message is over: v5 [MQTT-4.3.3-4].
func (s *session) pubRec(id packet.PacketID, failed bool) (*outgoing, error) {
	o, err := s.waiting(id, packet.ExactlyOnce)
	if err != nil {
		return o, err
	}
	s.out = without(s.out, o)
	if failed {
		delete(s.ids, id)
	} else {
		s.releases = append(s.releases, o)
	}
	return o, nil
}

// waiting finds a message that waits for its first acknowledgement.
func (s *session) waiting(id packet.PacketID, q packet.QoS) (*outgoing, error) {
	o := s.ids[id]
	if o == nil {
		return nil, fmt.Errorf("%w: %d", errUnknownID, id)
	}
	for _, w := range s.out {
		if w == o && o.topic.qos == q {
			return o, nil
		}
	}
	return nil, fmt.Errorf("%w: Packet Identifier %d", errWrongAck, id)
}

// pubComp takes a PUBCOMP.
func (s *session) pubComp(id packet.PacketID) (*outgoing, error) {
	for _, o := range s.releases {
		if o.id == id {
			s.releases = without(s.releases, o)
			delete(s.ids, id)
			return o, nil
		}
	}
	return nil, fmt.Errorf("%w: PUBCOMP %d", errUnknownID, id)
}

// resend calls back for all that has to be sent again on a new connection: first PUBREL in the order of the
// PUBRECs, then PUBLISH in the order of old. v5 [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-4.6.0-4],
// v3.1.1 [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-4.6.0-4].
func (s *session) resend(release, publish func(*outgoing)) {
	for _, o := range s.releases {
		release(o)
	}
	for _, o := range s.out {
		publish(o)
	}
}

// arrive takes a QoS 2 PUBLISH and tells whether it is new.
func (s *session) arrive(id packet.PacketID, k key, dup bool) (isNew bool, err error) {
	old, ok := s.in[id]
	switch {
	case !ok:
		s.in[id] = k
		return true, nil
	case old != k: // v5 [MQTT-2.2.1-4], v3.1.1 [MQTT-2.3.1-4]
		return false, fmt.Errorf("%w: PUBLISH %d is %s, not yet released is %s", errIDInUse, id, k, old)
	case !dup: // v5 [MQTT-3.3.1-1], v3.1.1 [MQTT-3.3.1-1]
		return false, fmt.Errorf("%w: %d, %s", errNoDup, id, k)
	}
	return false, nil
}

// release takes a PUBREL and tells whether its Packet Identifier is known.
func (s *session) release(id packet.PacketID) bool {
	_, ok := s.in[id]
	delete(s.in, id)
	return ok
}

// discard forgets everything, as a client must when the server has: v5 [MQTT-3.2.2-5]. It returns what was not yet
// acknowledged.
func (s *session) discard() []*outgoing {
	lost := s.out
	s.out, s.releases = nil, nil
	clear(s.ids)
	clear(s.in)
	return lost
}

// without returns list without o, keeping the order.
func without(list []*outgoing, o *outgoing) []*outgoing {
	for i, x := range list {
		if x == o {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}
