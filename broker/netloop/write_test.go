package netloop

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

// A peer that is slow gets everything in order; meanwhile Begin refuses above
// the high water mark, and OnWritable comes at the low one.
func TestWaterMarks(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		cfg.HighWater, cfg.LowWater = 64<<10, 16<<10
		const total, chunk = 8 << 20, 10_000
		want := pattern(total)
		p := newProbe(t)
		var refused, writable, sent int
		fill := func(c *Conn) {
			for sent < total {
				n := min(chunk, total-sent)
				b, ok := c.Begin(n)
				if !ok {
					refused++
					if got := c.Waiting(); got > cfg.HighWater+chunk {
						t.Errorf("%d bytes wait, want at most %d", got, cfg.HighWater+chunk)
					}
					return
				}
				c.End(c.Loop(), append(b, want[sent:sent+n]...))
				sent += n
			}
		}
		p.onOpen = fill
		p.onWritable = func(c *Conn) {
			writable++
			fill(c)
		}
		c, client := tr.connect(t, cfg, p)
		wantBytes(t, client, want)
		// Bytes are counted as written after the peer may have read them.
		for began := time.Now(); c.Waiting() > 0 && time.Since(began) < patience; {
			onLoop(t, c, func() {})
		}
		onLoop(t, c, func() {
			if refused == 0 || writable != refused {
				t.Errorf("refused %d times, OnWritable %d times; want the same and some", refused, writable)
			}
			if got := c.Waiting(); got != 0 {
				t.Errorf("%d bytes wait although all are read", got)
			}
		})
	})
}

// Headers and lent payloads alternate, of all sizes.
func TestEndRef(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		r := newSeed(t)
		var want []byte
		type message struct{ header, payload []byte }
		var messages []message
		for range 500 {
			m := message{randomBytes(r, r.IntN(20)), randomBytes(r, r.IntN(1<<r.IntN(17)))}
			messages = append(messages, m)
			want = append(append(want, m.header...), m.payload...)
		}
		p := newProbe(t)
		c, client := tr.connect(t, cfg, p)
		c.Loop().PostFunc(func() {
			for _, m := range messages {
				if b, ok := c.BeginControl(len(m.header)); ok {
					c.EndRef(c.Loop(), append(b, m.header...), m.payload)
					c.Loop().FlushUrgent()
				}
			}
		})
		wantBytes(t, client, want)
	})
}

// What one turn puts out leaves in one write.
func TestCoalescing(t *testing.T) {
	e := startEngine(t, Config{Portable: true})
	p := newProbe(t)
	server, peer := memnet.Pipe()
	if err := e.Adopt(server, func(*Conn) Handler { return p }); err != nil {
		t.Fatal(err)
	}
	c := p.conn()
	want := pattern(chunkSize)
	onLoop(t, c, func() {
		for i := range want {
			c.Write(c.Loop(), want[i:i+1])
		}
	})
	wantBytes(t, peer, want)
	if got := server.Writes(); got != 1 {
		t.Errorf("%d writes for %d messages of one turn, want 1", got, len(want))
	}
	peer.Close()
}

// numbered appends which writer wrote its how-manieth message.
func numbered(b []byte, writer, i int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(writer))
	return binary.BigEndian.AppendUint32(b, uint32(i))
}

// Many write to one connection: its own loop, another loop and goroutines on
// no loop. Nothing is lost or torn, and the order of each is kept.
func TestWritersFromEverywhere(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		const writers, each = 6, 5000
		p := newProbe(t)
		c, client := tr.connect(t, cfg, p)
		var wg sync.WaitGroup
		for w := range writers {
			var by *Loop // none
			if w < 4 {
				by = c.Loop().engine.Loops()[w%2]
			}
			wg.Go(func() {
				for i := range each {
					put := func() {
						if b, ok := c.BeginControl(8); ok {
							c.End(by, numbered(b, w, i))
						}
					}
					if by == nil {
						put()
					} else {
						by.PostFunc(put)
					}
				}
			})
		}
		got := make([]byte, 8*writers*each)
		if n, err := io.ReadFull(client, got); err != nil {
			t.Fatalf("read %d of %d bytes: %v", n, len(got), err)
		}
		var next [writers]uint32
		for ; len(got) > 0; got = got[8:] {
			w, i := binary.BigEndian.Uint32(got), binary.BigEndian.Uint32(got[4:])
			if int(w) >= writers || i != next[w] {
				t.Fatalf("message %d of writer %d, want %v", i, w, next)
			}
			next[w]++
		}
		wg.Wait()
	})
}

// One turn writes to many connections of other loops: they are handed over.
func TestHandOver(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		cfg.Loops = 3
		const conns = 40 * 3
		e := startEngine(t, cfg)
		opened := make(chan *Conn, conns)
		addr := tr.listen(t, e, func(*Conn) Handler {
			p := newProbe(t)
			p.onOpen = func(c *Conn) { opened <- c }
			return p
		})
		var all []*Conn
		clients := make(map[string]io.Reader)
		for range conns {
			nc := tr.dial(t, addr)
			clients[nc.LocalAddr().String()] = nc
			all = append(all, receive(t, opened, "OnOpen"))
		}
		l := e.Loops()[0]
		const rounds = 20
		for i := range rounds {
			l.PostFunc(func() {
				for _, c := range all {
					if b, ok := c.BeginControl(8); ok {
						c.End(l, numbered(b, 0, i))
					}
				}
			})
		}
		var want []byte
		for i := range rounds {
			want = numbered(want, 0, i)
		}
		for _, r := range clients {
			wantBytes(t, r, want)
		}
	})
}

// A peer that causes answers and reads none is not read from any more, and
// costs no more than the bound; when it reads at last, it gets all.
func TestPeerThatNeverReadsIsThrottled(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		cfg.HighWater, cfg.ReadBuffer = 32<<10, 16<<10
		p := newProbe(t)
		p.onData = echo
		c, client := tr.connectUnix(t, cfg, p)
		const total = 4 << 20 // more than two socket buffers hold
		want := pattern(total)
		wrote := make(chan error, 1)
		go func() { _, err := client.Write(want); wrote <- err }()
		for throttled := false; !throttled; {
			onLoop(t, c, func() { throttled = c.throttle })
			if len(wrote) > 0 {
				t.Fatal("the peer could write all without reading")
			}
		}
		if got, limit := c.Waiting(), 2*cfg.HighWater+cfg.ReadBuffer+plainSpare; got > limit {
			t.Errorf("%d bytes wait, want at most %d", got, limit)
		}
		wantBytes(t, client, want)
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	})
}

// Nor does what has been read already cost more, if the handler takes it a part in each turn.
func TestPeerThatNeverReadsIsThrottledBetweenTurns(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		cfg.HighWater = 32 << 10
		const requests, answer = 256, 32 << 10 // together more than two socket buffers hold
		p := newProbe(t)
		taken := 0
		p.onData = func(c *Conn, _ []byte) int {
			if got, limit := c.Waiting(), 2*cfg.HighWater+answer; got > limit {
				t.Errorf("request %d is taken while %d bytes wait, want at most %d", taken, got, limit)
			}
			taken++
			c.Write(c.Loop(), pattern(answer))
			c.Again()
			return 1
		}
		c, client := tr.connectUnix(t, cfg, p)
		send(t, client, make([]byte, requests))
		for throttled := false; !throttled; {
			onLoop(t, c, func() {
				if throttled = c.throttle; taken == requests {
					t.Error("all was taken")
					throttled = true
				}
			})
		}
		for range requests {
			wantBytes(t, client, pattern(answer))
		}
	})
}

// One peer that does not read must not hold up its neighbour on the loop.
func TestSendFreeze(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		cfg.Loops = 1
		frozen := newProbe(t)
		c, client := tr.connectUnix(t, cfg, frozen)
		onLoop(t, c, func() { c.Write(c.Loop(), make([]byte, 4<<20)) })
		p := newProbe(t)
		p.onData = echo
		neighbour := tr.dial(t, tr.listen(t, c.Loop().engine, func(*Conn) Handler { return p }))
		for range 100 {
			send(t, neighbour, []byte("ping"))
			wantBytes(t, neighbour, []byte("ping"))
		}
		if c.Waiting() == 0 {
			t.Error("nothing waits for the frozen peer")
		}
		wantBytes(t, client, make([]byte, 4<<20))
	})
}

// Close lets the peer have every byte, then the end, also when the peer has
// ended its own side before.
func TestCloseWithGrace(t *testing.T) {
	for _, halfClosed := range []bool{false, true} {
		name := map[bool]string{false: "open", true: "half-closed"}[halfClosed]
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
				want := pattern(6 << 20)
				p := newProbe(t)
				p.onData = func(c *Conn, data []byte) int {
					c.Write(c.Loop(), want)
					if !halfClosed {
						c.Close(io.ErrShortWrite)
						if _, ok := c.BeginControl(1); ok {
							t.Error("BeginControl after Close")
						}
						c.Close(io.ErrNoProgress) // changes nothing
					}
					return len(data)
				}
				_, client := tr.connect(t, cfg, p)
				send(t, client, []byte("x"))
				err := io.ErrShortWrite
				if halfClosed {
					check(t, client.CloseWrite())
					err = ErrPeerGone
				}
				wantClosed(t, p, err)
				wantBytes(t, client, want)
				wantEOF(t, client)
			})
		})
	}
}

// OnClose may still put out a last packet.
func TestLastWordsInOnClose(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		h := &lastWords{probe: newProbe(t)}
		e := startEngine(t, cfg)
		client := tr.dial(t, tr.listen(t, e, func(*Conn) Handler { return h }))
		h.conn().CloseFrom(io.ErrUnexpectedEOF)
		wantBytes(t, client, []byte("bye"))
		wantEOF(t, client)
		wantClosed(t, h.probe, io.ErrUnexpectedEOF)
	})
}

type lastWords struct{ *probe }

func (h *lastWords) OnClose(c *Conn, err error) {
	c.Write(c.Loop(), []byte("bye"))
	h.probe.OnClose(c, err)
}

// slowCloser is a connection whose ends take their time, as those of TLS do.
type slowCloser struct {
	*memnet.Conn
	release chan struct{}
}

func (s slowCloser) CloseWrite() error { <-s.release; return s.Conn.CloseWrite() }
func (s slowCloser) Close() error      { <-s.release; return s.Conn.Close() }

// Closing a connection must not hold up its neighbour on the loop.
func TestSlowCloseHoldsNobodyUp(t *testing.T) {
	e := startEngine(t, Config{Portable: true, Loops: 1})
	server, peer := memnet.Pipe()
	defer peer.Close()
	slow := slowCloser{server, make(chan struct{})}
	first := newProbe(t)
	if err := e.Adopt(slow, func(*Conn) Handler { return first }); err != nil {
		t.Fatal(err)
	}
	c := first.conn()
	onLoop(t, c, func() { c.Close(io.EOF) })
	check(t, peer.CloseWrite())
	p := newProbe(t)
	p.onData = echo
	server2, peer2 := memnet.Pipe()
	defer peer2.Close()
	if err := e.Adopt(server2, func(*Conn) Handler { return p }); err != nil {
		t.Fatal(err)
	}
	send(t, peer2, []byte("ping"))
	wantBytes(t, peer2, []byte("ping"))
	close(slow.release)
}

// A failing write closes the connection with its error.
func TestWriteError(t *testing.T) {
	e := startEngine(t, Config{Portable: true})
	p := newProbe(t)
	server, peer := memnet.Pipe()
	defer peer.Close()
	if err := e.Adopt(server, func(*Conn) Handler { return p }); err != nil {
		t.Fatal(err)
	}
	server.FailWrites(io.ErrShortBuffer)
	c := p.conn()
	c.Write(nil, bytes.Repeat([]byte("x"), 100))
	wantClosed(t, p, io.ErrShortBuffer)
}
