//go:build system

package system

import (
	"testing"
	"time"
)

// TestCrowd has 10,000 clients of MQTT 5 connect at once. All get in, and with all of them there, SIGTERM ends the
// broker within 5 s.
func TestCrowd(t *testing.T) {
	const clients = 10_000
	n := startNode(t)
	r := benchConn(t, "--url", "mqtt://127.0.0.1:"+n.port, "--clients", "10000", "--burst", "-V", "5", "--settle", "0s")
	if got := r.Connections; got.Attempted != clients || got.Failed != 0 {
		t.Errorf("got %d connects of which %d failed, want %d and 0", got.Attempted, got.Failed, clients)
	}
	if took, err := n.stop(t); err != nil || took > 5*time.Second {
		t.Errorf("got the end after %v, %v, want it within 5 s", took, err)
	}
}
