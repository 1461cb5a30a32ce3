package bench

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// startNatives runs a broker that speaks MQTT, and returns its URL and those of its native listeners.
func startNatives(t *testing.T) (url string, natives []string) {
	t.Helper()
	e, err := netloop.New(netloop.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	store := memory.New()
	b := broker.New(broker.Config{Store: store, AutoSubscribe: []broker.AutoSubscription{{TopicFilter: "to/%u", Options: topic.NewOptions(1, false, false, 0)}}})
	if err := b.Restore(func(int) {}); err != nil {
		t.Fatal(err)
	}
	m := mqtt.NewServer(mqtt.Config{Broker: b}, e)
	p := miop.NewServer(miop.Config{Broker: b}, e)
	x := ximp.NewServer(ximp.Config{Broker: b}, e)
	t.Cleanup(func() {
		m.Stop()
		p.Stop()
		x.Stop()
		if err := e.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		b.Close()
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	from := &login.Listener{App: broker.DefaultApp}
	listen := func(newHandler func(*netloop.Conn) netloop.Handler) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Listen(ln, newHandler, nil); err != nil {
			t.Fatal(err)
		}
		return ln.Addr().String()
	}
	return "mqtt://" + listen(m.NewHandler), []string{
		"miop://" + listen(p.HandlerOf(from)), "ximp://" + listen(x.HandlerOf(&ximp.Listener{Listener: *from})),
	}
}

func TestNativeReceivers(t *testing.T) {
	url, natives := startNatives(t)
	for _, native := range natives {
		for _, topic := range []string{"", "to/%u"} {
			o := small(P2P, url)
			o.Receivers, o.Topic = native, topic
			o.Drain = 5 * time.Second // a XIMP client that has just logged in is left alone for 2 s
			r, err := Run(t.Context(), o, nil)
			if err != nil {
				t.Fatalf("%s %s: %v", native, topic, err)
			}
			if m := r.Messages; m.Published == 0 || m.Received != m.Published || m.Lost+m.Duplicates+m.OutOfOrder != 0 || r.Receivers != native {
				t.Errorf("%s %s: got %+v, want all published once and in order", native, topic, m)
			}
		}
		o := small(Conn, native)
		r, err := Run(t.Context(), o, nil)
		if err != nil || r.Connections.Attempted != o.Clients || r.Connections.Failed != 0 {
			t.Errorf("%s: got %+v, %v, want %d connections", native, r.Connections, err, o.Clients)
		}
	}
}

func TestTopic(t *testing.T) {
	url, _ := startNatives(t)
	o := small(P2P, url)
	o.Topic = "inbox/%c"
	if r, err := Run(t.Context(), o, nil); err != nil || r.Messages.Received == 0 || r.Messages.Lost != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestValidateReceivers(t *testing.T) {
	for _, tt := range []struct {
		change func(*Options)
		want   string // "" for no fault
	}{
		{func(o *Options) { o.Receivers = "miop://127.0.0.1" }, ""},
		{func(o *Options) { o.Receivers, o.Topic = "miops://127.0.0.1:1", "d/%c" }, ""},
		{func(o *Options) { o.Receivers, o.QoS = "miop://127.0.0.1", 0 }, "QoS 1"},
		{func(o *Options) { o.Receivers, o.Mode = "miop://127.0.0.1", FanOut }, "no receivers"},
		{func(o *Options) { o.URL = "miop://127.0.0.1" }, "publishes with MQTT"},
		{func(o *Options) { o.URL, o.Mode = "miop://127.0.0.1", Conn }, ""},
		{func(o *Options) { o.Topic = "inbox/x" }, "%c"},
		{func(o *Options) { o.Topic, o.Mode = "inbox/%c", FanIn }, "%c"},
	} {
		o := Defaults(P2P)
		tt.change(&o)
		if err := o.Validate(); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}
