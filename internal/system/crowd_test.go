//go:build system

package system

import (
	"encoding/json"
	"os/exec"
	"testing"
	"time"
)

// TestCrowd has 10,000 clients of MQTT 5 connect at once. All get in, and with all of them there, SIGTERM ends the
// broker within 5 s.
func TestCrowd(t *testing.T) {
	const clients = 10_000
	n := startNode(t)
	out, err := exec.CommandContext(t.Context(), binary(t), "bench", "conn", "--url", "mqtt://127.0.0.1:"+n.port,
		"--clients", "10000", "--burst", "-V", "5", "--settle", "0s", "--format", "json").Output()
	if err != nil {
		t.Fatalf("bench conn: %v\n%s", err, out)
	}
	var r struct {
		Connections struct{ Attempted, Failed int }
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("bench conn printed %s: %v", out, err)
	}
	if got := r.Connections; got.Attempted != clients || got.Failed != 0 {
		t.Errorf("got %d connects of which %d failed, want %d and 0:\n%s", got.Attempted, got.Failed, clients, out)
	}
	if took, err := n.stop(t); err != nil || took > 5*time.Second {
		t.Errorf("got the end after %v, %v, want it within 5 s", took, err)
	}
}
