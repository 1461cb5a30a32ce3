package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bench"
)

// benchArgs is a command line for a run of a moment against port.
func benchArgs(port, mode string, more ...string) []string {
	args := []string{"bench", mode, "--url", "mqtt://127.0.0.1:" + port}
	switch mode {
	case "conn":
		args = append(args, "--clients", "20", "--settle", "10ms")
	case "fanout":
		args = append(args, "--subscribers", "5")
	case "fanin":
		args = append(args, "--publishers", "5", "--messages", "500")
	case "sleepers":
		args = append(args, "--sessions", "20", "--in-flight", "6", "--settle", "10ms")
	default:
		args = append(args, "--pairs", "3")
	}
	if mode != "conn" && mode != "fanin" && mode != "sleepers" {
		args = append(args, "--duration", "100ms", "--warmup", "10ms")
	}
	return append(args, more...)
}

func TestBench(t *testing.T) {
	port := startBroker(t)
	for _, mode := range bench.Modes() {
		code, stdout, stderr := run(t, "", benchArgs(port, string(mode))...)
		if code != exitOK || stderr != "" || !strings.Contains(stdout, "connections") {
			t.Errorf("bench %s: got %d, %q, %q, want 0 and a result", mode, code, stdout, stderr)
		}
		code, stdout, stderr = run(t, "", benchArgs(port, string(mode), "--format", "json", "-V", "5")...)
		var r bench.Result
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != exitOK || r.Mode != mode || r.MQTT != "5.0" {
			t.Errorf("bench %s: got %d, %q, %q, want a result in JSON", mode, code, stdout, stderr)
		}
	}
}

func TestBenchUsage(t *testing.T) {
	for _, tt := range []struct {
		args           string
		code           int
		stdout, stderr string // parts
	}{
		{"", exitUsage, "", "Usage: holdfast bench MODE"},
		{"x", exitUsage, "", `unknown mode "x"`},
		{"p2p --help", exitOK, "Usage: holdfast bench p2p [flags]", ""},
		{"sparse --help", exitOK, "--rate", ""},
		{"peers --help", exitOK, "Usage: holdfast bench peers [flags]", ""},
		{"p2p --messages 3", exitUsage, "", "unknown flag: --messages"},
		{"sleepers --burst", exitUsage, "", "unknown flag: --burst"},
		{"durable --hold-acks 2m", exitUsage, "", "hold-acks must be"},
		{"p2p --hold-acks 1s", exitUsage, "", "unknown flag: --hold-acks"},
		{"p2p --qos 2", exitUsage, "", "QoS must be 0 or 1"},
		{"p2p -V 3", exitUsage, "", "protocol version must be 4 or 5"},
		{"p2p --format xml", exitUsage, "", `"xml" is neither text nor json`},
		{"p2p --url mqtt://127.0.0.1:1", exitFailure, "", "connection refused"},
		{"peers --format xml", exitUsage, "", `"xml" is neither`},
		{"peers --only x", exitFailure, "", `unknown scenario "x"`},
		{"floods --help", exitOK, "Usage: holdfast bench floods [flags]", ""},
		{"floods --format xml", exitUsage, "", `"xml" is neither`},
		{"floods --only x", exitUsage, "", `unknown kind of flood "x"`},
		{"floods --duration 1ms", exitUsage, "", "duration must be"},
	} {
		code, stdout, stderr := run(t, "", strings.Fields("bench "+tt.args)...)
		if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("bench %s: got %d, %q, %q, want %d, %q, %q", tt.args, code, stdout, stderr, tt.code, tt.stdout, tt.stderr)
		}
	}
	for _, mode := range append(bench.Modes(), "peers", "floods") {
		_, stdout, _ := run(t, "", "bench", string(mode), "--help")
		for _, want := range []string{"Usage:", "Examples:", "Exit codes:"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("bench %s --help: got no %q", mode, want)
			}
		}
	}
}
