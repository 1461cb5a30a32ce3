package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	miop "github.com/holdfast-mqtt/holdfast/bridge/miop/client"
	miopPacket "github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	ximp "github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	ximpPacket "github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/overload"
)

// enter logs a client in that acknowledges nothing, and returns its inbox and what it has been refused with, or "".
func (l *loaded) enter(protocol string, nc net.Conn, name string) (inbox, refused string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	l.t.Cleanup(cancel)
	switch protocol {
	case config.MIOP:
		c := miop.New(nc, miop.Options{Manual: true})
		l.t.Cleanup(c.Close)
		if err := c.Bind(ctx, miopPacket.BindRequest{User: []byte(name), AppID: 1, KeepAlive: 300}); err != nil {
			refused = "closed"
		}
		return "inbox/m:" + name, refused
	case config.XIMP:
		c, err := ximp.New(ctx, nc, ximpOptions(name))
		if err != nil {
			return "", err.Error()
		}
		l.t.Cleanup(c.Close)
		return "inbox/x:" + name + ":mobile:d", ""
	}
	l.send(nc, strings.Replace(connect3, "\x01a", "\x01"+name, 1))
	b := make([]byte, len(connAck3))
	if _, err := io.ReadFull(nc, b); err != nil {
		l.t.Fatal(err)
	}
	if string(b) != connAck3 {
		refused = fmt.Sprintf("% x", b)
	}
	return "inbox/" + name, refused
}

func ximpOptions(name string) ximp.Options {
	return ximp.Options{User: name, Platform: "mobile", DeviceID: "d", Header: ximpPacket.Header{Version: 1, ClientVersion: 102, App: 4242}}
}

// publishMany publishes short messages at QoS 1, and waits for their acknowledgements.
func (c connected) publishMany(topic string, n int) {
	c.t.Helper()
	var all strings.Builder
	for i := range n {
		body := "\x00" + string(byte(len(topic))) + topic + string([]byte{byte((i + 1) >> 8), byte(i + 1)}) + "x"
		all.WriteString("\x32" + string(byte(len(body))) + body)
	}
	c.send(c, all.String())
	for i := range n {
		c.receive(c, "\x40\x02"+string([]byte{byte((i + 1) >> 8), byte(i + 1)}))
	}
}

// TestStepsOfFronts has clients of each protocol meet each level: how much is on its way to one that acknowledges nothing, what one is told
// that has a connection and is not logged in, and whether another connection is accepted.
func TestStepsOfFronts(t *testing.T) {
	const messages = 900
	for _, tt := range []struct {
		protocol string
		window   [4]int // by level
		refused  string // at critical
	}{
		{config.MQTT, [4]int{messages, 250, 62, 62}, "20 02 00 03"},
		{config.MIOP, [4]int{64, 16, 4, 4}, "closed"},
		{config.XIMP, [4]int{messages, 250, 62, 62}, "1015"},
	} {
		for _, level := range overload.Levels {
			t.Run(tt.protocol+" "+level.String(), func(t *testing.T) {
				l := newLoaded(t, config.Protect)
				p := l.connect("p")
				inbox, refused := l.enter(tt.protocol, l.dialTo(tt.protocol), "r")
				if refused != "" {
					t.Fatalf("while nothing is to be feared: got refused with %s", refused)
				}
				early := l.dialTo(tt.protocol)
				l.accepted(3)
				l.rise(level)
				p.publishMany(inbox, messages)
				l.inflight(p, int64(tt.window[level]))
				want := ""
				if level == overload.Critical {
					want = tt.refused
				}
				if _, refused = l.enter(tt.protocol, early, "e"); !strings.Contains(refused, want) || (refused == "") != (want == "") {
					t.Errorf("a client that comes: got refused with %q, want %q", refused, want)
				}
				late := l.dialTo(tt.protocol)
				if level < overload.High {
					l.accepted(4)
					return
				}
				p.ping()
				if got := l.room.engine.Stats().Accepted; got != 3 {
					t.Errorf("%d connections are accepted, want 3: the other one is to wait", got)
				}
				l.fall(overload.Normal)
				if _, refused = l.enter(tt.protocol, late, "f"); refused != "" {
					t.Errorf("the one that waited: got refused with %s afterwards, want let in", refused)
				}
			})
		}
	}
}

// inflight waits until so many messages are on their way, since the loop of the receiver puts them out in its own time, and sees that there
// are no more of them after what p had published before is handled.
func (l *loaded) inflight(p connected, want int64) {
	l.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); l.room.broker.Stats().Inflight < want && time.Now().Before(end); <-tick.C {
	}
	for range 3 {
		p.ping()
		<-tick.C
	}
	if got := l.room.broker.Stats().Inflight; got != want {
		l.t.Errorf("%d are on their way to the client, want %d", got, want)
	}
}

// accepted waits until so many connections are.
func (l *loaded) accepted(n uint64) {
	l.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); l.room.engine.Stats().Accepted < n; <-tick.C {
		if time.Now().After(end) {
			l.t.Fatalf("%d connections are accepted, want %d", l.room.engine.Stats().Accepted, n)
		}
	}
}

// deaf is a connection that can be not read from.
type deaf struct {
	net.Conn
	mu  sync.Mutex
	off bool
	on  *sync.Cond
}

func newDeaf(nc net.Conn) *deaf {
	d := &deaf{Conn: nc}
	d.on = sync.NewCond(&d.mu)
	return d
}

func (d *deaf) Read(b []byte) (int, error) {
	d.mu.Lock()
	for d.off {
		d.on.Wait()
	}
	d.mu.Unlock()
	return d.Conn.Read(b[:min(len(b), 256)])
}

func (d *deaf) set(off bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = off
	d.on.Broadcast()
}

// TestSlowNatives has a client of MIOP, and one of XIMP in a room, read nothing: while the load is elevated it loses what is published at QoS
// 0, which is counted; while it is critical it loses its connection. Another one of its kind does not.
func TestSlowNatives(t *testing.T) {
	for protocol, enter := range map[string]func(l *loaded, nc net.Conn, name string) (topic string, done <-chan struct{}){
		config.MIOP: func(l *loaded, nc net.Conn, name string) (string, <-chan struct{}) {
			c := miop.New(nc, miop.Options{})
			l.t.Cleanup(c.Close)
			if err := c.Bind(l.t.Context(), miopPacket.BindRequest{User: []byte(name), AppID: 1, KeepAlive: 300}); err != nil {
				l.t.Fatal(err)
			}
			return "inbox/m:" + name, c.Done()
		},
		config.XIMP: func(l *loaded, nc net.Conn, name string) (string, <-chan struct{}) {
			c, err := ximp.New(l.t.Context(), nc, ximpOptions(name))
			if err != nil {
				l.t.Fatal(err)
			}
			l.t.Cleanup(c.Close)
			if _, err := c.Join(l.t.Context(), name, nil); err != nil {
				l.t.Fatal(err)
			}
			return "group/" + name, c.Done()
		},
	} {
		t.Run(protocol, func(t *testing.T) {
			l := newLoaded(t, config.Protect)
			p := l.connect("p")
			nc := newDeaf(l.dialTo(protocol))
			defer nc.set(false)
			topic, done := enter(l, nc, "s")
			_, healthy := enter(l, l.dialTo(protocol), "h")
			l.rise(overload.Elevated)
			nc.set(true)
			until := func(step string, do func()) {
				t.Helper()
				tick := time.NewTicker(5 * time.Millisecond)
				defer tick.Stop()
				for end := time.Now().Add(patience / 2); l.load.Stats().Steps[step] == 0; <-tick.C {
					if do(); time.Now().After(end) {
						t.Fatalf("%s is counted for nobody, want the one that reads nothing", step)
					}
				}
			}
			until("qos0_dropped", func() { p.publishTo(topic, 0, 0) })
			l.fall(overload.Normal)
			for i := range byte(40) { // nothing is dropped before it is put out
				p.publishTo(topic, 0, i)
			}
			until("slowest_closed", func() { l.rise(overload.Critical); p.ping() })
			nc.set(false)
			select {
			case <-done:
			case <-time.After(patience):
				t.Error("the slow client is connected still")
			}
			for range 5 {
				l.sample(overload.Critical)
				p.ping()
			}
			if got := l.load.Stats().Steps["slowest_closed"]; got != 1 {
				t.Errorf("%d are closed, want the slow one", got)
			}
			select {
			case <-healthy:
				t.Error("another client, for which nothing waits, is closed too")
			default:
			}
		})
	}
}
