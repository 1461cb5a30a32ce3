package netloop

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"
)

// behindProxy starts an engine that echoes over TLS and believes in PROXY headers of this host.
func behindProxy(t *testing.T, cfg Config) (e *Engine, dial func(client string) net.Conn) {
	t.Helper()
	e = startEngine(t, cfg)
	addr := listenWith(t, e, ListenConfig{
		TLS:   testServerTLS(),
		Proxy: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		NewHandler: func(*Conn) Handler {
			p := newProbe(t)
			p.onData = echo
			return p
		},
	})
	return e, func(client string) net.Conn {
		t.Helper()
		nc := dialTCP(t, addr)
		send(t, nc, fmt.Appendf(nil, "PROXY TCP4 %s 198.51.100.1 256 8883\r\n", client))
		return nc
	}
}

// stallAll has a client stall n handshakes, and waits until all of them wait for it, the first one longest.
func stallAll(t *testing.T, e *Engine, dial func(string) net.Conn, client string, n int) (stalled []net.Conn) {
	t.Helper()
	hello := clientHello(t)
	for i := range n {
		nc := dial(client)
		send(t, nc, hello)
		wantBytes(t, nc, []byte{recordHandshake})
		eventually(t, "handshake that rests", func() bool { return e.restingForTest(client) > i })
		stalled = append(stalled, nc)
	}
	return stalled
}

// restingForTest is how many handshakes of client wait for it.
func (e *Engine) restingForTest(client string) int {
	p := e.handshakes.places
	p.mu.Lock()
	defer p.mu.Unlock()
	if all := p.byAddr[netip.MustParseAddr(client)]; all != nil {
		return all.resting.Len()
	}
	return 0
}

// wantEnd waits for the end of a connection, whatever has been sent before.
func wantEnd(t *testing.T, nc net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open")
	}
}

// Addresses that stall handshakes in all places do not keep others out, and cannot take a place from each other.
func TestHandshakeDisplaced(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		cfg.HandshakeQueue, cfg.HandshakesPerAddr = 7, 4
		cfg.Now = new(movedClock).now // stands still: no handshake ends since its time is over
		e, dial := behindProxy(t, cfg)
		a := stallAll(t, e, dial, "192.0.2.1", 4)
		b := stallAll(t, e, dial, "192.0.2.2", 3)
		check(t, tlsEchoOver(t, dial("192.0.2.3")))
		wantEnd(t, a[0])
		eventually(t, "place that is given back", func() bool { return e.Stats().HandshakesUnderWay == 6 })
		c := stallAll(t, e, dial, "192.0.2.3", 1) // full again
		for _, client := range []string{"192.0.2.1", "192.0.2.2"} {
			if err := tlsEchoOver(t, dial(client)); err == nil {
				t.Errorf("%s has got a place that it is not due", client)
			}
		}
		st := e.Stats()
		if st.HandshakesDisplaced != 1 || st.HandshakesRefused != 2 || st.HandshakesFailed != 0 || st.Handshakes != 1 || st.HandshakesUnderWay != 7 {
			t.Errorf("stats %+v, want 1 displaced, 2 refused, 0 failed, 1 done, 7 under way", st)
		}
		for _, nc := range append(slices.Concat(a[1:], b), c...) { // all of these are there still
			check(t, nc.SetReadDeadline(time.Now()))
			if _, err := io.Copy(io.Discard, nc); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection has ended: %v", err)
			}
		}
		shutdown(t, e, nil)
		if p := e.handshakes.places; p.taken != 0 || len(p.byAddr) != 0 || len(p.order) != 0 {
			t.Errorf("%d under way, of %d addresses after Shutdown", p.taken, len(p.byAddr))
		}
	})
}

// A handshake that is displaced ends though no slot is free: else those that flood a busy node could have any number of them.
func TestDisplacedNeedsNoSlot(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		cfg.HandshakeQueue, cfg.HandshakesPerAddr, cfg.HandshakeWorkers = 4, 4, 1
		cfg.Now = new(movedClock).now // stands still: no handshake ends since its time is over
		e, dial := behindProxy(t, cfg)
		a := stallAll(t, e, dial, "192.0.2.1", 4)
		slot := <-e.handshakes.slots
		defer func() { e.handshakes.slots <- slot }()
		hello := clientHello(t)
		send(t, dial("192.0.2.3"), hello) // waits for the slot
		wantEnd(t, a[0])
		send(t, dial("192.0.2.3"), hello)
		wantEnd(t, a[1])
		send(t, a[2], []byte{recordHandshake, 3, 3}) // it waits for the slot now, and no more for its peer
		eventually(t, "handshake that is awake", func() bool { return e.restingForTest("192.0.2.1") == 1 })
		refused := dial("192.0.2.4")
		send(t, refused, hello)
		wantEnd(t, refused)
		if st := e.Stats(); st.HandshakesDisplaced != 2 || st.HandshakesRefused != 1 {
			t.Errorf("stats %+v, want 2 displaced and 1 refused", st)
		}
	})
}

// placesModel is what places do, plainly.
type placesModel struct {
	p     *places
	all   []*handshake // that have a place
	rests []*handshake // of these, the longest first
}

func (m *placesModel) of(addr netip.Addr, among []*handshake) (of []*handshake) {
	for _, h := range among {
		if h.addr == addr {
			of = append(of, h)
		}
	}
	return of
}

// enter returns whether there is a place, and of how many that wait at one address one must go.
func (m *placesModel) enter(addr netip.Addr) (most int, ok bool) {
	mine := len(m.of(addr, m.all))
	if addr.IsValid() && mine >= m.p.perAddr {
		return 0, false
	}
	if len(m.all) < m.p.most {
		return 0, true
	}
	of := make(map[netip.Addr]int)
	for _, h := range m.rests {
		of[h.addr]++
		most = max(most, of[h.addr])
	}
	return most, most > m.p.kept && most > mine+1
}

func (m *placesModel) remove(h *handshake) {
	is := func(o *handshake) bool { return o == h }
	m.all, m.rests = slices.DeleteFunc(m.all, is), slices.DeleteFunc(m.rests, is)
}

func TestPlacesAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	addrs := []netip.Addr{{}}
	for i := range 9 {
		addrs = append(addrs, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	m := &placesModel{p: newPlaces(300, 120)} // of which 2 of an address are not displaced
	displaced, refused := 0, 0
	for range 20_000 {
		switch op := r.IntN(10); {
		case op < 5 || len(m.all) == 0:
			h := &handshake{addr: addrs[min(r.IntN(len(addrs)), r.IntN(len(addrs)))]}
			most, want := m.enter(h.addr)
			other, got := m.p.enter(h)
			if got != want || (other != nil) != (want && most > 0) {
				t.Fatalf("enter: got %t, displaced %v; want %t, one of %d", got, other, want, most)
			}
			if !got {
				refused++
				continue
			}
			if other != nil {
				displaced++
				if of := m.of(other.addr, m.rests); len(of) != most || of[0] != other {
					t.Fatalf("displaced one of %d that rest, want the first of %d", len(of), most)
				}
				if m.p.wake(other) || m.p.leave(other) {
					t.Fatal("one that was displaced has a place")
				}
				m.remove(other)
			}
			m.all = append(m.all, h)
		case op < 8:
			h := m.all[r.IntN(len(m.all))]
			if !slices.Contains(m.rests, h) {
				m.p.rest(h)
				m.rests = append(m.rests, h)
			}
		case op < 9:
			h := m.all[r.IntN(len(m.all))]
			if !m.p.wake(h) {
				t.Fatal("one that was not displaced has no place")
			}
			m.rests = slices.DeleteFunc(m.rests, func(o *handshake) bool { return o == h })
		default:
			h := m.all[r.IntN(len(m.all))]
			if !m.p.wake(h) || !m.p.leave(h) {
				t.Fatal("one that was not displaced has no place")
			}
			m.remove(h)
		}
		if got := m.p.count(); got != len(m.all) {
			t.Fatalf("%d under way, want %d", got, len(m.all))
		}
	}
	if displaced == 0 || refused == 0 {
		t.Errorf("%d displaced and %d refused, want some", displaced, refused)
	}
}
