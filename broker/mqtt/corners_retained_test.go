package mqtt

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/internal/wiretest"
)

// TestMillionRetained has a million retained messages, and two subscribers that
// ask for all of them at once, one by # and one by a/+/c, which half of them
// match. They are answered in pages: another client on the same loop gets many
// answers before the last page is out, and what is on its way to a subscriber
// that has stopped reading costs next to nothing. Each message arrives once:
// v5 [MQTT-3.3.1-9], v3.1.1 [MQTT-3.3.1-6].
func TestMillionRetained(t *testing.T) {
	t.Run("native", func(t *testing.T) { manyRetained(t, netloop.Config{}, 1_000_000/raceSlowdown) })
	t.Run("portable", func(t *testing.T) { manyRetained(t, netloop.Config{Portable: true}, 200_000/raceSlowdown) })
}

func manyRetained(t *testing.T, loop netloop.Config, messages int) {
	const (
		roundTrips = 20 // while both have stopped reading
		atLeast    = 3  // while both read: how many fit in is the machine's, not ours
		heapBudget = 4 << 20
	)
	loop.Loops = 1
	s := newServer(t, setup{loop: loop, broker: broker.Config{MaxRetained: messages}})
	other := dialAs(s, "v5 id=other clean")
	retainMany(t, s, messages)
	all := newReader(t, s, "v4 id=all clean", messages)
	some := newReader(t, s, "v4 id=some clean", messages/2)
	before := wiretest.LiveHeap()
	all.subscribe("#")
	some.subscribe("a/+/c")
	<-all.paused
	<-some.paused
	for range roundTrips {
		other.do("ping", "PINGRESP")
	}
	if grown := wiretest.LiveHeap() - before; grown > heapBudget {
		t.Errorf("two answers under way have the live heap grow by %d bytes, want at most %d", grown, heapBudget)
	}
	close(all.goOn)
	close(some.goOn)
	for n := range atLeast {
		if other.do("ping", "PINGRESP"); all.finished() && some.finished() {
			t.Fatalf("after %d round trips of another client all was read, want more than %d", n+1, atLeast)
		}
	}
	all.wantAll()
	some.wantAll()
}

// retainMany retains n messages, a/000000/b, a/000001/c and so on, without
// going through a connection.
func retainMany(t *testing.T, s *testServer, n int) {
	body := make([]byte, 400) // so that no socket's buffers hold the answer
	sc, app := s.broker.NewScratch(nil), s.broker.App(broker.DefaultApp)
	for i := range n {
		m := &broker.Message{TopicName: fmt.Sprintf("a/%06d/%c", i, "bc"[i%2]), Payload: body, Retain: true}
		if r := s.broker.Publish(sc, &broker.Publish{App: app, Message: m}); !r.OK() {
			t.Fatalf("retain %s: got %v, want it accepted", m.TopicName, r)
		}
	}
}

// reader is a client of MQTT 3.1.1 that counts retained messages and keeps none.
type reader struct {
	t      *testing.T
	nc     net.Conn
	in     *bufio.Reader
	want   int64
	count  atomic.Int64
	paused chan struct{} // closed when it has read a tenth, and stops
	goOn   chan struct{} // closed to have it read on
	done   chan error
}

// newReader connects; it is to read so many messages.
func newReader(t *testing.T, s *testServer, connect string, messages int) *reader {
	_, b, err := encodeConnect(connect)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{
		t: t, nc: s.dial(), want: int64(messages),
		paused: make(chan struct{}), goOn: make(chan struct{}), done: make(chan error, 1),
	}
	r.in = bufio.NewReaderSize(r.nc, 64<<10)
	t.Cleanup(func() { r.nc.Close() })
	_ = r.nc.SetDeadline(time.Now().Add(3 * patience))
	if _, err := r.nc.Write(b); err != nil {
		t.Fatal(err)
	}
	return r
}

// subscribe asks for retained messages, and begins to read.
func (r *reader) subscribe(filter string) {
	if _, err := r.nc.Write(packet.AppendSubscribe(nil, packet.V311, &packet.Subscribe{
		PacketID: 1, Filters: []packet.Filter{{TopicFilter: filter}},
	})); err != nil {
		r.t.Fatal(err)
	}
	go func() { r.done <- r.read() }()
}

// read reads CONNACK, SUBACK and all messages, which come in the order of their
// names, so that none comes twice.
func (r *reader) read() error {
	in := r.in
	if _, err := in.Discard(4 + 5); err != nil {
		return err
	}
	var last, name [10]byte
	for n := range r.want {
		if n == r.want/10 {
			close(r.paused)
			<-r.goOn
		}
		head, err := in.Peek(5) // type, two bytes of length, length of the Topic Name
		if err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
		size := int(head[1]&0x7f) | int(head[2])<<7
		if head[0] != 0x31 || head[1]&0x80 == 0 || head[2]&0x80 != 0 || head[4] != byte(len(name)) {
			return fmt.Errorf("message %d begins with % x, want a retained PUBLISH", n, head)
		}
		if _, err = in.Discard(5); err == nil {
			_, err = io.ReadFull(in, name[:])
		}
		if err == nil {
			_, err = in.Discard(size - 2 - len(name))
		}
		if err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
		if bytes.Compare(last[:], name[:]) >= 0 {
			return fmt.Errorf("message %d is %s behind %s", n, name, last)
		}
		last = name
		r.count.Add(1)
	}
	return nil
}

// finished tells whether all that it wants has been read.
func (r *reader) finished() bool { return r.count.Load() == r.want }

// wantAll waits until all messages are there, and nothing else.
func (r *reader) wantAll() {
	r.t.Helper()
	if err := <-r.done; err != nil {
		r.t.Error(err)
	}
	if got := r.count.Load(); got != r.want {
		r.t.Errorf("got %d messages, want %d", got, r.want)
	}
	if _, err := r.nc.Write(packet.AppendPingReq(nil)); err != nil {
		r.t.Error(err)
	}
	var pong [2]byte
	if _, err := io.ReadFull(r.in, pong[:]); err != nil || pong != [2]byte{0xd0, 0} {
		r.t.Errorf("behind the messages there is % x, error %v, want PINGRESP", pong, err)
	}
}
