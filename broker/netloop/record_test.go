package netloop

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// recordKeys protect one direction of TLS 1.3 with AES-128-GCM.
type recordKeys struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// expandLabel is HKDF-Expand-Label of RFC 8446, 7.1, with an empty context.
func expandLabel(secret []byte, label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(append(info, "tls13 "+label...), 0)
	out, err := hkdf.Expand(sha256.New, secret, string(info), n)
	if err != nil {
		panic(err)
	}
	return out
}

func newRecordKeys(secret []byte) *recordKeys {
	block, err := aes.NewCipher(expandLabel(secret, "key", 16))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return &recordKeys{secret: secret, aead: aead, iv: expandLabel(secret, "iv", 12)}
}

// next returns the keys after a KeyUpdate.
func (k *recordKeys) next() *recordKeys {
	return newRecordKeys(expandLabel(k.secret, "traffic upd", 32))
}

func (k *recordKeys) nonce() []byte {
	n := bytes.Clone(k.iv)
	for i := range 8 {
		n[4+i] ^= byte(k.seq >> (56 - 8*i))
	}
	k.seq++
	return n
}

// seal returns a record with a payload of the given type.
func (k *recordKeys) seal(typ byte, payload []byte) []byte {
	inner := append(bytes.Clone(payload), typ)
	header := []byte{23, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(inner)+16))
	return k.aead.Seal(header, k.nonce(), inner, header)
}

// open reads a record.
func (k *recordKeys) open(t *testing.T, r io.Reader) (typ byte, payload []byte) {
	t.Helper()
	header := make([]byte, 5)
	if _, err := io.ReadFull(r, header); err != nil {
		t.Fatalf("read a record: %v", err)
	}
	body := make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(r, body); err != nil {
		t.Fatal(err)
	}
	plain, err := k.aead.Open(nil, k.nonce(), body, header)
	if err != nil {
		t.Fatalf("decrypt a record: %v", err)
	}
	plain = bytes.TrimRight(plain, "\x00")
	return plain[len(plain)-1], plain[:len(plain)-1]
}

const (
	typeAlert       = 21
	typeHandshake   = 22
	typeApplication = 23
)

// rawTLS does a handshake and returns the socket with the keys of both directions.
func rawTLS(t *testing.T, addr net.Addr) (nc *net.TCPConn, out, in *recordKeys) {
	t.Helper()
	var log bytes.Buffer
	cfg := clientTLS()
	cfg.KeyLogWriter = &log
	nc = dialTCP(t, addr)
	client := tls.Client(nc, cfg)
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if got := client.ConnectionState().CipherSuite; got != tls.TLS_AES_128_GCM_SHA256 {
		t.Fatalf("this machine prefers %s, the test knows only AES-128-GCM", tls.CipherSuiteName(got))
	}
	for line := range strings.Lines(log.String()) {
		f := strings.Fields(line)
		secret, err := hex.DecodeString(f[2])
		check(t, err)
		switch f[0] {
		case "CLIENT_TRAFFIC_SECRET_0":
			out = newRecordKeys(secret)
		case "SERVER_TRAFFIC_SECRET_0":
			in = newRecordKeys(secret)
		}
	}
	return nc, out, in // without a session cache there is no ticket to be read
}

var keyUpdate = []byte{24, 0, 0, 1, 1} // update requested

// The peer changes its keys and asks for ours to be changed, in the middle of
// everything; every record comes one byte at a time.
func TestKeyUpdate(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		_, addr := tlsEcho(t, cfg)
		nc, out, in := rawTLS(t, addr)
		slow := splitter{nc, 1}
		for range 3 {
			send(t, slow, out.seal(typeApplication, []byte("before")))
			if typ, b := in.open(t, nc); typ != typeApplication || string(b) != "before" {
				t.Fatalf("type %d, %q", typ, b)
			}
			send(t, slow, out.seal(typeHandshake, keyUpdate[:2])) // in pieces
			send(t, slow, out.seal(typeHandshake, keyUpdate[2:]))
			out = out.next()
			if typ, b := in.open(t, nc); typ != typeHandshake || !bytes.Equal(b, []byte{24, 0, 0, 1, 0}) {
				t.Fatalf("type %d, %x; want our KeyUpdate", typ, b)
			}
			in = in.next()
		}
		send(t, slow, out.seal(typeAlert, []byte{1, 0}))
		if typ, b := in.open(t, nc); typ != typeAlert || b[1] != 0 {
			t.Errorf("type %d, %x; want close_notify", typ, b)
		}
		wantEOF(t, nc)
	})
}

// A peer may end its stream right behind the request for a WebSocket, and without closing its socket.
func TestEndBehindUpgrade(t *testing.T) {
	eachEngine(t, func(t *testing.T, cfg Config) {
		for name, lc := range map[string]ListenConfig{
			"":         {WebSocket: &WebSocketConfig{}},
			" of Bare": {Bare: []Protocol{{Name: "any", Match: func([]byte) Match { return MatchYes }}}},
		} {
			e := startEngine(t, cfg)
			p := newProbe(t)
			lc.TLS = testServerTLS()
			lc.NewHandler = func(*Conn) Handler { return p }
			nc, out, _ := rawTLS(t, listenWith(t, e, lc))
			request := upgradeRequest
			if lc.Bare != nil {
				request = strings.NewReplacer("/mqtt ", "/ ", "Sec-WebSocket-Protocol: mqtt\r\n", "").Replace(request)
			}
			all := out.seal(typeApplication, append([]byte(request), frame(newSeed(t), 0x80|opBinary, []byte("x"))...))
			send(t, nc, append(all, out.seal(typeAlert, []byte{1, 0})...))
			if err := receive(t, p.closed, "OnClose"+name); !errors.Is(err, ErrPeerGone) {
				t.Errorf("OnClose%s(%v), want %v", name, err, ErrPeerGone)
			}
		}
	})
}

// What a peer may not send after the handshake ends its connection with an
// alert.
func TestBadRecords(t *testing.T) {
	tests := map[string]struct {
		bytes func(out *recordKeys) []byte
		alert byte
		seen  string // what the handler has got
	}{
		"plaintext":         {func(*recordKeys) []byte { return []byte("\x17\x03\x03\x00\x05hello") }, 20, ""},
		"not TLS":           {func(*recordKeys) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") }, 70, ""},
		"oversized":         {func(*recordKeys) []byte { return []byte{23, 3, 3, 0xFF, 0xFF} }, 22, ""},
		"long payload":      {func(out *recordKeys) []byte { return out.seal(typeApplication, make([]byte, recordSize+1)) }, 22, ""},
		"replayed":          {func(out *recordKeys) []byte { r := out.seal(typeApplication, []byte("x")); return append(r, r...) }, 20, "x"},
		"new ClientHello":   {func(out *recordKeys) []byte { return out.seal(typeHandshake, []byte{1, 0, 0, 0}) }, 50, ""},
		"unknown type":      {func(out *recordKeys) []byte { return out.seal(99, []byte("x")) }, 10, ""},
		"empty handshake":   {func(out *recordKeys) []byte { return out.seal(typeHandshake, nil) }, 10, ""},
		"alert":             {func(out *recordKeys) []byte { return out.seal(typeAlert, []byte{2, 80}) }, 0, ""},
		"no end of nothing": {func(out *recordKeys) []byte { return many(20, func() []byte { return out.seal(typeApplication, nil) }) }, 10, ""},
	}
	eachEngine(t, func(t *testing.T, cfg Config) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				e := startEngine(t, cfg)
				var seen bytes.Buffer
				p := newProbe(t)
				p.onData = func(_ *Conn, data []byte) int { seen.Write(data); return len(data) }
				addr := transports()[1].listen(t, e, func(*Conn) Handler { return p })
				nc, out, in := rawTLS(t, addr)
				send(t, nc, tt.bytes(out))
				if tt.alert != 0 {
					if typ, b := in.open(t, nc); typ != typeAlert || !bytes.Equal(b, []byte{2, tt.alert}) {
						t.Errorf("type %d, %x; want alert %d", typ, b, tt.alert)
					}
				}
				if _, err := io.Copy(io.Discard, nc); err != nil {
					t.Error(err)
				}
				if err := receive(t, p.closed, "OnClose"); err == nil || errors.Is(err, ErrPeerGone) {
					t.Errorf("OnClose(%v), want what was wrong", err)
				}
				if seen.String() != tt.seen {
					t.Errorf("handlers got %q, want %q", seen.String(), tt.seen)
				}
			})
		}
	})
}

func many(n int, f func() []byte) (all []byte) {
	for range n {
		all = append(all, f()...)
	}
	return all
}

// A flood of KeyUpdates is not answered for ever, whether or not there is data between them.
func TestKeyUpdateFlood(t *testing.T) {
	for name, between := range map[string]string{"nothing between": "", "data between": "x"} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, cfg Config) {
				e := startEngine(t, cfg)
				p := newProbe(t)
				got := 0
				p.onData = func(_ *Conn, data []byte) int { got += len(data); return len(data) }
				addr := transports()[1].listen(t, e, func(*Conn) Handler { return p })
				nc, out, _ := rawTLS(t, addr)
				send(t, nc, many(1000, func() []byte {
					b := out.seal(typeHandshake, keyUpdate)
					out = out.next()
					if between != "" {
						b = append(b, out.seal(typeApplication, []byte(between))...)
					}
					return b
				}))
				if err := receive(t, p.closed, "OnClose"); err == nil || errors.Is(err, ErrPeerGone) {
					t.Errorf("OnClose(%v), want a refusal", err)
				}
				if want := (maxVoid + 1) * len(between); got != want {
					t.Errorf("%d bytes of data, want %d", got, want)
				}
			})
		})
	}
}

// Records without data are bounded by time: a peer may go on sending some for ever.
func TestVoidRecords(t *testing.T) {
	var v voidRecords
	for minute := range 3 {
		now := time.Duration(minute) * voidWindow
		for i := range 1000 { // data alone, and what is left of it
			if err := v.note(now, int32(1-i%2), true); err != nil {
				t.Fatalf("records with data: %v", err)
			}
		}
		if err := v.note(now, maxVoid/2, false); err != nil {
			t.Fatal(err)
		}
		if err := v.note(now+voidWindow-1, maxVoid/2+1, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.note(3*voidWindow-1, 1, false); !errors.Is(err, errVoidRecords) {
		t.Errorf("one too many: %v, want %v", err, errVoidRecords)
	}
}

// Records are told apart however they come.
func TestRecordCutter(t *testing.T) {
	var stream []byte
	sizes := []int{1, 0, 300, 0, 0, 65535, 2, 16 << 10}
	for i, n := range sizes {
		stream = append(append(stream, byte(i), 3, 3, byte(n>>8), byte(n)), make([]byte, n)...)
	}
	for _, in := range []int{1, 2, 3, 5, 7, 1000, len(stream)} {
		for _, room := range []int{1, 4, 5, 6, 517, len(stream)} {
			var r recordCutter
			b, got := make([]byte, room), make([]byte, 0, len(stream))
			ends := 0
			for at := 0; at < len(stream); {
				n, ended := r.cut(b, stream[at:min(at+in, len(stream))])
				if n == 0 {
					t.Fatalf("nothing of %d bytes with room for %d", in, room)
				}
				at += n
				got = append(got, b[:n]...)
				if !ended {
					continue
				}
				want := 0
				for _, n := range sizes[:ends+1] {
					want += recordHeader + n
				}
				if ends++; at != want {
					t.Fatalf("%d bytes with room for %d: record %d ends at %d, want %d", in, room, ends, at, want)
				}
			}
			if ends != len(sizes) || !bytes.Equal(got, stream) {
				t.Errorf("%d bytes with room for %d: %d records, want %d, or other bytes", in, room, ends, len(sizes))
			}
		}
	}
}

// TLS 1.2 lets a client ask for renegotiation. It is refused.
func TestRenegotiation(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is missing: run 'make install-tools'")
	}
	eachEngine(t, func(t *testing.T, cfg Config) {
		e := startEngine(t, cfg)
		p := newProbe(t)
		addr := transports()[1].listen(t, e, func(*Conn) Handler { return p })
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, openssl, "s_client", "-tls1_2", "-connect", addr.String())
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p.conn()
		send(t, in, []byte("R\n"))
		if err := receive(t, p.closed, "OnClose"); err == nil || !strings.Contains(err.Error(), "clientHello") {
			t.Errorf("OnClose(%v), want a refused renegotiation", err)
		}
		in.Close()
		_ = cmd.Wait() // how it ends is its own affair
	})
}
