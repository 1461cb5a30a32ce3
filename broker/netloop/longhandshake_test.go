package netloop

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// longMessage returns n bytes of a handshake message that says it has 256 KB, in records.
func longMessage(typ byte, n int) (b []byte) {
	body := append([]byte{typ, 4, 0, 0}, make([]byte, n-4)...)
	for len(body) > 0 {
		k := min(len(body), recordSize)
		b = append(b, recordHandshake, 3, 3)
		b = binary.BigEndian.AppendUint16(b, uint16(k))
		b, body = append(b, body[:k]...), body[k:]
	}
	return b
}

// listenForCerts starts a listener that echoes over TLS, and asks for certificates or does not.
func listenForCerts(t *testing.T, e *Engine, auth tls.ClientAuthType) net.Addr {
	t.Helper()
	lc := ListenConfig{TLS: testServerTLS().Clone(), NewHandler: func(*Conn) Handler {
		p := newProbe(t)
		p.onData = echo
		return p
	}}
	lc.TLS.ClientAuth = auth
	return listenWith(t, e, lc)
}

// A client that announces a long message, which crypto/tls waits for, is closed once it has sent more than any client needs. Time
// stands still meanwhile.
func TestLongHandshake(t *testing.T) {
	const typeHello, typeCertificate = 1, 11
	old := clientTLS()
	old.MaxVersion = tls.VersionTLS12 // whose messages are not encrypted
	hello := helloOf(t, old)
	for name, tt := range map[string]struct {
		first []byte
		typ   byte
		auth  tls.ClientAuthType
		most  int
	}{
		"ClientHello":        {nil, typeHello, tls.NoClientCert, maxClientPart},
		"Certificate":        {hello, typeCertificate, tls.NoClientCert, maxClientPart},
		"asked Certificate":  {hello, typeCertificate, tls.RequestClientCert, maxClientPart + maxClientChain},
		"cut in small parts": {hello, typeCertificate, tls.NoClientCert, maxClientPart},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, cfg Config) {
				cfg.Now = new(movedClock).now
				e := startEngine(t, cfg)
				nc := dialTCP(t, listenForCerts(t, e, tt.auth))
				send(t, nc, tt.first)
				if tt.first != nil {
					wantBytes(t, nc, []byte{recordHandshake})
				}
				var to io.Writer = nc
				if strings.HasPrefix(name, "cut") {
					to = splitter{nc, 1000}
				}
				message := longMessage(tt.typ, tt.most+recordHeader)
				if tt.typ == typeHello {
					message[6] = 0 // 64 KB at most, or crypto/tls itself says no
					message[7] = 0xff
				}
				send(t, to, message)
				wantEnd(t, nc)
				if st := e.Stats(); st.HandshakesFailed != 1 || st.HandshakesUnderWay != 0 {
					t.Errorf("stats %+v, want 1 failed", st)
				}
			})
		})
	}
}

// Clients that have much to say are let in: with a ClientHello that is long, and said twice, or with many certificates.
func TestLongestHandshakes(t *testing.T) {
	var protos []string
	for i := range 30 {
		protos = append(protos, fmt.Sprintf("%02d%s", i, strings.Repeat("x", 240)))
	}
	chain := newIssuer(authority(), "device").certificate()
	for size := 0; size < 90<<10; size += len(authority().cert.Raw) {
		chain.Certificate = append(chain.Certificate, authority().cert.Raw)
	}
	for name, tt := range map[string]struct {
		server, client func(*tls.Config)
	}{
		"ClientHello": {
			func(*tls.Config) {},
			func(cfg *tls.Config) { cfg.NextProtos = append(protos, "mqtt") },
		},
		"said twice": {
			func(cfg *tls.Config) { cfg.CurvePreferences = []tls.CurveID{tls.CurveP521} }, // of which clients send no share
			func(cfg *tls.Config) { cfg.NextProtos = append(protos, "mqtt") },
		},
		"certificates, 1.2": {
			func(cfg *tls.Config) { cfg.ClientAuth = tls.RequireAnyClientCert },
			func(cfg *tls.Config) {
				cfg.Certificates, cfg.MaxVersion = []tls.Certificate{chain}, tls.VersionTLS12
			},
		},
		"certificates, 1.3": {
			func(cfg *tls.Config) { cfg.ClientAuth = tls.RequireAnyClientCert },
			func(cfg *tls.Config) { cfg.Certificates = []tls.Certificate{chain} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, cfg Config) {
				e := startEngine(t, cfg)
				lc := ListenConfig{TLS: testServerTLS().Clone(), NewHandler: func(*Conn) Handler {
					p := newProbe(t)
					p.onData = echo
					return p
				}}
				tt.server(lc.TLS)
				ccfg := clientTLS()
				tt.client(ccfg)
				client := tls.Client(dialTCP(t, listenWith(t, e, lc)), ccfg)
				send(t, client, []byte("hello"))
				wantBytes(t, client, []byte("hello"))
				if cs := client.ConnectionState(); cs.HelloRetryRequest != (name == "said twice") {
					t.Errorf("hello was said twice: %t", cs.HelloRetryRequest)
				}
			})
		})
	}
}
