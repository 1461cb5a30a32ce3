package mqtt

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// TestAcknowledgedArrives fills the queue of a subscriber that is away, with a
// publisher that goes on until it is refused and tries again whenever the
// subscriber has been there. What was acknowledged arrives, in order; with QoS
// 2 exactly once. An MQTT 5 publisher is told of the refusal (0x97), one of
// MQTT 3 gets no answer and is let go.
func TestAcknowledgedArrives(t *testing.T) {
	for _, version := range []string{"v4", "v5"} {
		for _, qos := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s QoS %d", version, qos), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { acknowledgedArrives(t, version, qos) })
			})
		}
	}
}

// promise is a publisher and what it has been promised.
type promise struct {
	t       *testing.T
	s       *testServer
	connect string
	qos     int
	c       *client
	next    int      // number of the next message
	acked   []string // payloads
}

// publish sends messages one after the other until one is refused or all n are
// acknowledged. A message that was refused is the next one to send.
func (p *promise) publish(n int) (refused bool) {
	if p.c == nil {
		p.c = dialAs(p.s, p.connect)
	}
	for p.next < n {
		body := fmt.Sprint("m", p.next)
		b, err := encode(fmt.Sprintf("pub t %s q=%d id=%d", body, p.qos, p.next%60000+1), p.c.version)
		if err != nil {
			p.t.Fatal(err)
		}
		p.c.send(b)
		f, ok := p.c.wait()
		if !ok { // MQTT 3 is told nothing
			if p.c.version == packet.V5 {
				p.t.Fatal("an MQTT 5 publisher was let go")
			}
			p.c = nil
			return true
		}
		a, err := packet.DecodeAck(f, p.c.version)
		if err != nil {
			p.t.Fatal(err)
		}
		if a.Reason.Failed() {
			if a.Reason != packet.QuotaExceeded {
				p.t.Errorf("refused with %v, want 0x97", a.Reason)
			}
			return true
		}
		if p.qos == 2 {
			p.c.do(fmt.Sprintf("pubrel %d", a.PacketID), fmt.Sprintf("PUBCOMP %d", a.PacketID))
		}
		p.acked = append(p.acked, body)
		p.next++
	}
	return false
}

func acknowledgedArrives(t *testing.T, version string, qos int) {
	const messages, queued = 400, 50
	s := newServer(t, setup{
		loop:   netloop.Config{Portable: true},
		broker: broker.Config{MaxQueuedMessages: queued},
		mqtt:   Config{RefusePause: time.Second},
	})
	connect := version + " id=sub expiry=1000 rm=7"
	dialAs(s, connect).do(fmt.Sprintf("sub id=1 t,%d", qos), fmt.Sprintf("SUBACK 1 %02x", qos))
	p := &promise{t: t, s: s, connect: version + " id=pub expiry=1000", qos: qos}
	var got []string
	known := make(map[packet.PacketID]bool) // QoS 2 deliveries that are not released; part of the client's Session
	refusals := 0
	for done := false; !done; {
		c := dialAs(s, connect) // takes over; settles what is queued, then leaves
		synctest.Wait()
		got = append(got, c.settle(queued/2, known)...)
		c.nc.Close()
		synctest.Wait()
		if p.publish(messages) {
			refusals++
		} else {
			done = true
		}
	}
	c := dialAs(s, connect)
	got = append(got, c.settle(messages, known)...)
	if qos == 1 {
		got = slices.Compact(got)
	}
	if !slices.Equal(got, p.acked) || len(got) != messages {
		t.Errorf("acknowledged %d of %d messages, arrived %d:\n%q\nwant\n%q", len(p.acked), messages, len(got), got, p.acked)
	}
	if refusals < messages/queued-1 {
		t.Errorf("refused %d times, want more: the queue was not full", refusals)
	}
	if st := s.broker.Stats(); st.Queued != 0 || st.Inflight != 0 {
		t.Errorf("%d queued and %d in flight, want none", st.Queued, st.Inflight)
	}
}

// settle acknowledges what comes, in full, until nothing moves or limit
// messages have come. It returns the payloads, each QoS 2 message once: known
// has those that an earlier connection has left half-way.
func (c *client) settle(limit int, known map[packet.PacketID]bool) (payloads []string) {
	for {
		f, ok, _ := c.next()
		switch {
		case !ok && len(payloads) >= limit:
			return payloads
		case !ok:
			synctest.Wait()
			if f, ok, _ = c.next(); !ok {
				return payloads
			}
		}
		switch f.Type {
		case packet.TypePublish:
			var p packet.Publish
			if err := p.DecodeFromServer(f, c.version); err != nil {
				c.t.Error(err)
				continue
			}
			if p.QoS == 2 {
				if !known[p.PacketID] {
					payloads = append(payloads, string(p.Payload))
				}
				known[p.PacketID] = true
				c.send(packet.AppendAck(nil, packet.TypePubRec, c.version, p.PacketID, 0))
				continue
			}
			payloads = append(payloads, string(p.Payload))
			c.send(packet.AppendAck(nil, packet.TypePubAck, c.version, p.PacketID, 0))
		case packet.TypePubRel:
			a, err := packet.DecodeAck(f, c.version)
			if err != nil {
				c.t.Error(err)
			}
			delete(known, a.PacketID)
			c.send(packet.AppendAck(nil, packet.TypePubComp, c.version, a.PacketID, 0))
		default:
			c.t.Errorf("got %s", render(f, c.version))
		}
	}
}
