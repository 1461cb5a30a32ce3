package netloop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
)

// records is an onData that takes apart records of four bytes of length and a
// body, at most max of them per call, and sends the bodies to got.
func records(got chan<- []byte, maxPerCall int) func(*Conn, []byte) int {
	return func(c *Conn, data []byte) int {
		used := 0
		for i := 0; i < maxPerCall && len(data)-used >= 4; i++ {
			n := int(binary.BigEndian.Uint32(data[used:]))
			if len(data)-used-4 < n {
				break
			}
			got <- bytes.Clone(data[used+4 : used+4+n])
			used += 4 + n
		}
		return used
	}
}

func appendRecord(b, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(body))), body...)
}

func TestOpenDataClose(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		p := newProbe(t)
		p.onData = echo
		c, client := tr.connect(t, cfg, p)
		if c.Handler() != Handler(p) {
			t.Error("Handler is not the connection's")
		}
		var remote string
		onLoop(t, c, func() { remote = c.RemoteAddr().String() })
		if want := client.LocalAddr().String(); remote != want {
			t.Errorf("RemoteAddr %s, want %s", remote, want)
		}
		send(t, client, []byte("hello"))
		wantBytes(t, client, []byte("hello"))
		check(t, client.CloseWrite())
		wantClosed(t, p, ErrPeerGone)
		wantEOF(t, client)
	})
}

// Records arrive whole and in order however the stream is cut, also those that
// are larger than the read buffer.
func TestTailsAreKept(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		cfg.ReadBuffer = 8 << 10
		r := newSeed(t)
		var stream []byte
		var want [][]byte
		for i := range 300 {
			body := randomBytes(r, r.IntN(100))
			if i%50 == 0 {
				body = randomBytes(r, r.IntN(200<<10))
			}
			want = append(want, body)
			stream = appendRecord(stream, body)
		}
		p := newProbe(t)
		got := make(chan []byte, len(want))
		p.onData = records(got, 1<<30)
		_, client := tr.connect(t, cfg, p)
		go writeInCuts(r, client, stream)
		for i := range want {
			if b := receive(t, got, "record"); !bytes.Equal(b, want[i]) {
				t.Fatalf("record %d has %d bytes, want %d equal ones", i, len(b), len(want[i]))
			}
		}
	})
}

func writeInCuts(r *rand.Rand, w interface{ Write([]byte) (int, error) }, b []byte) {
	for len(b) > 0 {
		n := min(len(b), 1+r.IntN(1<<r.IntN(16)))
		if _, err := w.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}

// A handler that pauses after each record sees every record once, in order and
// before OnClose, however and wherever it resumes.
func TestPauseAfterEachRecord(t *testing.T) {
	resumes := map[string]func(c *Conn){
		"by a post":       func(c *Conn) { c.PauseRead(); c.Loop().PostFunc(c.ResumeRead) },
		"in the call":     func(c *Conn) { c.PauseRead(); c.ResumeRead() },
		"by a goroutine":  func(c *Conn) { c.PauseRead(); go c.Loop().PostFunc(c.ResumeRead) },
		"by a timer":      func(c *Conn) { c.PauseRead(); c.SetTimer(1) },
		"paused twice":    func(c *Conn) { c.PauseRead(); c.PauseRead(); c.Loop().PostFunc(c.ResumeRead) },
		"back and forth":  func(c *Conn) { c.PauseRead(); c.ResumeRead(); c.PauseRead(); c.Loop().PostFunc(c.ResumeRead) },
		"resumed earlier": func(c *Conn) { c.ResumeRead(); c.PauseRead(); c.Loop().PostFunc(c.ResumeRead) },
	}
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		for name, resume := range resumes {
			t.Run(name, func(t *testing.T) {
				const n = 40
				p := newProbe(t)
				got := make(chan []byte, n)
				one := records(got, 1)
				p.onData = func(c *Conn, data []byte) int {
					used := one(c, data)
					if used > 0 {
						resume(c)
					}
					return used
				}
				p.onTimer = (*Conn).ResumeRead
				_, client := tr.connect(t, cfg, p)
				var stream []byte
				for i := range n {
					stream = appendRecord(stream, []byte{byte(i)})
				}
				send(t, client, stream)
				check(t, client.CloseWrite()) // its end is there long before the last record is taken
				wantClosed(t, p, ErrPeerGone)
				if len(got) != n {
					t.Fatalf("%d records before OnClose, want %d", len(got), n)
				}
				for i := range n {
					if b := <-got; b[0] != byte(i) {
						t.Fatalf("record %d came as number %d", b[0], i)
					}
				}
			})
		}
	})
}

// While a connection is paused, what it has and what comes stays away from the
// handler, until it resumes; newProbe checks that.
func TestPausedGetsNoData(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		p := newProbe(t)
		got := make(chan []byte, 10)
		p.onData = records(got, 1)
		c, client := tr.connect(t, cfg, p)
		onLoop(t, c, c.PauseRead)
		send(t, client, appendRecord(nil, []byte("one")))
		for range 100 {
			onLoop(t, c, func() {})
		}
		if len(got) > 0 {
			t.Fatal("a record although paused")
		}
		onLoop(t, c, c.ResumeRead)
		if b := receive(t, got, "record"); string(b) != "one" {
			t.Errorf("record %q, want one", b)
		}
	})
}

// Two connections become readable in the same turn, and the first to be served
// pauses the other.
func TestPausedByNeighbourInSameTurn(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		cfg.Loops = 1
		e := startEngine(t, cfg)
		var probes [2]*probe
		var conns [2]*Conn
		served := make(chan int, 2)
		made := 0
		for i := range probes {
			probes[i] = newProbe(t)
			probes[i].onData = func(c *Conn, data []byte) int {
				conns[1-i].PauseRead()
				served <- i
				return len(data)
			}
		}
		addr := tr.listen(t, e, func(*Conn) Handler { made++; return probes[made-1] })
		c0 := tr.dial(t, addr)
		conns[0] = probes[0].conn()
		c1 := tr.dial(t, addr)
		conns[1] = probes[1].conn()
		held, release := make(chan struct{}), make(chan struct{})
		e.Loops()[0].PostFunc(func() { close(held); <-release })
		<-held
		send(t, c0, []byte("x"))
		send(t, c1, []byte("x"))
		close(release)
		first := receive(t, served, "OnData")
		for range 100 {
			onLoop(t, conns[0], func() {})
		}
		if len(served) > 0 {
			t.Fatal("both were served")
		}
		onLoop(t, conns[1-first], conns[1-first].ResumeRead)
		if second := receive(t, served, "OnData"); second != 1-first {
			t.Errorf("connection %d was served, want %d", second, 1-first)
		}
	})
}

// The end of a peer waits until a paused connection has read what came before, also on a Unix socket, of which the system
// tells that it is gone altogether as soon as the peer has closed it.
func TestPeerClosesWhilePaused(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		p := newProbe(t)
		got := make(chan []byte, 10)
		p.onData = records(got, 1)
		c, client := tr.connectUnix(t, cfg, p)
		onLoop(t, c, c.PauseRead)
		send(t, client, appendRecord(nil, []byte("one")))
		client.Close()
		for range 100 {
			onLoop(t, c, func() {})
		}
		if len(got)+len(p.closed) > 0 {
			t.Fatal("a call of the handler although paused")
		}
		onLoop(t, c, c.ResumeRead)
		if b := receive(t, got, "record"); string(b) != "one" {
			t.Errorf("record %q, want one", b)
		}
		wantClosed(t, p, ErrPeerGone)
	})
}

func TestPeerReset(t *testing.T) {
	for _, state := range []string{"idle", "paused", "writing"} {
		t.Run(state, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, cfg Config) {
				if state == "paused" && cfg.Portable {
					return // what is not read cannot be seen to break
				}
				p := newProbe(t)
				c, client := connect(t, cfg, p)
				onLoop(t, c, func() {
					switch state {
					case "paused":
						c.PauseRead()
					case "writing":
						c.Write(c.Loop(), make([]byte, 8<<20))
					}
				})
				check(t, client.SetLinger(0))
				client.Close()
				switch err := receive(t, p.closed, "OnClose"); {
				case bytes.Contains([]byte(err.Error()), []byte(syscall.ECONNRESET.Error())):
				case state == "writing" && bytes.Contains([]byte(err.Error()), []byte(syscall.EPIPE.Error())):
				case state == "writing" && cfg.Portable && errors.Is(err, ErrPeerGone):
					// The system tells of a reset once, here the goroutine that writes, and whoever reads of an end.
				default:
					t.Errorf("OnClose(%v), want ECONNRESET", err)
				}
			})
		})
	}
}
