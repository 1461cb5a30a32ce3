package broker_test

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// node is a broker whose Store takes its time, in a synctest bubble. It can be killed.
type node struct {
	*room
	st   *storetest.Faulty
	disk *memory.Store
	cfg  broker.Config
}

func newNode(t *testing.T, cfg broker.Config) *node {
	return startNode(t, cfg, memory.New())
}

// startNode starts a node on what a disk holds.
func startNode(t *testing.T, cfg broker.Config, disk *memory.Store) *node {
	t.Helper()
	n := &node{st: storetest.NewFaulty(t, disk, randtest.New(t).Uint64()), disk: disk, cfg: cfg}
	cfg.Store = n.st
	n.room = newRoom(t, cfg)
	if err := n.Restore(nil); err != nil {
		t.Fatalf("Restore: got %v, want nil", err)
	}
	synctest.Wait()
	return n
}

// crash kills the node and starts another one. What has not taken effect in the Store is lost.
func (n *node) crash(t *testing.T) *node {
	t.Helper()
	n.st.Hold(true)
	synctest.Wait()
	n.Close() // what it saves is lost
	return startNode(t, n.cfg, n.disk)
}

// calls counts the calls of the Store since before, which is what it returned last.
func (n *node) calls(before int) (all int) {
	for op := storetest.OpLoadSession; op <= storetest.OpLoadRetained; op++ {
		all += n.st.Calls(op)
	}
	return all - before
}

// receive takes deliveries, acknowledges them at either QoS, and returns them.
func (c *client) receive() (all []delivery) {
	c.t.Helper()
	for synctest.Wait(); ; synctest.Wait() {
		got, released := c.link.take(), c.link.takeReleased()
		if len(got)+len(released) == 0 {
			return all
		}
		all = append(all, got...)
		for _, d := range got {
			switch d.qos {
			case 1:
				c.ack(d.id)
			case 2:
				if r := c.s.Received(c.sc, c.epoch, d.id, true); r == broker.Settled {
					released = append(released, d.id)
				}
			}
		}
		for _, id := range released {
			if r := c.s.Complete(c.sc, c.epoch, id); r != broker.Settled {
				c.t.Errorf("Complete(%d): got outcome %d, want %d", id, r, broker.Settled)
			}
		}
	}
}

// payloads returns those of deliveries.
func payloads(got []delivery) []string {
	var all []string
	for _, d := range got {
		all = append(all, d.payload)
	}
	return all
}

// publishWait publishes and waits for the outcome, which must be want.
func (c *client) publishWait(name, payload string, qos broker.QoS, want broker.Result, opts ...func(*broker.Message)) {
	c.t.Helper()
	p := c.publish(name, payload, qos, opts...)
	synctest.Wait()
	wantOutcome(c.t, "Publish "+payload+" to "+name, []*publication{p}, want)
}

// publishAllWait publishes the payloads from to to; all must be accepted.
func (c *client) publishAllWait(name string, qos broker.QoS, from, to int) {
	c.t.Helper()
	for i := from; i <= to; i++ {
		c.publishWait(name, itoa(i), qos, broker.Accepted)
	}
}
