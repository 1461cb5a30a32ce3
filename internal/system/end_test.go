//go:build system

package system

import (
	"strings"
	"testing"
	"time"
)

// SIGTERM: clients of MQTT 5 are told why, the others' connections end, and all of it within 5 s.
func TestTermination(t *testing.T) {
	n := startNode(t)
	common := []string{"sub", "-d", "-h", "127.0.0.1", "-p", n.port, "-t", "a"}
	five := startClient(t, "subscribed to ", binary(t), append(common, "-V", "mqttv5")...)
	three := startClient(t, "subscribed to ", binary(t), append(common, "-V", "mqttv311")...)
	took, err := n.stop(t)
	if err != nil {
		t.Errorf("got exit %v, want code 0", err)
	}
	if took > 5*time.Second {
		t.Errorf("got the end after %v, want within 5 s", took)
	}
	if code, _ := five.wait(); code != 1 || !strings.Contains(five.stderr.String(), "server shutting down (0x8B)") {
		t.Errorf("MQTT 5 client: got exit code %d, %q, want 1 and server shutting down", code, five.stderr.String())
	}
	if code, _ := three.wait(); code != 1 || !strings.Contains(three.stderr.String(), "connection lost") {
		t.Errorf("MQTT 3.1.1 client: got exit code %d, %q, want 1 and connection lost", code, three.stderr.String())
	}
}
