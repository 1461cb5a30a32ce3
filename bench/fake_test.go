package bench

import (
	"bufio"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// fate is what a fake broker does with a message: how often it delivers it,
// before or after the next one, and how it acknowledges it.
type fate struct {
	copies int
	later  bool // after the next message of the same topic
	noAck  bool
	reason packet.ReasonCode
}

// fake is a broker that does what a test wants, wrong or right. Zero values of
// its functions mean the right thing.
type fake struct {
	connAck packet.ConnAck
	granted packet.ReasonCode // in SUBACK, if not 0
	fate    func(n int) fate  // of the n-th message from all publishers, from 1
	after   func(f *fake, c net.Conn, n int)
	forgets bool                               // Sessions and what waits for them
	other   func(topic string, payload []byte) // also gets what is delivered

	mu       sync.Mutex
	version  packet.Version
	messages int
	subs     map[string][]*fakeConn
	held     map[string][]byte // payloads to deliver later
	clean    []bool            // of every CONNECT
	conns    []*fakeConn
	away     map[string]*fakeSession // lasting Sessions by Client Identifier
	acks     []time.Time             // of the subscribers' PUBACKs
	sent     []time.Time             // of the PUBLISH packets to subscribers
}

// fakeSession is what a lasting Session keeps while its client is away.
type fakeSession struct {
	topic  string
	queue  [][]byte
	online *fakeConn
}

type fakeConn struct {
	net.Conn
	nextID  packet.PacketID
	wbuf    []byte
	session *fakeSession
}

// start listens until the test ends and returns the URL.
func (f *fake) start(t *testing.T, network, address string) string {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	f.subs, f.held = make(map[string][]*fakeConn), make(map[string][]byte)
	f.away = make(map[string]*fakeSession)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			c := &fakeConn{Conn: nc}
			f.mu.Lock()
			f.conns = append(f.conns, c)
			f.mu.Unlock()
			wg.Go(func() { f.serve(t, c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		wg.Wait()
	})
	if network == "unix" {
		return "unix://" + address
	}
	return "mqtt://" + ln.Addr().String()
}

func (f *fake) serve(t *testing.T, c *fakeConn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 1<<20)
	for {
		// Every packet of these tests fits into the reader's buffer.
		var frame packet.Frame
		size := 0
		for want := 2; size == 0; {
			b, err := r.Peek(want)
			if err == nil {
				b, err = r.Peek(max(want, r.Buffered()))
			}
			if err != nil {
				return
			}
			if frame, size, err = packet.ReadFrame(b, 1<<20); err != nil {
				t.Errorf("generator sent a bad packet: %v", err)
				return
			}
			want = len(b) + 1
		}
		if !f.handle(t, c, frame) {
			return
		}
		if _, err := io.CopyN(io.Discard, r, int64(size)); err != nil {
			return
		}
	}
}

// handle answers one packet. It returns false when the connection is over.
func (f *fake) handle(t *testing.T, c *fakeConn, frame packet.Frame) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []byte
	switch frame.Type {
	case packet.TypeConnect:
		con, err := packet.DecodeConnect(frame)
		if err != nil {
			t.Errorf("generator sent a bad CONNECT: %v", err)
			return false
		}
		f.version = con.Version
		f.clean = append(f.clean, con.CleanStart)
		out = f.connect(c, con)
	case packet.TypeSubscribe:
		s, err := packet.DecodeSubscribe(frame, f.version)
		if err != nil {
			t.Errorf("generator sent a bad SUBSCRIBE: %v", err)
			return false
		}
		filter := s.Filters[0]
		f.subs[filter.TopicFilter] = append(f.subs[filter.TopicFilter], c)
		if c.session != nil {
			c.session.topic = filter.TopicFilter
		}
		out = packet.AppendSubAck(nil, f.version, &packet.SubAck{
			PacketID: s.PacketID, Reasons: []packet.ReasonCode{max(packet.ReasonCode(filter.QoS), f.granted)},
		}, 0)
	case packet.TypePublish:
		return f.publish(t, c, frame)
	case packet.TypePubAck:
		f.acks = append(f.acks, time.Now())
	case packet.TypePingReq:
		out = packet.AppendPingResp(nil)
	case packet.TypeDisconnect:
		if c.session != nil {
			c.session.online = nil
		}
		return false
	}
	_, err := c.Write(out)
	return err == nil
}

// connect answers a CONNECT, with what a lasting Session has waiting.
func (f *fake) connect(c *fakeConn, con *packet.Connect) []byte {
	a := f.connAck
	s := f.away[con.ClientID]
	if con.CleanStart || f.forgets {
		s = nil
		delete(f.away, con.ClientID)
	}
	a.SessionPresent = s != nil
	if s == nil && !con.CleanStart {
		s = &fakeSession{}
		f.away[con.ClientID] = s
	}
	out := packet.AppendConnAck(nil, f.version, &a, 0)
	if c.session = s; s == nil {
		return out
	}
	s.online = c
	for _, payload := range s.queue {
		c.nextID++
		out = packet.AppendPublish(out, f.version, &packet.PublishOut{QoS: 1, PacketID: c.nextID, Topic: s.topic, Payload: payload})
	}
	s.queue = nil
	return out
}

func (f *fake) publish(t *testing.T, c *fakeConn, frame packet.Frame) bool {
	var p packet.Publish
	if err := p.Decode(frame, f.version); err != nil {
		t.Errorf("generator sent a bad PUBLISH: %v", err)
		return false
	}
	f.messages++
	do := fate{copies: 1}
	if f.fate != nil {
		do = f.fate(f.messages)
	}
	topic := string(p.Topic)
	if do.later {
		f.held[topic] = slices.Clone(p.Payload)
	} else {
		for range do.copies {
			f.deliver(topic, p.QoS, p.Payload)
		}
		if held := f.held[topic]; held != nil {
			delete(f.held, topic)
			f.deliver(topic, p.QoS, held)
		}
	}
	if p.QoS > 0 && !do.noAck {
		if _, err := c.Write(packet.AppendAck(nil, packet.TypePubAck, f.version, p.PacketID, do.reason)); err != nil {
			return false
		}
	}
	if f.after != nil {
		f.after(f, c, f.messages)
	}
	return true
}

func (f *fake) deliver(topic string, q packet.QoS, payload []byte) {
	for _, s := range f.away {
		if s.topic == topic && s.online == nil {
			s.queue = append(s.queue, slices.Clone(payload))
		}
	}
	if f.other != nil {
		f.other(topic, slices.Clone(payload))
	}
	f.sent = append(f.sent, time.Now())
	for _, s := range f.subs[topic] {
		s.nextID = max(s.nextID+1, 1)
		s.wbuf = packet.AppendPublish(s.wbuf[:0], f.version, &packet.PublishOut{
			QoS: q, PacketID: s.nextID, Topic: topic, Payload: payload,
		})
		_, _ = s.Write(s.wbuf) // a client that is gone gets nothing
	}
}
