package netloop

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowd is the connections that others write to, open or not any more.
type crowd struct {
	mu      sync.Mutex
	members [64]*member
}

type member struct {
	*probe
	conn *Conn
	id   uint32 // what its client has called itself; 0 until then
}

// pick returns a member or nil.
func (cr *crowd) pick(r *rand.Rand) *member {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	return cr.members[r.IntN(len(cr.members))]
}

// join is an onData: the first four bytes are the client's id.
func (cr *crowd) join(m *member, c *Conn, data []byte) int {
	if len(data) < 4 {
		return 0
	}
	if m.id == 0 {
		m.conn, m.id = c, binary.BigEndian.Uint32(data)
		cr.mu.Lock()
		cr.members[int(m.id)%len(cr.members)] = m
		cr.mu.Unlock()
	}
	for range len(data) / 4 {
		m.greet(c.Loop())
	}
	return len(data) / 4 * 4
}

// greet writes the id of m's client to it.
func (m *member) greet(by *Loop) {
	if b, ok := m.conn.Begin(4); ok {
		m.conn.End(by, binary.BigEndian.AppendUint32(b, m.id))
	}
}

// Connections come and go in every way while others write to them, open or
// closed, from everywhere. Bytes never reach a stranger who has got a closed
// connection's descriptor, and OnClose comes once for each.
func TestChaos(t *testing.T) {
	eachTransport(t, func(t *testing.T, cfg Config, tr transport) {
		const visits = 30 // of each client
		cfg.Loops = 3
		cfg.HighWater = 4 << 10
		e := startEngine(t, cfg)
		var cr crowd
		var opened, closed atomic.Int32
		addr := tr.listen(t, e, func(*Conn) Handler {
			opened.Add(1)
			m := &member{probe: newProbe(t)}
			m.onData = func(c *Conn, data []byte) int { return cr.join(m, c, data) }
			return &counted{member: m, closed: &closed}
		})
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		stop := make(chan struct{})
		var clients, writers sync.WaitGroup
		for i := range 4 {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			writers.Go(func() { cr.disturb(e, r, i, stop) })
		}
		for i := range 8 {
			r := rand.New(rand.NewPCG(seed, uint64(100+i)))
			clients.Go(func() {
				for k := range visits {
					comeAndGo(t, tr, addr, r, uint32(1+i+8*k))
				}
			})
		}
		clients.Wait()
		close(stop)
		writers.Wait()
		shutdown(t, e, nil)
		// A client may be gone before its handshake has ended here.
		want := int32(e.Stats().Accepted - e.Stats().Unopened)
		if o, c := opened.Load(), closed.Load(); o != c || o != want || want < 8*visits/2 {
			t.Errorf("%d handlers and %d calls of OnClose, want %d of %d", o, c, want, 8*visits)
		}
	})
}

type counted struct {
	*member
	closed *atomic.Int32
}

func (h *counted) OnClose(c *Conn, err error) {
	h.closed.Add(1)
	h.member.OnClose(c, err)
}

// disturb writes to members and sometimes closes one, until stop: from loops
// if i is even, else from no loop.
func (cr *crowd) disturb(e *Engine, r *rand.Rand, i int, stop <-chan struct{}) {
	done := make(chan struct{}, 1)
	for {
		select {
		case <-stop:
			return
		default:
		}
		m, n, end := cr.pick(r), 1+r.IntN(50), r.IntN(200) == 0
		if m == nil {
			continue
		}
		var by *Loop
		task := func() {
			for range n {
				m.greet(by)
			}
			done <- struct{}{}
		}
		if i%2 == 0 {
			by = e.Loops()[r.IntN(len(e.Loops()))]
			by.PostFunc(task)
		} else {
			task()
		}
		<-done
		if end {
			m.conn.CloseFrom(io.EOF)
		}
	}
}

// comeAndGo is the life of a client, which checks that all it reads is its id.
func comeAndGo(t *testing.T, tr transport, addr net.Addr, r *rand.Rand, id uint32) {
	nc, err := net.DialTimeout("tcp", addr.String(), patience)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	check(t, nc.SetDeadline(time.Now().Add(patience)))
	client := tr.wrap(t, nc.(*net.TCPConn))
	hello := binary.BigEndian.AppendUint32(nil, id)
	for range 1 + r.IntN(5) {
		if _, err := client.Write(hello); err != nil {
			return // closed by disturb
		}
	}
	buf := make([]byte, 4)
	for range r.IntN(200) {
		if _, err := io.ReadFull(client, buf); err != nil {
			break // closed by disturb
		}
		if got := binary.BigEndian.Uint32(buf); got != id {
			t.Errorf("client %d has read what is for %d", id, got)
			return
		}
	}
	switch tc := nc.(*net.TCPConn); r.IntN(3) {
	case 0:
		check(t, tc.SetLinger(0))
	case 1:
		if client.CloseWrite() != nil {
			return // closed by disturb
		}
		if _, err := io.Copy(io.Discard, client); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("client %d: no end of the stream", id)
		}
	}
}
