package mqtt

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// TestMutualFlood has two clients publish to each other as much as their
// Receive Maximum allows, before the first acknowledgement. All is delivered:
// they do not hold each other up.
func TestMutualFlood(t *testing.T) {
	const messages = 1000
	payload := strings.Repeat("x", 500) // many times more than is parked for a client that owes nothing
	for _, version := range []string{"v5", "v4"} {
		t.Run(version, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, loop netloop.Config) {
				cfg := setup{loop: loop}
				cfg.broker.MaxInflight = 10
				cfg.broker.MaxQueuedMessages = 20
				cfg.broker.SlowConsumerTimeout = time.Hour
				s := newServer(t, cfg)
				var clients [2]*client
				for i := range clients {
					clients[i] = dialAs(s, fmt.Sprintf("%s id=%d clean", version, i))
					clients[i].do(fmt.Sprintf("sub id=1 to/%d,1", i), "SUBACK 1 01")
				}
				var wg sync.WaitGroup
				for i, c := range clients {
					wg.Go(func() {
						for id := range messages {
							c.do(fmt.Sprintf("pub to/%d %s q=1 id=%d", 1-i, payload, id+1))
						}
						c.exchange(messages)
					})
				}
				wg.Wait()
			})
		})
	}
}

// exchange acknowledges n QoS 1 deliveries and waits for as many
// acknowledgements.
func (c *client) exchange(n int) {
	delivered, answered := 0, 0
	for delivered < n || answered < n {
		f, ok := c.wait()
		if !ok {
			c.t.Errorf("got %d deliveries and %d acknowledgements, want %d of each", delivered, answered, n)
			return
		}
		switch f.Type {
		case packet.TypePubAck:
			answered++
		case packet.TypePublish:
			delivered++
			id := f.Body[2+binary.BigEndian.Uint16(f.Body):]
			c.send([]byte{0x40, 2, id[0], id[1]})
		}
	}
}

// TestDeliveryMakesHeard has a client that has nothing to acknowledge publish
// to a slow subscriber until it is not read from. A delivery to it ends that, so
// that it can be acknowledged.
func TestDeliveryMakesHeard(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		cfg := setup{loop: loop}
		cfg.broker.MaxQueuedMessages = 1
		cfg.broker.SlowConsumerTimeout = time.Hour
		s := newServer(t, cfg)
		slow := dialAs(s, "v5 id=slow clean rm=1")
		slow.do("sub id=1 slow,1", "SUBACK 1 01")
		p := dialAs(s, "v5 id=p clean")
		p.do("sub id=1 p,1", "SUBACK 1 01")
		payload := strings.Repeat("x", 1000)
		// More than is parked, and less than stays in the connection beyond that.
		for id := range 32 + 2 + maxParked*3/2/len(payload) {
			p.do(fmt.Sprintf("pub slow %s q=1 id=%d", payload, id+1))
		}
		p.expect("PUBACK 1", "PUBACK 2")
		p.do("ping")
		if loop.Portable {
			synctest.Wait() // nobody listens any more
		}
		dialAs(s, "v5 id=q clean").do("pub p hello q=1 id=1", "PUBACK 1")
		p.expect("PUBLISH p hello q=1 id=1", "PINGRESP")
		p.do("puback 1")
		p.do("ping", "PINGRESP")
		if got := s.broker.Stats().Inflight; got != 1 { // to the slow one
			t.Errorf("got %d deliveries in flight, want 1: the acknowledgement was not heard", got)
		}
	})
}
