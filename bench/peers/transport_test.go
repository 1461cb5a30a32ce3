package peers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Both brokers are told to listen on what the generator dials.
func TestTransports(t *testing.T) {
	for transport, want := range map[string]struct{ url, holdfast, mosquitto string }{
		"mqtt":  {"mqtt://127.0.0.1:7", "--listen mqtt://127.0.0.1:7 --api off --data memory", "listener 7 127.0.0.1 allow_anonymous true persistence false log_type none"},
		"mqtts": {"mqtts://127.0.0.1:7", "--tls-cert DIR/cert.pem --tls-key DIR/key.pem", "certfile DIR/cert.pem keyfile DIR/key.pem"},
		"ws":    {"ws://127.0.0.1:7/mqtt", "--listen ws://127.0.0.1:7/mqtt --api", "protocol websockets listener 0 DIR/unused"},
		"wss":   {"wss://127.0.0.1:7/mqtt", "--tls-key DIR/key.pem", "keyfile DIR/key.pem"},
	} {
		all, err := over([]string{transport}, scenarios())
		if err != nil {
			t.Fatal(err)
		}
		s, dir := &all[0], t.TempDir()
		if got := s.url(7); got != want.url {
			t.Errorf("got %s, want %s", got, want.url)
		}
		args, err := holdfast("hf", nil).command(7, dir, s)
		if got := strings.ReplaceAll(strings.Join(args, " "), dir, "DIR"); err != nil || !strings.Contains(got, want.holdfast) {
			t.Errorf("got %s, %v, want %s", got, err, want.holdfast)
		}
		if _, err := mosquitto("m", nil).command(7, dir, s); err != nil {
			t.Fatal(err)
		}
		conf, err := os.ReadFile(filepath.Join(dir, "mosquitto.conf"))
		got := strings.ReplaceAll(strings.ReplaceAll(string(conf), dir, "DIR"), "\n", " ")
		if err != nil || !strings.Contains(got, want.mosquitto) {
			t.Errorf("got %s, %v, want %s", got, err, want.mosquitto)
		}
	}
	if _, err := over([]string{"mqtt", "quic"}, scenarios()); err == nil || !strings.Contains(err.Error(), `unknown transport "quic"; there are mqtt, mqtts, ws, wss`) {
		t.Errorf("got %v, want quic to be unknown", err)
	}
}

// Requirements are for plain connections, except the memory of idle ones.
func TestRequirementsByTransport(t *testing.T) {
	all, err := over(Transports(), scenarios())
	if err != nil {
		t.Fatal(err)
	}
	memory := map[string]string{"conn": "≤ 1,200", "conn ws": "≤ 1,200", "conn mqtts": "≤ 10,000", "conn wss": "≤ 10,000"}
	bounds := 0
	for _, s := range all {
		for _, m := range s.metrics {
			if m.name == idleMemory {
				if got := m.must.String(); got != memory[s.name] {
					t.Errorf("%s: got %s, want %s", s.name, got, memory[s.name])
				}
			} else if m.must.kind != none && s.transport != plain {
				t.Errorf("%s, %s: got %s, want no requirement", s.name, m.name, m.must)
			} else if m.must.kind != none {
				bounds++
			}
		}
	}
	if bounds < 5 {
		t.Errorf("got %d requirements over TCP, want them as they were", bounds)
	}
}
