package netloop

import "testing"

// A handler that takes a little per call and asks to be called again gets all
// of it in order, no more at once than one read brings, and its connection's
// end after that. Other connections of the loop have their turn in between.
func TestAgain(t *testing.T) {
	const total, perCall = 1 << 20, 512
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		cfg.Loops, cfg.ReadBuffer = 1, 64<<10
		e := startEngine(t, cfg)
		sent := pattern(total)
		taken, calls, most := 0, 0, 0
		betweenCalls := make(chan int, 1)
		slow := newProbe(t)
		slow.onData = func(c *Conn, data []byte) int {
			calls++
			most = max(most, len(data))
			n := min(perCall, len(data))
			if string(data[:n]) != string(sent[taken:taken+n]) {
				t.Errorf("bytes %d to %d are not what was sent", taken, taken+n)
			}
			taken += n
			if n < len(data) {
				c.Again()
			}
			if calls == 2 { // of a read's 128
				c.Loop().PostFunc(func() { betweenCalls <- calls })
			}
			return n
		}
		client := tr.dial(t, tr.listen(t, e, func(*Conn) Handler { return slow }))
		send(t, client, sent)
		check(t, client.CloseWrite())
		if got := receive(t, betweenCalls, "turn of the loop"); got > 3 {
			t.Errorf("a task waited until call %d, want it to run after call 2 or 3", got)
		}
		wantClosed(t, slow, ErrPeerGone)
		if taken != total {
			t.Errorf("got %d bytes before OnClose, want %d", taken, total)
		}
		// After a TLS handshake also what the peer was ahead of it.
		if limit := cfg.ReadBuffer + plainSpare + maxPending; most > limit {
			t.Errorf("got %d bytes in one call, want at most %d: nothing is read while input is left over", most, limit)
		}
	})
}
