package mqtt

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/internal/wiretest"
)

// sending is a client that writes on a goroutine of its own, as far as the
// server reads.
type sending struct {
	*client
	done chan struct{}
}

// sendAll has c send n publishes of size bytes to a Topic Name.
func sendAll(t *testing.T, c *client, topic string, qos, n, size int) sending {
	t.Helper()
	var all []byte
	for i := range n {
		b, err := encode(fmt.Sprintf("pub %s x*%d q=%d id=%d", topic, size, qos, i+1), c.version)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	s := sending{c, make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = c.nc.SetWriteDeadline(time.Time{})
		_, _ = c.nc.Write(all) // an error is an end that the test sees
	}()
	return s
}

func (s sending) finished() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// drain takes all packets that have come and counts them by type.
func (c *client) drain() map[packet.Type]int {
	n := make(map[packet.Type]int)
	for {
		f, ok, _ := c.next()
		if !ok {
			return n
		}
		n[f.Type]++
	}
}

// TestSendFreeze has two subscribers stop reading. Only publishers to the one
// with QoS 1 are slowed, and what that costs is bounded; the one with QoS 0
// loses messages, which are counted. After SlowConsumerTimeout the first is
// ended and its publishers get their answers.
func TestSendFreeze(t *testing.T) {
	for _, version := range []string{"v4", "v5"} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sendFreeze(t, version) })
		})
	}
}

func sendFreeze(t *testing.T, version string) {
	const (
		messages, size = 1500, 1000
		queued         = 100
		heapBudget     = 16 << 20
	)
	s := newServer(t, setup{
		loop:   netloop.Config{Portable: true, HighWater: 32 << 10},
		broker: broker.Config{MaxQueuedMessages: queued, SlowConsumerTimeout: 20 * time.Second},
		mqtt:   Config{ReceiveMaximum: messages + 1},
	})
	frozen, deaf, well := dialAs(s, "v5 id=frozen clean"), dialAs(s, "v5 id=deaf clean"), dialAs(s, "v5 id=well clean")
	frozen.do("sub id=1 t,1", "SUBACK 1 01")
	deaf.do("sub id=1 q", "SUBACK 1 00")
	well.do("sub id=1 t,1 other,1", "SUBACK 1 01 01")
	before := wiretest.LiveHeap()
	frozen.freeze(true)
	deaf.freeze(true)
	slowed := sendAll(t, dialAs(s, version+" id=slowed clean"), "t", 1, messages, size)
	swift := sendAll(t, dialAs(s, version+" id=swift clean"), "other", 1, messages, size)
	lossy := sendAll(t, dialAs(s, version+" id=lossy clean"), "q", 0, messages, size)
	synctest.Wait()

	if slowed.finished() {
		t.Error("the frozen subscriber's publisher is not held back")
	}
	if !swift.finished() || !lossy.finished() {
		t.Errorf("finished: the publisher at QoS 1 %t, at QoS 0 %t; want both", swift.finished(), lossy.finished())
	}
	if got := swift.drain()[packet.TypePubAck]; got != messages {
		t.Errorf("the other publisher has %d PUBACKs, want %d", got, messages)
	}
	st := s.broker.Stats()
	if st.Queued > queued || st.Waiting > maxDeferred || st.Waiting == 0 {
		t.Errorf("%d messages are queued and %d wait, want at most %d and 1 to %d", st.Queued, st.Waiting, queued, maxDeferred)
	}
	slow := st.Dropped[broker.DropSlow.String()]
	if slow == 0 || slow >= messages {
		t.Errorf("%d messages of QoS 0 are dropped, want some of %d", slow, messages)
	}
	acked := slowed.drain()[packet.TypePubAck]
	got := well.drain()[packet.TypePublish]
	if got < messages+acked {
		t.Errorf("the subscriber that reads has %d messages, want at least %d", got, messages+acked)
	}
	if grown := wiretest.LiveHeap() - before; grown > heapBudget {
		t.Errorf("the live heap has grown by %d bytes, want at most %d", grown, heapBudget)
	}

	<-time.After(21 * time.Second)
	synctest.Wait()
	if acked += slowed.drain()[packet.TypePubAck]; !slowed.finished() || acked != messages {
		t.Errorf("after the slow consumer's end its publisher has %d PUBACKs, want %d", acked, messages)
	}
	deaf.freeze(false)
	frozen.freeze(false)
	synctest.Wait()
	if n := deaf.drain()[packet.TypePublish]; uint64(n)+slow != messages {
		t.Errorf("QoS 0: %d delivered and %d dropped, want %d in all", n, slow, messages)
	}
	if _, _, ended := frozen.next(); s.broker.Stats().SlowEnded != 1 || frozen.drain() == nil || ended {
		t.Errorf("%d slow consumers ended, want 1", s.broker.Stats().SlowEnded)
	}
	deaf.do("ping", "PINGRESP")
}
