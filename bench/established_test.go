package bench

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

func TestEstablished(t *testing.T) {
	cert, file := certificate(t)
	plain := startPeer(t)
	relayed := "mqtts://" + startRelay(t, strings.TrimPrefix(plain, "mqtt://"), netloop.ListenConfig{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	o := small(P2P, plain)
	o.CAFile, o.Pairs = file, 5
	e, err := Establish(t.Context(), o, []string{plain, relayed, plain}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p, err := e.Measure("measure", 300*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if p.PerSecond <= 0 || p.Silent == o.Pairs || p.Latency.Samples == 0 {
			t.Errorf("got %+v, want deliveries", p)
		}
	}
	if err := e.Pause("pause", time.Millisecond); err != nil {
		t.Error(err)
	}
	m, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	if m.Lost != 0 || m.Received == 0 || m.Received != m.Acknowledged {
		t.Errorf("got %+v, want all that was acknowledged", m)
	}
}

// A pair whose connection ends is not established any more.
func TestEstablishedIsLost(t *testing.T) {
	plain := startPeer(t)
	e, err := Establish(t.Context(), small(P2P, plain), []string{plain}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := e.f.clients[0]
	c.meter.loop.PostFunc(func() { c.conn.Close(netloop.ErrPeerGone) })
	if _, err := e.Measure("measure", time.Minute); err == nil || !strings.Contains(err.Error(), "connection lost") {
		t.Errorf("got %v, want the connection to be missed", err)
	}
	if _, err := e.Close(); err == nil {
		t.Error("got no error from Close")
	}
}

func TestEstablishRefuses(t *testing.T) {
	o := small(P2P, "mqtt://127.0.0.1:1")
	for name, try := range map[string]func() error{
		"no URL":    func() error { _, err := Establish(t.Context(), o, nil, nil); return err },
		"bad URL":   func() error { _, err := Establish(t.Context(), o, []string{"x://y"}, nil); return err },
		"no broker": func() error { _, err := Establish(t.Context(), o, []string{o.URL}, nil); return err },
	} {
		if try() == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
