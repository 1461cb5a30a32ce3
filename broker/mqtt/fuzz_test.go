package mqtt

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// The first byte of the fuzzer's input chooses how the rest is sent.
const (
	fuzzConnect = 0x03 // nothing, a CONNECT of 3.1, 3.1.1 or 5 goes before
	fuzzSlow    = 0x04 // one byte at a time
	fuzzFrozen  = 0x08 // the client does not read
	fuzzTwice   = 0x10 // the same again on a second connection
)

// FuzzConnection sends any bytes to a server. It must neither panic nor hang,
// must answer with well-formed packets only, must not be made to allocate
// much, and another client must not notice.
func FuzzConnection(f *testing.F) {
	for how, group := range map[byte][]badPacket{0: badConnect, 2: badV3, 3: badV5} {
		for _, p := range group {
			f.Add(append([]byte{how}, mustRaw(p.bytes)...))
		}
	}
	for _, session := range fuzzSessions(f) {
		f.Add(session)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 1<<16 {
			return
		}
		synctest.Test(t, func(t *testing.T) { fuzzOnce(t, data[0], data[1:]) })
	})
}

// fuzzSessions makes inputs of the scripts: for each client in one, all that
// it sends.
func fuzzSessions(f *testing.F) (inputs [][]byte) {
	files, _ := filepath.Glob("testdata/script/*.txt")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for s := range strings.SplitSeq(string(text), "\n== ") {
			sent := make(map[string][]byte)
			version := make(map[string]packet.Version)
			for _, step := range parseScript(s) {
				w := strings.Fields(step.line)
				if len(w) < 2 {
					continue
				}
				rest := strings.Join(w[1:], " ")
				if w[1] == "connect" {
					v, b, _ := encodeConnect(strings.TrimPrefix(rest, "connect"))
					version[w[0]], sent[w[0]] = v, append([]byte{0}, b...)
				} else if b, err := encode(rest, version[w[0]]); err == nil && len(b) < 1000 {
					sent[w[0]] = append(sent[w[0]], b...)
				}
			}
			for _, b := range sent {
				if len(b) > 1 && len(b) < 2000 {
					inputs = append(inputs, b)
				}
			}
		}
	}
	return inputs
}

func fuzzOnce(t *testing.T, how byte, data []byte) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := newServer(t, setup{
		loop:   netloop.Config{Portable: true, Loops: 1, HighWater: 16 << 10},
		broker: broker.Config{MaxQueuedMessages: 20, MaxQueuedBytes: 10_000, MaxInflight: 10, MaxSubscriptions: 20, MaxRetained: 20},
		mqtt:   Config{MaxPacketSize: 1 << 17, ReceiveMaximum: 20},
	})
	other := dialAs(s, "v4 id=the-other-client-that-nobody-guesses clean")
	rounds := 1
	if how&fuzzTwice != 0 {
		rounds = 2
	}
	for range rounds {
		fuzzClient(s, how, data)
	}
	synctest.Wait()
	other.send(mustRaw(`32 08 00 04 "fuzz" 77 77 c0 00`))
	for _, want := range []packet.Type{packet.TypePubAck, packet.TypePingResp} {
		// Only its own topic's publishers, of which the fuzzer may be one, could hold it up.
		if f, ok := other.wait(); !ok || f.Type != want {
			t.Errorf("the other client got %v, want %v", f.Type, want)
		}
	}
	<-time.After(time.Hour)
	synctest.Wait()
	st := s.broker.Stats()
	if st.Queued > 20*int64(rounds+1) || st.Retained > 20 || st.Waiting > 2*maxDeferred {
		t.Errorf("%d queued, %d retained, %d waiting: more than allowed", st.Queued, st.Retained, st.Waiting)
	}
	runtime.ReadMemStats(&after)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(16<<20+4096*len(data)); got > most {
		t.Errorf("%d bytes of input cost %d bytes of allocations, want at most %d", len(data), got, most)
	}
}

// fuzzClient sends data and reads whatever comes.
func fuzzClient(s *testServer, how byte, data []byte) {
	v := packet.Version(how&fuzzConnect) + 2
	c := newClient(s, max(v, packet.V31))
	if how&fuzzConnect != 0 {
		name := map[packet.Version]string{packet.V31: "v3", packet.V311: "v4", packet.V5: "v5"}[v]
		_, b, _ := encodeConnect(name + " id=fuzz expiry=10 alias=5 ka=100 will=fuzz:will")
		c.send(b)
		synctest.Wait()
	} else if i := strings.Index(string(data), "MQTT"); i >= 0 && i+4 < len(data) && data[i+4] == 5 {
		c.version = packet.V5
	}
	c.freeze(how&fuzzFrozen != 0)
	step := max(len(data), 1)
	if how&fuzzSlow != 0 {
		step = 1
	}
	for i := 0; i < len(data); i += step {
		c.send(data[i:min(i+step, len(data))])
	}
	synctest.Wait()
	c.freeze(false)
	synctest.Wait()
	for {
		f, ok, _ := c.next()
		if !ok {
			return
		}
		if line := render(f, c.version); how&fuzzConnect != 0 && strings.HasPrefix(line, "broken") {
			s.t.Errorf("the answer % x is %s", f.Body, line)
		}
	}
}
