package netloop

import (
	"bytes"
	"crypto/tls"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// idleHeap bounds the live heap, in bytes, of an idle connection by transport,
// handler included. 199, 6925, 404 and 6988 were measured, nearly all of it
// crypto/tls's own.
var idleHeap = map[string]int{"plain": 224, "tls": 7600, "ws": 480, "wss": 7600}

// An idle connection keeps no buffer, over any transport.
func TestIdleHeap(t *testing.T) {
	const connections = 2000
	for _, tr := range transports() {
		t.Run(tr.name, func(t *testing.T) {
			e := startEngine(t, Config{HandshakeQueue: 1 << 20})
			opened := make(chan *Conn, 1)
			addr := tr.listen(t, e, func(*Conn) Handler { return &idler{opened: opened} })
			var fds []int
			defer func() {
				for _, fd := range fds {
					unix.Close(fd)
				}
			}()
			grow := func(n int) {
				for range n {
					nc, err := net.DialTCP("tcp", nil, addr.(*net.TCPAddr))
					if err != nil {
						t.Fatal(err)
					}
					check(t, nc.SetDeadline(time.Now().Add(patience)))
					client := tr.wrap(t, nc)
					receive(t, opened, "OnOpen")
					for _, n := range []int{2, 200} { // as a CONNECT and a SUBSCRIBE would
						send(t, client, make([]byte, n))
						wantBytes(t, client, make([]byte, n))
					}

					fds = append(fds, detach(t, nc)) // which costs this process no heap
				}
			}
			grow(100) // what is shared is made
			fds = append(make([]int, 0, connections+100), fds...)
			heap, rss := liveHeap(), residentBytes(t)
			grow(connections)
			per := (liveHeap() - heap) / connections
			t.Logf("%d bytes of live heap per connection, %d of resident memory", per, (residentBytes(t)-rss)/connections)
			if limit := idleHeap[tr.name]; per > limit {
				t.Errorf("%d bytes of live heap per connection, want at most %d", per, limit)
			}
			if got := e.Stats().Open; got != connections+100 {
				t.Errorf("%d connections open, want %d", got, connections+100)
			}
		})
	}
}

// idler echoes, and is small.
type idler struct{ opened chan *Conn }

func (i *idler) OnOpen(c *Conn)                  { i.opened <- c }
func (i *idler) OnData(c *Conn, data []byte) int { return echo(c, data) }
func (i *idler) OnWritable(*Conn)                {}
func (i *idler) OnTimer(*Conn)                   {}
func (i *idler) OnShutdown(c *Conn)              { c.finish(ErrShutdown) }
func (i *idler) OnClose(*Conn, error)            {}

// detach closes nc and returns its socket.
func detach(t *testing.T, nc interface {
	File() (*os.File, error)
	Close() error
}) int {
	t.Helper()
	f, err := nc.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	nc.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func liveHeap() int {
	var m runtime.MemStats
	for range 3 { // pools let go of what they have in the second
		debug.FreeOSMemory()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// residentBytes is the process's resident memory.
func residentBytes(t *testing.T) int {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(string(bytes.Fields(statm)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// stalledHeap bounds the live heap, in bytes, of a handshake whose peer sends as much as it can of a message that never ends. The
// goroutine's stack comes on top. 77,100 were measured, of 20 KB sent.
const stalledHeap = 88 << 10

func TestStalledHandshakeHeap(t *testing.T) {
	const connections = 200
	old := clientTLS()
	old.MaxVersion = tls.VersionTLS12
	hello := helloOf(t, old)
	e := startEngine(t, Config{})
	addr := listenForCerts(t, e, tls.NoClientCert)
	message := longMessage(11, maxClientPart-len(hello)-100)
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	grow := func(n int) {
		for range n {
			nc := dialTCP(t, addr)
			send(t, nc, hello)
			wantBytes(t, nc, []byte{recordHandshake})
			read := e.Stats().BytesIn
			send(t, nc, message)
			eventually(t, "message that is read", func() bool { return e.Stats().BytesIn == read+uint64(len(message)) })
			fds = append(fds, detach(t, nc))
		}
	}
	grow(10)
	heap, rss := liveHeap(), residentBytes(t)
	grow(connections)
	per := (liveHeap() - heap) / connections
	t.Logf("%d bytes of live heap per handshake, %d of resident memory", per, (residentBytes(t)-rss)/connections)
	if per > stalledHeap {
		t.Errorf("%d bytes of live heap per handshake, want at most %d", per, stalledHeap)
	}
	if got := e.Stats().HandshakesUnderWay; got != connections+10 {
		t.Errorf("%d handshakes under way, want %d", got, connections+10)
	}
}
