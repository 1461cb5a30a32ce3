package miop

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/badger"
)

// durable starts a server over a data directory.
func durable(t *testing.T, dir string) (*testServer, func()) {
	t.Helper()
	store, err := badger.Open(t.Context(), badger.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, setup{broker: broker.Config{Store: store}})
	return s, func() {
		s.shutdown()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A message that is not acknowledged comes again after a restart of the server, with the same id, and one that is never does.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s, stop := durable(t, dir)
	c := bound(s, alice)
	ids := make(map[string]uint64)
	for i := range 6 {
		s.publish("miop-7", "inbox/m:alice", fmt.Sprint("m", i), 1)
		ids[fmt.Sprint("m", i)] = c.id(fmt.Sprintf("Msg ack:%d [7 m%d]", i+1, i))
	}
	for _, n := range []int{2, 4, 6} {
		c.ack(n)
	}
	c.quiet()
	c.close()
	s.publish("miop-7", "inbox/m:alice", "m6", 1)
	s.publish("miop-7", "inbox/m:bob", "never seen", 1)
	stop()

	s, stop = durable(t, dir)
	c = bound(s, alice)
	for i, body := range []string{"m0", "m2", "m4", "m6"} {
		id := c.id(fmt.Sprintf("Msg ack:%d [7 %s]", i+1, body))
		if want, was := ids[body]; was && id != want {
			t.Errorf("%s: got message id %d, want %d as before", body, id, want)
		}
	}
	for n := range 3 {
		c.ack(n + 1)
	}
	c.do(5, packet.Bind, []string{"u:bob@7"}, "BindAck id:7 r:0", "Msg ack:5 [7 never seen]")
	c.ack(5)
	c.quiet()
	stop()

	s, stop = durable(t, dir)
	c = bound(s, alice)
	c.expect("Msg ack:1 [7 m6]")
	c.ack(1)
	c.do(5, packet.Bind, []string{"u:bob@7"}, "BindAck id:7 r:0")
	c.quiet()
	stop()
}
