package miop

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	mqtt "github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// subscriber is a client of the broker that takes what it is sent, or nothing.
type subscriber struct {
	session *broker.Session
	epoch   uint64

	// guarded by mu
	mu   sync.Mutex
	got  []string
	full bool
}

// subscribe connects a transient subscriber to a topic.
func subscribe(s *testServer, app, filter string, full bool) *subscriber {
	s.t.Helper()
	sub := &subscriber{full: full}
	connected := make(chan broker.Connected, 1)
	s.broker.Connect(s.scratch, &broker.Connect{App: s.broker.App(app), ClientID: "subscriber", Link: sub},
		func(r broker.Connected) { connected <- r })
	r := <-connected
	if r.Err != nil {
		s.t.Fatal(r.Err)
	}
	sub.session, sub.epoch = r.Session, r.Epoch
	sub.session.Start(s.scratch, sub.epoch)
	errs, _, err := r.Session.Subscribe(s.scratch, r.Epoch, []broker.Subscribe{{TopicFilter: filter, Options: 1}}, nil)
	if err := errors.Join(append(errs, err)...); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { sub.session.Detach(s.scratch, sub.epoch, broker.Leave{}) })
	return sub
}

func (s *subscriber) Deliver(d *broker.Delivery) broker.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return broker.Full
	}
	line := fmt.Sprintf("%s qos=%d %s", d.Message.TopicName, d.QoS, d.Message.Payload)
	for k, v := range mqtt.UserProperties(d.Message.Properties) {
		line += fmt.Sprintf(" %s=%s", k, v)
	}
	s.got = append(s.got, line)
	return broker.Sent
}

func (s *subscriber) Release(broker.PacketID, any) {}
func (s *subscriber) Yield(any)                    {}
func (s *subscriber) End(error)                    {}

func (s *subscriber) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = false
}

func TestUpload(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, s *testServer) {
		sub := subscribe(s, "miop-7", "up/data", false)
		c := bound(s, alice)
		c.do(5, packet.Bind, []string{"u:bob@8"}, "BindAck id:8 r:0")
		for _, tt := range []struct {
			props  []string
			bodies []string
			want   string
		}{
			{[]string{alice, "ack:3"}, []string{"temp=", "21.5"}, "UploadDataAck ack:3 r:0"},
			{[]string{"u:bob@8", "ack:x:y"}, []string{"of another app"}, "UploadDataAck ack:x:y r:0"},
			{[]string{alice}, []string{"no number"}, "UploadDataAck r:0"},
			{[]string{alice, "ack:4"}, nil, "UploadDataAck ack:4 r:0"},
			{[]string{"ack:5"}, []string{"whose?"}, "UploadDataAck ack:5 r:1"},
			{[]string{"u:bob@7", "ack:6"}, []string{"not bound"}, "UploadDataAck ack:6 r:1"},
			{[]string{alice, "ack:\xff"}, []string{"no text"}, "UploadDataAck ack:\xff r:0"},
			{[]string{alice, "ack:7"}, make([]string, maxUploadBodies+1), "UploadDataAck ack:7 r:1"},
		} {
			c.send(frame(5, packet.UploadData, tt.props, uploads(tt.bodies...)))
			c.expect(tt.want)
		}
		want := []string{
			"up/data qos=1 temp= from=alice@7 sn=3", "up/data qos=1 21.5 from=alice@7 sn=3",
			"up/data qos=1 no number from=alice@7", "up/data qos=1 no text from=alice@7",
		}
		if !slices.Equal(sub.got, want) {
			t.Errorf("got %q, want %q", sub.got, want)
		}
		if st := s.miop.Stats(); st.Uploads != 5 || st.UploadsRefused != 3 {
			t.Errorf("counted %d uploads accepted and %d refused, want 5 and 3", st.Uploads, st.UploadsRefused)
		}
	})
}

// An upload is answered, or not published and the connection closed: an ack may be as long as the props of a frame can be, the answer has
// more beside it.
func TestUploadAckSize(t *testing.T) {
	for _, size := range []int{maxAckText - 1, maxAckText, maxAckText + 1, packet.MaxProps - len("ack:")} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			inBubble(t, setup{}, func(t *testing.T, s *testServer) {
				sub := subscribe(s, "miop-7", "up/data", false)
				c := bound(s, alice)
				ack := "ack:" + strings.Repeat("1", size)
				c.send(frame(5, packet.UploadData, []string{ack}, uploads("x")))
				if size <= maxAckText {
					c.expect("UploadDataAck " + ack + " r:0")
				} else {
					c.expect("EOF")
				}
				want := map[bool]int{true: 1}[size <= maxAckText]
				if got := s.miop.Stats(); len(sub.got) != want || got.Malformed["ack_size"] != uint64(1-want) {
					t.Errorf("%d are published and %d counted as malformed, want %d and %d", len(sub.got), got.Malformed["ack_size"], want, 1-want)
				}
			})
		})
	}
}

// denying denies what is published to a topic.
type denying string

func (d denying) OnACLCheck(a *broker.Access) broker.Decision {
	if a.Topic == string(d) && a.Action == broker.ActionPublish && a.User == "alice" && a.ClientID == "m:alice" && a.App == "miop-7" {
		return broker.Deny
	}
	return broker.Ignore
}

func TestUploadDenied(t *testing.T) {
	inBubble(t, setup{miop: Config{Authorizer: denying("up/data")}}, func(t *testing.T, s *testServer) {
		c := bound(s, alice)
		c.send(frame(5, packet.UploadData, []string{"ack:1"}, uploads("x")))
		c.expect("UploadDataAck ack:1 r:1")
		c.do(5, packet.Bind, []string{"u:bob@7"}, "BindAck id:7 r:0")
		c.send(frame(5, packet.UploadData, []string{"ack:2"}, uploads("x")))
		c.expect("UploadDataAck ack:2 r:0")
		if got := s.miop.Stats().Denied; got != 1 {
			t.Errorf("counted %d denied, want 1", got)
		}
	})
}

// Uploads that wait for a slow Session are bounded, and hold up no acknowledgement that comes behind them.
func TestUploadsWait(t *testing.T) {
	inBubble(t, setup{broker: broker.Config{MaxQueuedMessages: 1}}, func(t *testing.T, s *testServer) {
		sub := subscribe(s, "miop-7", "up/data", true)
		c := bound(s, alice)
		s.publish("miop-7", "inbox/m:alice", "one", 1)
		c.expect("Msg ack:1 [7 one]")
		c.send(frame(5, packet.UploadData, []string{"ack:0"}, uploads("0"))) // the queue takes it
		c.expect("UploadDataAck ack:0 r:0")
		var all []byte
		for i := range maxUploads + 2 {
			all = append(all, frame(5, packet.UploadData, []string{fmt.Sprint("ack:", i+1)}, uploads("x", "y"))...)
		}
		c.send(append(all, frame(5, packet.MsgAck, []string{"ack:1"})...))
		for i := range 2 {
			c.expect(fmt.Sprintf("UploadDataAck ack:%d r:1", maxUploads+1+i))
		}
		c.quiet()
		if n := s.broker.App("miop-7").Connected("m:alice"); !n {
			t.Fatal("alice is gone")
		}
		sub.open()
		sub.session.Resume(s.scratch, sub.epoch)
		for i := range maxUploads {
			c.expect(fmt.Sprintf("UploadDataAck ack:%d r:0", i+1))
		}
		if got, want := len(sub.got), 1+2*maxUploads; got != want {
			t.Errorf("got %d uploads, want %d", got, want)
		}
		c.close()
		bound(s, alice).quiet() // the message was acknowledged
	})
}

// Many bytes that wait are too many as well, a single upload excepted.
func TestUploadBytesWait(t *testing.T) {
	inBubble(t, setup{broker: broker.Config{MaxQueuedMessages: 1}}, func(t *testing.T, s *testServer) {
		subscribe(s, "miop-7", "up/data", true)
		c := bound(s, alice)
		large := string(bytes.Repeat([]byte("x"), maxUploadBytes+1))
		c.send(frame(5, packet.UploadData, []string{"ack:0"}, uploads("0")))
		c.expect("UploadDataAck ack:0 r:0")
		c.send(frame(5, packet.UploadData, []string{"ack:1"}, uploads(large)))
		c.send(frame(5, packet.UploadData, []string{"ack:2"}, uploads(strings.Repeat("y", 10))))
		c.expect("UploadDataAck ack:2 r:1")
		c.quiet()
	})
}
