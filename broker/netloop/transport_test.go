package netloop

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// authority signs the certificates of a test run.
var authority = sync.OnceValue(func() *issuer { return newIssuer(nil, "authority") })

// issuer is a certificate with its key.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newIssuer makes a certificate for name, signed by parent or by itself.
func newIssuer(parent *issuer, name string) *issuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name},
		NotBefore:    time.Unix(0, 0), // synctest's clock begins in 2000, and tests within and without share certificates
		NotAfter:     time.Unix(1<<32, 0),
		IsCA:         parent == nil, BasicConstraintsValid: parent == nil,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	i := &issuer{key: key}
	if parent == nil {
		parent = &issuer{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, &key.PublicKey, parent.key)
	if err != nil {
		panic(err)
	}
	if i.cert, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	return i
}

func (i *issuer) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(i.cert)
	return p
}

func (i *issuer) certificate() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{i.cert.Raw}, PrivateKey: i.key, Leaf: i.cert}
}

// serverTLS returns a server's configuration with a certificate for name.
func serverTLS(name string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{newIssuer(authority(), name).certificate()}}
}

// clientTLS returns a client's configuration.
func clientTLS() *tls.Config {
	return &tls.Config{RootCAs: authority().pool(), ServerName: "server", NextProtos: []string{"mqtt"}}
}

// stream is a client's end.
type stream interface {
	net.Conn
	CloseWrite() error
}

// transport is a way to talk to a listener.
type transport struct {
	name      string
	configure func(cfg *ListenConfig)
	wrap      func(t testing.TB, nc stream) stream // of a connection just made
}

var plainTransport = transport{"plain", func(*ListenConfig) {}, func(_ testing.TB, nc stream) stream { return nc }}

var testServerTLS = sync.OnceValue(func() *tls.Config { return serverTLS("server") })

func transports() []transport {
	withTLS := func(cfg *ListenConfig) { cfg.TLS = testServerTLS() }
	withWS := func(cfg *ListenConfig) { cfg.WebSocket = &WebSocketConfig{} }
	return []transport{
		plainTransport,
		{"tls", withTLS, tlsClient},
		{"ws", withWS, wsClient},
		{"wss", func(cfg *ListenConfig) { withTLS(cfg); withWS(cfg) },
			func(t testing.TB, nc stream) stream { return wsClient(t, tlsClient(t, nc)) }},
	}
}

// eachTransport runs test over every transport on both engines.
func eachTransport(t *testing.T, test func(t *testing.T, cfg Config, tr transport)) {
	for _, tr := range transports() {
		t.Run(tr.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, cfg Config) { test(t, cfg, tr) })
		})
	}
}

// listen starts a listener on a free TCP port of the loopback.
func (tr transport) listen(t testing.TB, e *Engine, newHandler func(*Conn) Handler) net.Addr {
	t.Helper()
	cfg := ListenConfig{NewHandler: newHandler}
	tr.configure(&cfg)
	return listenWith(t, e, cfg)
}

func listenWith(t testing.TB, e *Engine, cfg ListenConfig) net.Addr {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.OnError = func(err error) { t.Errorf("accept: %v", err) }
	ln, err := e.ListenWith(nl, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return ln.Addr()
}

func (tr transport) dial(t testing.TB, addr net.Addr) stream {
	t.Helper()
	return tr.wrap(t, dialTCP(t, addr))
}

// connect is the function connect over tr.
func (tr transport) connect(t testing.TB, cfg Config, p *probe) (*Conn, stream) {
	t.Helper()
	e := startEngine(t, cfg)
	client := tr.dial(t, tr.listen(t, e, func(*Conn) Handler { return p }))
	return p.conn(), client
}

// connectUnix is connect over a Unix socket, which buffers little.
func (tr transport) connectUnix(t testing.TB, cfg Config, p *probe) (*Conn, stream) {
	t.Helper()
	e := startEngine(t, cfg)
	nl, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	lc := ListenConfig{NewHandler: func(*Conn) Handler { return p }}
	tr.configure(&lc)
	if _, err := e.ListenWith(nl, lc); err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("unix", nl.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	check(t, nc.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { nc.Close() })
	client := tr.wrap(t, nc.(*net.UnixConn))
	return p.conn(), client
}

// tlsClient does a handshake over nc.
func tlsClient(t testing.TB, nc stream) stream {
	t.Helper()
	tc := tls.Client(nc, clientTLS())
	if err := tc.Handshake(); err != nil {
		t.Fatalf("TLS handshake: %v", err)
	}
	return tc
}

const upgradeRequest = "GET /mqtt HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

// wsStream is a client's end of a WebSocket as a stream. Frames are cut at
// random, and Pings come between them.
type wsStream struct {
	stream
	t    testing.TB
	in   *bufio.Reader
	left int // payload bytes of the frame being read
	mu   sync.Mutex
	r    *mrand.Rand
	sent bool // a Close frame
	got  error
	code uint16 // of the server's Close frame
}

// wsClient asks for a WebSocket over nc.
func wsClient(t testing.TB, nc stream) stream {
	t.Helper()
	send(t, nc, []byte(upgradeRequest))
	ws := &wsStream{stream: nc, t: t, in: bufio.NewReader(nc), r: mrand.New(mrand.NewPCG(1, 2))}
	line, err := ws.in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 101 ") {
		t.Fatalf("upgrade answered %q, error %v", line, err)
	}
	for line != "\r\n" {
		if line, err = ws.in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "Sec-WebSocket-Accept:") && strings.TrimSpace(line[21:]) != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			t.Errorf("accepted with %q", line)
		}
	}
	return ws
}

// frame returns a client's frame, masked.
func frame(r *mrand.Rand, first byte, payload []byte) []byte {
	b := new(webSocket).frameHeader(nil, 0, len(payload))
	b[0] = first
	b[1] |= 0x80
	mask := make([]byte, 4)
	binary.BigEndian.PutUint32(mask, r.Uint32())
	b = append(b, mask...)
	for i, p := range payload {
		b = append(b, p^mask[i&3])
	}
	return b
}

// Write implements net.Conn.
func (ws *wsStream) Write(b []byte) (int, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	var out []byte
	op := byte(opBinary)
	for rest := b; ; {
		k := min(len(rest), ws.r.IntN(1<<ws.r.IntN(18)))
		fin := byte(0)
		if k == len(rest) {
			fin = 0x80
		}
		out = append(out, frame(ws.r, fin|op, rest[:k])...)
		if rest, op = rest[k:], opContinuation; fin != 0 {
			break
		}
		if ws.r.IntN(3) == 0 {
			out = append(out, frame(ws.r, 0x80|opPing, []byte("ping"))...)
		}
	}
	if _, err := ws.stream.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read implements net.Conn.
func (ws *wsStream) Read(b []byte) (int, error) {
	for ws.left == 0 {
		if ws.got != nil {
			return 0, ws.got
		}
		op, n, err := readFrameHeader(ws.in)
		if err != nil {
			return 0, err
		}
		if op == opBinary {
			ws.left = n
			continue
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(ws.in, payload); err != nil {
			return 0, err
		}
		switch op {
		case opPong:
			if string(payload) != "ping" {
				ws.t.Errorf("Pong %q", payload)
			}
		case opClose:
			ws.code = closeNoStatus
			if n > 0 {
				ws.code = binary.BigEndian.Uint16(payload)
			}
			ws.got = io.EOF
			check(ws.t, ws.CloseWrite())
		}
	}
	n, err := ws.in.Read(b[:min(len(b), ws.left)])
	ws.left -= n
	return n, err
}

// CloseWrite sends a Close frame.
func (ws *wsStream) CloseWrite() error {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.sent {
		return nil
	}
	ws.sent = true
	_, err := ws.stream.Write(frame(ws.r, 0x80|opClose, binary.BigEndian.AppendUint16(nil, closeNormal)))
	if err != nil && ws.got != nil {
		return nil // the server need not wait for it
	}
	return err
}

// readFrameHeader reads the header of a server's frame.
func readFrameHeader(r io.Reader) (op byte, n int, err error) {
	var h [8]byte
	if _, err := io.ReadFull(r, h[:2]); err != nil {
		return 0, 0, err
	}
	if h[0]&0xF0 != 0x80 || h[1]&0x80 != 0 {
		return 0, 0, fmt.Errorf("server's frame begins with %#x", h[:2])
	}
	op = h[0] & 0x0F
	switch ext := lengthBytes(h[1]); ext {
	case 0:
		return op, int(h[1]), nil
	default:
		if _, err := io.ReadFull(r, h[8-ext:]); err != nil {
			return 0, 0, err
		}
		clear(h[:8-ext])
		return op, int(binary.BigEndian.Uint64(h[:])), nil
	}
}

// splitter is a stream that writes and reads at most n bytes at once.
type splitter struct {
	stream
	n int
}

func (s splitter) Write(b []byte) (int, error) {
	for i := 0; i < len(b); i += s.n {
		if n, err := s.stream.Write(b[i:min(i+s.n, len(b))]); err != nil {
			return i + n, err
		}
	}
	return len(b), nil
}

func (s splitter) Read(b []byte) (int, error) { return s.stream.Read(b[:min(len(b), s.n)]) }
