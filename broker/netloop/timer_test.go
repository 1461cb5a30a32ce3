package netloop

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

// bubble runs test in a bubble with one connection of a portable engine.
func bubble(t *testing.T, p func(t *testing.T) *probe, test func(t *testing.T, p *probe, c *Conn, peer *memnet.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Config{Portable: true, Loops: 2})
		if err != nil {
			t.Fatal(err)
		}
		pr := p(t)
		server, peer := memnet.Pipe()
		if err := e.Adopt(server, func(*Conn) Handler { return pr }); err != nil {
			t.Fatal(err)
		}
		test(t, pr, <-pr.opened, peer)
		peer.Close()
		if err := e.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// timerProbe reports the time of every OnTimer on a channel that it makes,
// since it must be the bubble's.
func timerProbe(fired *chan time.Time) func(t *testing.T) *probe {
	return func(t *testing.T) *probe {
		p := newProbe(t)
		*fired = make(chan time.Time, 2)
		p.onTimer = func(*Conn) { *fired <- time.Now() }
		return p
	}
}

// wantOnTime checks that a timer of duration d was not early and at most two
// ticks late.
func wantOnTime(t *testing.T, from, at time.Time, d time.Duration) {
	t.Helper()
	if got := at.Sub(from); got < d || got > d+2*wheelTick {
		t.Errorf("timer of %v fired after %v, want at most %v more", d, got, 2*wheelTick)
	}
}

func TestTimerOnTime(t *testing.T) {
	var fired chan time.Time
	bubble(t, timerProbe(&fired), func(t *testing.T, _ *probe, c *Conn, _ *memnet.Conn) {
		r := newSeed(t)
		durations := []time.Duration{
			1, time.Millisecond, wheelTick - 1, wheelTick, wheelTick + 1, 63 * wheelTick, 64 * wheelTick, 65 * wheelTick,
			4095 * wheelTick, 4096 * wheelTick, 4097 * wheelTick, time.Minute, time.Hour, 25 * time.Hour,
			123 * 24 * time.Hour, 125 * 24 * time.Hour, 400 * 24 * time.Hour,
		}
		for range 300 {
			durations = append(durations, time.Duration(1+r.Int64N(1<<(10+r.IntN(40)))))
		}
		for _, d := range durations {
			var from time.Time
			onLoopSync(c, func() { from = time.Now(); c.SetTimer(d) })
			wantOnTime(t, from, <-fired, d)
			time.Sleep(time.Duration(r.Int64N(int64(3 * wheelTick)))) // fake time: start anywhere within a tick
		}
	})
}

// onLoopSync is onLoop inside a bubble, where a hang is a deadlock and a timer
// for it would move the clock.
func onLoopSync(c *Conn, f func()) {
	done := make(chan struct{})
	c.Loop().PostFunc(func() { f(); close(done) })
	<-done
}

func TestTimerReplacedAndStopped(t *testing.T) {
	for name, tc := range map[string]struct {
		first, second time.Duration
		want          time.Duration // 0: never
	}{
		"later":            {time.Second, 3 * time.Second, 3 * time.Second},
		"earlier":          {3 * time.Second, time.Second, time.Second},
		"stopped":          {time.Second, 0, 0},
		"stopped below":    {time.Second, -time.Second, 0},
		"never armed":      {0, 0, 0},
		"armed after stop": {0, time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var fired chan time.Time
			bubble(t, timerProbe(&fired), func(t *testing.T, _ *probe, c *Conn, _ *memnet.Conn) {
				var from time.Time
				onLoopSync(c, func() { c.SetTimer(tc.first) })
				onLoopSync(c, func() { from = time.Now(); c.SetTimer(tc.second) })
				time.Sleep(time.Minute) // fake time
				synctest.Wait()
				if tc.want > 0 {
					wantOnTime(t, from, <-fired, tc.want)
				}
				if len(fired) > 0 {
					t.Errorf("fired %v after the start, want not to", (<-fired).Sub(from))
				}
			})
		})
	}
}

// A timer that sets itself again, as Keep Alive does, from the reader's turn
// and from its own.
func TestTimerAgainAndAgain(t *testing.T) {
	const d = 1500 * time.Millisecond
	var fired chan time.Time
	var from time.Time
	bubble(t, func(t *testing.T) *probe {
		p := timerProbe(&fired)(t)
		p.onData = func(c *Conn, data []byte) int { from = time.Now(); c.SetTimer(d); return len(data) }
		return p
	}, func(t *testing.T, _ *probe, _ *Conn, peer *memnet.Conn) {
		for range 50 {
			for range 5 {
				send(t, peer, []byte("x"))
				time.Sleep(time.Second) // fake time: the timer is put off
				if len(fired) > 0 {
					t.Fatal("fired although put off")
				}
			}
			wantOnTime(t, from, <-fired, d)
		}
	})
}

func TestTimerEndsWithConnection(t *testing.T) {
	var fired chan time.Time
	bubble(t, timerProbe(&fired), func(t *testing.T, p *probe, c *Conn, peer *memnet.Conn) {
		onLoopSync(c, func() { c.SetTimer(time.Second) })
		peer.Close()
		if err := <-p.closed; !errors.Is(err, ErrPeerGone) {
			t.Errorf("OnClose(%v), want ErrPeerGone", err)
		}
		time.Sleep(time.Minute) // fake time
		if len(fired) > 0 {
			t.Error("OnTimer after OnClose")
		}
	})
}

// A closed connection waits for the peer's end, and not for ever.
func TestLingerIsBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		full bool // the peer takes no output
		then func(peer *memnet.Conn)
		want time.Duration
	}{
		"peer ends":         {false, func(peer *memnet.Conn) { peer.Close() }, 0},
		"peer keeps open":   {false, func(*memnet.Conn) {}, lingerTime},
		"peer never reads":  {true, func(*memnet.Conn) {}, lingerTime},
		"peer half-closed":  {true, func(peer *memnet.Conn) { _ = peer.CloseWrite() }, lingerTime},
		"connection broken": {true, func(peer *memnet.Conn) { peer.Reset() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, err := New(Config{Portable: true, Loops: 1})
				if err != nil {
					t.Fatal(err)
				}
				p := newProbe(t)
				server, peer := memnet.Pipe()
				if err := e.Adopt(server, func(*Conn) Handler { return p }); err != nil {
					t.Fatal(err)
				}
				c := <-p.opened
				from := time.Now()
				server.BlockWrites(tc.full)
				onLoopSync(c, func() {
					c.Write(c.Loop(), []byte("bye"))
					c.Close(net.ErrClosed)
				})
				tc.then(peer)
				if err := e.Shutdown(context.Background()); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				// Shutdown looks every few milliseconds.
				if got := time.Since(from); got < tc.want || got > tc.want+3*wheelTick {
					t.Errorf("socket open for %v, want %v", got, tc.want)
				}
				peer.Close()
			})
		})
	}
}
