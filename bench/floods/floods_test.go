package floods

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mqtt/holdfast/bench"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// selfSigned makes a certificate.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestSpecs(t *testing.T) {
	for _, s := range specs() {
		if s.kind.Scheme() == "" || s.unit == "" || s.share <= 0 || s.workers < 1 || s.attempt == nil {
			t.Errorf("%s: got %+v, want all that is needed", s.kind, s)
		}
	}
	if got := Kind("x").Scheme(); got != "" {
		t.Errorf("scheme of no kind: got %q", got)
	}
}

// Every kind makes the attempts that it is told to against its dummy, and none fails there.
func TestFloodOfDummy(t *testing.T) {
	cert := selfSigned(t)
	for _, k := range Kinds() {
		t.Run(string(k), func(t *testing.T) {
			s, err := startSink(k.spec().dummy, cert)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			f, err := New(k, s.addr())
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			const most = 300
			if got := f.Run(t.Context(), most, 500*time.Millisecond); got.Attempts == 0 || got.Attempts > most || got.Failed != 0 {
				t.Errorf("got %+v, want up to %d attempts and no failure", got, most)
			}
		})
	}
}

// A flood ends with its time and with its context, whatever is to be done yet.
func TestFloodEnds(t *testing.T) {
	s, err := startSink(dummy{}, tls.Certificate{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, run := range map[string]func(f *Flood) Outcome{
		"time":    func(f *Flood) Outcome { return f.Run(t.Context(), 1<<40, 50*time.Millisecond) },
		"context": func(f *Flood) Outcome { return f.Run(ended, 1<<40, longest) },
	} {
		f, err := New(Silent, s.addr())
		if err != nil {
			t.Fatal(err)
		}
		if got := run(f); got.Attempts >= 1<<40 {
			t.Errorf("%s: got %+v", name, got)
		}
		f.Close()
	}
}

func TestHeldIsBounded(t *testing.T) {
	s, err := startSink(dummy{}, tls.Certificate{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	f, err := New(Silent, s.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	small := *f.spec
	small.held = 10
	f.spec = &small
	if got := f.Run(t.Context(), 35, 100*time.Millisecond); got.Failed != 0 || len(f.held) > 10 || len(f.held)+f.heldN < int(got.Attempts) {
		t.Errorf("got %+v, %d held, %d replaced, want at most 10 and the others", got, len(f.held), f.heldN)
	}
}

func TestRefusals(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:1883", "localhost:1883", "127.0.0.1", "[2001:db8::1]:1"} {
		if _, err := New(Connect, addr); !errors.Is(err, ErrNotLoopback) {
			t.Errorf("%s: got %v, want it to be refused", addr, err)
		}
	}
	if _, err := New("x", "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), `unknown kind of flood "x"`) {
		t.Errorf("got %v, want the kind to be unknown", err)
	}
	if _, err := New(TLSBytes, closedPort(t)); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want nobody there", err)
	}
	f, err := New(Connect, closedPort(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.Run(t.Context(), 5, 100*time.Millisecond); got.Attempts == 0 || got.Failed != got.Attempts {
		t.Errorf("got %+v, want failures", got)
	}
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// The record that asks for another handshake is one that the server decrypts: crypto/tls says that it
// did not expect that message, not that it was wrongly encrypted.
func TestNextRecord(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			got <- err
			return
		}
		defer c.Close()
		_, err = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}).Read(make([]byte, 1))
		got <- err
	}()
	f, err := New(Renegotiate, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if out := f.Run(t.Context(), 1, time.Minute); out.Failed != 0 {
		t.Errorf("got %+v, want no failure", out)
	}
	if err := <-got; err == nil || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "bad record MAC") || !strings.Contains(err.Error(), "unexpected") {
		t.Errorf("the server got %v, want an unexpected message", err)
	}
	for name, try := range map[string]struct{ log, answer string }{
		"no log": {"", ""}, "no hex": {"CLIENT_RANDOM x y", ""}, "no answer": {"CLIENT_RANDOM 00 00", "\x16\x03\x03"},
	} {
		if _, err := nextRecord(try.log, []byte(try.answer), nil); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestRecordHello(t *testing.T) {
	b, err := recordHello()
	if err != nil || b[0] != 0x16 || int(binary.BigEndian.Uint16(b[3:])) != len(b)-5 || b[5] != 1 {
		t.Errorf("got % x, %v, want one record with a ClientHello", b, err)
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"unknown kind":  func(o *Options) { o.Only = []string{"x"} },
		"rounds and":    func(o *Options) { o.Rounds = 0 },
		"pairs must":    func(o *Options) { o.Pairs = 0 },
		"attempts 1 to": func(o *Options) { o.Attempts = 0 },
		"duration must": func(o *Options) { o.Duration = time.Hour },
	} {
		o := Defaults()
		if change(&o); o.Validate() == nil || !strings.Contains(o.Validate().Error(), want) {
			t.Errorf("got %v, want %q", o.Validate(), want)
		}
	}
	if _, err := Run(t.Context(), Options{}, nil); err == nil {
		t.Error("got no error for no options")
	}
}

func TestReport(t *testing.T) {
	phase := func(n float64) bench.Phase { return bench.Phase{PerSecond: n} }
	with := func(n float64, attempts, failed int64) flooded {
		return flooded{PerSecond: n, Broker: 0.5, Attempts: attempts, Failed: failed}
	}
	rounds := []measured{
		{without: phase(100), with: with(90, 7, 0), after: phase(99), dummy: with(100, 7, 0), messages: new(bench.Messages)},
		{without: phase(100), with: with(50, 8, 2), after: phase(90), dummy: with(100, 8, 0), messages: new(bench.Messages)},
		{without: phase(100), with: with(60, 9, 0), after: phase(100), dummy: with(60, 9, 0), messages: new(bench.Messages)},
	}
	r := row(Hello, rounds)
	if r.Attempts != 8 || fmt.Sprintf("%.0f %.0f %.0f", r.Loss, r.Recovered, r.With) != "10 99 60" || !r.OK() {
		t.Errorf("got %+v", r)
	}
	if r := row(Hello, rounds[:2]); r.Loss != 50 || r.OK() {
		t.Errorf("two rounds: got %+v, want the worse loss", r)
	}
	if r := row(Hello, []measured{{without: phase(100), with: with(90, 7, 0), after: phase(99)}}); r.OK() {
		t.Errorf("nothing delivered beside the dummy: got %+v, want it to fail", r)
	}
	bad := []measured{{with: flooded{PerSecond: 1, Silent: 3}, dummy: with(1, 1, 0), messages: &bench.Messages{}}}
	lossy := []measured{{with: with(1, 1, 0), dummy: with(1, 1, 0), messages: &bench.Messages{Lost: 2}}}
	rep := &Report{Rows: []Row{r, row(Connect, bad), row(Silent, lossy), row(Garbage, rounds[1:2])}}
	if rep.OK() {
		t.Error("got a report that is well")
	}
	for _, write := range []func(io.Writer) error{rep.Table().WriteText, rep.Table().WriteMarkdown} {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"10.0 50.0 0.0", "pass", "FAIL: 3 pairs got nothing", "FAIL: 2 messages lost", "FAIL", "8 handshakes"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("got no %q in\n%s", want, b.String())
			}
		}
	}
}
