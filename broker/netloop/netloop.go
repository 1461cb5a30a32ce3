// Package netloop moves bytes between many network connections and their
// handlers with a few event loops.
//
// An [Engine] owns a fixed number of [Loop]s, one per core by default. Every
// [Conn] belongs to one loop for life, and that loop alone calls the
// connection's [Handler]: a handler needs no lock for what only its own
// connection touches. On Linux a loop is one goroutine around epoll; elsewhere,
// or with Config.Portable, connections are read by one goroutine each, over
// [net.Conn], and the loop is the lock that those goroutines take in turn. The
// contract towards handlers is the same.
//
// # A turn of the loop
//
//	wait for readiness or a post → read and call OnData → run posts
//	→ fire timers → write what handlers have put out, one writev a connection
//
// An idle connection owns no goroutine and no buffer: bytes are read into the
// loop's one buffer and lent to OnData; only the tail of an incomplete packet
// is kept. Output is gathered in pooled chunks that go back once written.
//
// # Output from other loops
//
// A handler may write to any connection, also one of another loop. Output is
// guarded by the connection's lock, and whoever made it writes it at the end
// of its own turn: a message from a publisher to one subscriber costs no wake-up of a
// second thread. When one turn has made output for many connections of another
// loop, they are handed to that loop, so that a large fan-out uses all cores.
//
// # Bounds
//
// A connection refuses messages ([Conn.Begin] returns false) while more than
// Config.HighWater bytes wait; OnWritable follows when they have fallen to
// LowWater. Control packets ([Conn.BeginControl]) are always taken, but a
// connection whose peer reads nothing and yet causes answers is not read from
// any more at twice HighWater. What is kept of incomplete input grows with the
// bytes that have arrived, never with a length that a peer claims.
//
// Listening sockets are watched by the first loop, which accepts some connections in each turn and hands
// them round the loops. While there is too much to do, accepting can be paused ([Engine.SetAccepting]), and those whose peers are
// slowest to read can be closed ([Laggards]); [Lag] tells whether there is.
//
// # Transports
//
// A listener may put layers between socket and handler, which handlers do not
// notice ([ListenConfig]):
//
//	accept → Admit → PROXY header → first bytes → TLS → first bytes → WebSocket → OnOpen
//
// Until OnOpen an entrance, itself a Handler, takes what the connection owes as
// bytes arrive; within ten seconds, or the connection is closed. A TLS handshake
// is the one thing that leaves the loop: it begins when a whole ClientHello
// has come, has a goroutine while it lasts, and holds one of
// Config.HandshakeWorkers slots only while it computes, so that peers which
// stall hold up nobody. How many are under way is bounded, also by address. While
// the loops are busy, a slot that has computed rests for up to fifteen times as long, so
// that a storm of handshakes leaves established connections the processors.
// An exit does the same for a connection that we make ([DialConfig]).
//
// From then on input is decrypted and unframed on the loop as it is read, and
// output is framed and encrypted by whoever writes, just before the system call:
// what one turn puts out is one WebSocket frame and, up to 16 KiB, one TLS
// record. An idle connection has neither goroutine nor buffer of ours; crypto/tls
// keeps some 6.5 KB for it, and the buffer of the largest record that has come.
//
// # Locks
//
// A Conn's lock is innermost, within those of its tls.Conn: no other lock is taken and no system call is
// made under it, except that closing the descriptor may follow its last write.
package netloop

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Errors that reach Handler.OnClose.
var (
	// ErrShutdown closes the connections that are left when Shutdown's context ends.
	ErrShutdown = errors.New("netloop: engine is shut down")
	// ErrPeerGone means that the peer ended the Network Connection.
	ErrPeerGone = errors.New("netloop: peer closed the connection")
	// ErrUnsupported means that this platform or this connection cannot do what was asked.
	ErrUnsupported = errors.New("netloop: unsupported")
)

// Handler is what a protocol front gives for each connection. All calls for
// one connection come from its loop, one at a time. They must not block.
type Handler interface {
	// OnOpen is the first call. A connection that cannot be made, because Dial
	// fails or the system is out of memory, gets OnClose and no OnOpen.
	OnOpen(c *Conn)
	// OnData hands over all unconsumed input. It returns how many bytes it has
	// consumed; the rest is handed over again together with what comes next.
	// data is valid during the call only.
	OnData(c *Conn, data []byte) (consumed int)
	// OnWritable follows a refused Begin, once output has fallen to LowWater. It
	// may also come when none was refused: after reading was held back.
	OnWritable(c *Conn)
	// OnTimer is called when the time given to SetTimer has passed.
	OnTimer(c *Conn)
	// OnShutdown asks the handler to take leave: Engine.Shutdown has begun.
	OnShutdown(c *Conn)
	// OnClose is the last call, and comes exactly once. err tells why: what Close
	// was given, ErrPeerGone, ErrShutdown, or an error of the socket. Packets that
	// it puts out still leave when the connection ends by Close.
	OnClose(c *Conn, err error)
}

// EndKeeper is a Handler that may have input in hand, which it has consumed and not dealt with.
type EndKeeper interface {
	Handler
	// OnPeerEnd is called when the peer has ended its stream and all of it has been consumed. If it returns true the
	// connection is paused, as by PauseRead, and not closed: after ResumeRead it is called again.
	OnPeerEnd(c *Conn) (keep bool)
}

// Config holds the settings of an Engine. The zero value is usable.
type Config struct {
	// Loops is the number of event loops. 0 means one per core (GOMAXPROCS).
	Loops int
	// Portable chooses goroutines over net.Conn instead of epoll. It is always
	// so where there is no epoll.
	Portable bool
	// ReadBuffer is the size in bytes of each loop's read buffer and so the most
	// that one connection gets per turn. 0 means 64 KiB.
	ReadBuffer int
	// HighWater is the number of bytes waiting for the peer above which a
	// connection takes no more messages. 0 means 512 KiB.
	HighWater int
	// LowWater is the number of waiting bytes at which it takes them again.
	// 0 means a quarter of HighWater.
	LowWater int
	// HandshakeWorkers is how many TLS handshakes may compute at the same time;
	// those that wait for their peer do not count. 0 means one per loop.
	HandshakeWorkers int
	// HandshakeQueue is how many TLS handshakes may be under way, waiting ones
	// included. Beyond it, a newcomer's connection is closed, or that of a handshake which waits
	// for its peer, of an address that has more of these than others. 0 means 1024.
	HandshakeQueue int
	// HandshakesPerAddr is how many of them may come from one remote address,
	// which for IPv6 is a /64. 0 means a quarter of HandshakeQueue.
	HandshakesPerAddr int
	// Now is the clock, for tests; it must not go back, and is called from any
	// goroutine. nil means time.Now. An engine that sleeps does not notice that
	// it has been moved: see SettleForTest.
	Now func() time.Time
}

func (cfg Config) withDefaults() Config {
	if cfg.Loops <= 0 {
		cfg.Loops = runtime.GOMAXPROCS(0)
	}
	if cfg.ReadBuffer <= 0 {
		cfg.ReadBuffer = 64 << 10
	}
	if cfg.HighWater <= 0 {
		cfg.HighWater = 512 << 10
	}
	if cfg.LowWater <= 0 || cfg.LowWater > cfg.HighWater {
		cfg.LowWater = cfg.HighWater / 4
	}
	if cfg.HandshakeWorkers <= 0 {
		cfg.HandshakeWorkers = cfg.Loops
	}
	if cfg.HandshakeQueue <= 0 {
		cfg.HandshakeQueue = 1024
	}
	if cfg.HandshakesPerAddr <= 0 {
		cfg.HandshakesPerAddr = max(cfg.HandshakeQueue/4, 1)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if !haveEpoll {
		cfg.Portable = true
	}
	return cfg
}

// Engine runs the loops. Its methods may be called from any goroutine.
type Engine struct {
	// static
	cfg        Config
	start      time.Time
	loops      []*Loop
	handshakes *handshakes
	gate       gate            // before those who accept
	wg         sync.WaitGroup  // loops, listeners that wait, portable readers and writers
	dialCtx    context.Context // portable: ends when Shutdown begins
	stopDials  context.CancelFunc

	next     atomic.Uint32 // round robin over loops
	doors    atomic.Int32  // how many there have been: their numbers
	open     atomic.Int64  // connections whose descriptor is open
	closing  atomic.Bool
	accepted atomic.Uint64

	acceptErrors atomic.Uint64
	notAdmitted  atomic.Uint64
	unopened     atomic.Uint64
	laggards     atomic.Uint64
	unknown      unknownCounts

	mu        sync.Mutex
	listeners map[*Listener]struct{}
	numbered  atomic.Pointer[[]*Listener] // all that there have been, by number; written under mu
}

// New starts an engine. Shutdown ends it.
func New(cfg Config) (*Engine, error) {
	cfg = cfg.withDefaults()
	e := &Engine{cfg: cfg, start: cfg.Now(), listeners: make(map[*Listener]struct{})}
	e.handshakes = newHandshakes(e)
	e.dialCtx, e.stopDials = context.WithCancel(context.Background())
	for i := range cfg.Loops {
		l, err := newLoop(e, i)
		if err != nil {
			for _, started := range e.loops {
				started.release()
			}
			e.stopDials()
			return nil, err
		}
		e.loops = append(e.loops, l)
	}
	for _, l := range e.loops {
		e.wg.Go(l.run)
	}
	return e, nil
}

// Loops returns the loops, in a fixed order.
func (e *Engine) Loops() []*Loop { return e.loops }

// nextLoop chooses a loop for a new connection.
func (e *Engine) nextLoop() *Loop {
	return e.loops[e.next.Add(1)%uint32(len(e.loops))]
}

// now returns the time since the engine's start.
func (e *Engine) now() time.Duration { return e.cfg.Now().Sub(e.start) }

// Adopt makes nc, an established connection, one of the engine's. The engine
// owns nc from then on, unless Adopt returns an error: then nc stays the
// caller's. With epoll, nc must be a *net.TCPConn or *net.UnixConn, else the
// error is ErrUnsupported. After Shutdown it is ErrShutdown; a handler that was
// made meanwhile gets no call.
func (e *Engine) Adopt(nc net.Conn, newHandler func(*Conn) Handler) error {
	if e.closing.Load() {
		return ErrShutdown
	}
	if e.cfg.Portable {
		if !e.startPortable(e.nextLoop(), nc, 0, newHandler) {
			return ErrShutdown
		}
		return nil
	}
	return e.adoptFD(nc, newHandler)
}

// Shutdown stops accepting and dialing, calls OnShutdown for every connection and waits
// until all are closed or ctx ends, when it closes the rest with ErrShutdown
// and returns the context's error. It returns when every goroutine of the
// engine has ended. A second call does nothing.
func (e *Engine) Shutdown(ctx context.Context) error {
	if e.closing.Swap(true) {
		return nil
	}
	e.closeListeners()
	e.stopDials()
	for _, l := range e.loops {
		l.PostFunc(l.leave)
	}
	err := e.waitIdle(ctx)
	for _, l := range e.loops {
		l.stop()
	}
	e.wg.Wait()
	return err
}

// waitIdle waits until no connection is open.
func (e *Engine) waitIdle(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		// A loop may still have connections to open: ask each for a turn first.
		for _, l := range e.loops {
			l.sync()
		}
		if e.open.Load() == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// goUnlessClosing runs f on a goroutine that Shutdown waits for. It returns
// false once Shutdown has begun.
func (e *Engine) goUnlessClosing(f func()) bool {
	e.mu.Lock() // Shutdown takes it before it waits
	defer e.mu.Unlock()
	if e.closing.Load() {
		return false
	}
	e.wg.Go(f)
	return true
}

func (e *Engine) closeListeners() {
	e.mu.Lock()
	lns := make([]*Listener, 0, len(e.listeners))
	for ln := range e.listeners {
		lns = append(lns, ln)
	}
	e.mu.Unlock()
	for _, ln := range lns {
		ln.Close()
	}
}
