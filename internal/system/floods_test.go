//go:build system

package system

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/bench"
	"github.com/holdfast-mqtt/holdfast/bench/floods"
)

// TestFloods floods a node in every way, while pairs of clients over TCP, TLS and WebSocket exchange messages as fast as
// they can. During each flood every pair goes on, none is disconnected, and in the end nothing acknowledged is lost.
// Then the floods' connections, goroutines and memory are gone.
func TestFloods(t *testing.T) {
	dir := t.TempDir()
	newAuthority(t, dir).server("server", "server")
	n := startNode(t, "--data", "memory", "--listen", "mqtts://127.0.0.1:0", "--listen", "ws://127.0.0.1:0/mqtt",
		"--tls-cert", filepath.Join(dir, "server.pem"), "--tls-key", filepath.Join(dir, "server.key"))
	ports := n.ports()
	addrs := map[string]string{}
	for scheme, port := range map[string]string{"mqtt": n.port, "mqtts": ports["mqtts"][0], "ws": ports["ws"][0]} {
		addrs[scheme] = net.JoinHostPort("127.0.0.1", port)
	}
	idle := n.measure(t)

	o := bench.Defaults(bench.P2P)
	o.Pairs, o.CAFile, o.Drain = 12, filepath.Join(dir, "ca.pem"), deadline
	urls := []string{"mqtt://" + addrs["mqtt"], "mqtts://" + addrs["mqtts"], "ws://" + addrs["ws"] + "/mqtt"}
	e, err := bench.Establish(t.Context(), o, urls, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range floods.Kinds() {
		out, err := floodOnce(t, e, k, addrs[k.Scheme()])
		if err != nil {
			t.Fatalf("%s: the pairs have failed: %v", k, err)
		}
		t.Logf("%s: %d attempts, %d of them in vain", k, out.Attempts, out.Failed)
		if out.Attempts == 0 {
			t.Errorf("%s: got no attempt, want a flood", k)
		}
	}
	// The broker forgets the floods while the pairs are still there.
	n.await(t, "connections", func(m usage) bool { return m.connections == float64(2*o.Pairs) })
	m, err := e.Close()
	if err != nil {
		t.Fatal(err)
	}
	if m.Lost != 0 || m.Duplicates != 0 || m.OutOfOrder != 0 || m.Received == 0 {
		t.Errorf("got %d messages, %d lost, %d twice, %d in wrong order, want all and each once", m.Received, m.Lost, m.Duplicates, m.OutOfOrder)
	}
	n.await(t, "no connection, the goroutines of before and at most 64 MiB more memory", func(m usage) bool {
		return m.connections == 0 && m.goroutines <= idle.goroutines+8 && m.memory <= idle.memory+64<<20
	})
}

// floodOnce floods until there has been a time in which every pair got messages.
func floodOnce(t *testing.T, e *bench.Established, k floods.Kind, addr string) (floods.Outcome, error) {
	t.Helper()
	f, err := floods.New(k, addr)
	if err != nil {
		t.Fatalf("%s: %v", k, err)
	}
	defer f.Close()
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	ended := make(chan floods.Outcome, 1)
	go func() { ended <- f.Run(ctx, 100_000, deadline) }() // some thousand a second
	err = e.Pause("", time.Second)
	for since := time.Now(); err == nil; {
		var p bench.Phase
		if p, err = e.Measure("", 300*time.Millisecond); p.Silent == 0 {
			break
		}
		if time.Since(since) > deadline/2 {
			t.Errorf("%s: got nothing for %d pairs, want messages for all", k, p.Silent)
			break
		}
	}
	enough()
	return <-ended, err
}

// usage is what a node's metrics say of it.
type usage struct{ connections, goroutines, memory float64 }

func (n *node) measure(t *testing.T) (u usage) {
	t.Helper()
	r, err := http.Get("http://" + n.api + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		for name, to := range map[string]*float64{
			"holdfast_connections": &u.connections, "go_goroutines": &u.goroutines, "process_resident_memory_bytes": &u.memory,
		} {
			if value, ok := strings.CutPrefix(line, name+" "); ok {
				if _, err := fmt.Sscan(value, to); err != nil {
					t.Fatalf("metric %s is %q: %v", name, value, err)
				}
			}
		}
	}
	if u.goroutines == 0 || u.memory == 0 {
		t.Fatalf("got no goroutines and memory in %s", text)
	}
	return u
}

// await waits until what the metrics say is as it should be.
func (n *node) await(t *testing.T, what string, ok func(usage) bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); ; <-tick.C {
		u := n.measure(t)
		if ok(u) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("got %+v, want %s", u, what)
		}
	}
}
