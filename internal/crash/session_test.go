package crash

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

var (
	one = &topic{name: "a", qos: packet.AtLeastOnce}
	two = &topic{name: "b", qos: packet.ExactlyOnce}
)

// again is what a new connection begins with.
func again(s *session) (out []string) {
	s.resend(
		func(o *outgoing) { out = append(out, fmt.Sprintf("PUBREL %d", o.id)) },
		func(o *outgoing) { out = append(out, fmt.Sprintf("PUBLISH %d #%d", o.id, o.key.number)) },
	)
	return out
}

func TestResendOrder(t *testing.T) {
	s := newSession()
	for n, topic := range []*topic{one, two, two, one, two} {
		if o := s.publish(key{number: uint32(n)}, topic); o.id != packet.PacketID(n+1) {
			t.Fatalf("got Packet Identifier %d, want %d", o.id, n+1)
		}
	}
	for _, id := range []packet.PacketID{3, 2} { // not in the order of the PUBLISH packets
		if _, err := s.pubRec(id, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.pubAck(1); err != nil {
		t.Fatal(err)
	}
	want := []string{"PUBREL 3", "PUBREL 2", "PUBLISH 4 #3", "PUBLISH 5 #4"}
	if got := again(s); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := s.inFlight(); got != 4 {
		t.Errorf("got %d in flight, want 4", got)
	}
	if _, err := s.pubComp(3); err != nil {
		t.Fatal(err)
	}
	if o, err := s.pubRec(5, true); err != nil || o.key.number != 4 {
		t.Errorf("failed PUBREC: got %v, %v, want message 4", o, err)
	}
	if got, want := again(s), []string{"PUBREL 2", "PUBLISH 4 #3"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	lost := s.discard()
	if len(lost) != 1 || lost[0].id != 4 || len(again(s)) != 0 || s.inFlight() != 0 {
		t.Errorf("discard: got %v, want message 4 and nothing left", lost)
	}
}

func TestWrongAcknowledgements(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*session) error
		want error
	}{
		{"PUBACK for nothing", func(s *session) error { _, err := s.pubAck(9); return err }, errUnknownID},
		{"PUBREC for nothing", func(s *session) error { _, err := s.pubRec(9, false); return err }, errUnknownID},
		{"PUBCOMP for nothing", func(s *session) error { _, err := s.pubComp(9); return err }, errUnknownID},
		{"PUBACK for QoS 2", func(s *session) error { _, err := s.pubAck(2); return err }, errWrongAck},
		{"PUBREC for QoS 1", func(s *session) error { _, err := s.pubRec(1, false); return err }, errWrongAck},
		{"PUBCOMP before PUBREC", func(s *session) error { _, err := s.pubComp(2); return err }, errUnknownID},
		{"PUBREC twice", func(s *session) error {
			if _, err := s.pubRec(2, false); err != nil {
				return err
			}
			_, err := s.pubRec(2, false)
			return err
		}, errWrongAck},
	} {
		s := newSession()
		s.publish(key{number: 1}, one)
		s.publish(key{number: 2}, two)
		if err := tt.do(s); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestArrive(t *testing.T) {
	s := newSession()
	a, b := key{number: 1}, key{number: 2}
	for i, step := range []struct {
		k     key
		dup   bool
		isNew bool
		err   error
	}{
		{a, false, true, nil}, {a, true, false, nil}, {a, false, false, errNoDup}, {b, true, false, errIDInUse},
	} {
		if got, err := s.arrive(5, step.k, step.dup); got != step.isNew || !errors.Is(err, step.err) {
			t.Errorf("step %d: got %t, %v, want %t, %v", i, got, err, step.isNew, step.err)
		}
	}
	if !s.release(5) || s.release(5) {
		t.Error("release: got known twice or not at all, want it once")
	}
	if got, err := s.arrive(5, b, true); !got || err != nil {
		t.Errorf("after release: got %t, %v, want new", got, err)
	}
}

func TestIdentifiersAreFree(t *testing.T) {
	s := newSession()
	for n := range uint32(lastID - 1) {
		s.publish(key{number: n}, one)
	}
	if _, err := s.pubAck(10); err != nil {
		t.Fatal(err)
	}
	if got := s.publish(key{}, one).id; got != lastID {
		t.Errorf("got %d, want %d, the one not used yet", got, lastID)
	}
	if got := s.publish(key{}, one).id; got != 10 {
		t.Errorf("got %d, want 10, the only free one", got)
	}
}
