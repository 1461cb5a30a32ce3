//go:build system

package system

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// TestIdle has many clients over TLS and WebSocket connect, subscribe and be idle, and measures what each costs the
// broker's resident memory. The clients are another process, since a process often may not open more than 20,000 files: then
// as many clients come as leave the broker some for itself, 19,500 instead of 20,000.
func TestIdle(t *testing.T) {
	dir := t.TempDir()
	newAuthority(t, dir).server("server", "server")
	for _, tt := range []struct {
		scheme, path string
		clients      int
		most         int64 // bytes of resident memory for each
	}{
		{"ws", "/mqtt", 20_000, 1_200},  // 1,019 to 1,109 measured
		{"mqtts", "", 10_000, 10_000},   // 8,563
		{"wss", "/mqtt", 5_000, 11_000}, // 9,203
	} {
		t.Run(tt.scheme, func(t *testing.T) {
			clients := min(tt.clients, descriptors(t)-500)
			n := startNode(t, "--data", "memory", "--listen", tt.scheme+"://127.0.0.1:0"+tt.path,
				"--tls-cert", filepath.Join(dir, "server.pem"), "--tls-key", filepath.Join(dir, "server.key"))
			url := fmt.Sprintf("%s://127.0.0.1:%s%s", tt.scheme, n.ports()[tt.scheme][0], tt.path)
			r := benchConn(t, "--url", url, "--cafile", filepath.Join(dir, "ca.pem"), "--clients", strconv.Itoa(clients),
				"--in-flight", "100", "--settle", "35s", "--pid", strconv.Itoa(n.cmd.Process.Pid))
			t.Logf("%d connections, %d B each", r.Connections.Attempted, r.Broker.PerConnection)
			if got := r.Connections; got.Attempted != clients || got.Failed != 0 {
				t.Errorf("got %d connections of which %d failed, want %d and 0", got.Attempted, got.Failed, clients)
			}
			if got := r.Broker.PerConnection; got <= 0 || got > tt.most {
				t.Errorf("got %d B of resident memory a connection, want at most %d", got, tt.most)
			}
			if _, err := n.stop(t); err != nil {
				t.Errorf("got the broker's end with %v, want none", err)
			}
		})
	}
}

// descriptors is how many files a process may open.
func descriptors(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return int(min(limit.Max, 1<<30))
}

// connResult is what `holdfast bench conn` says.
type connResult struct {
	Connections struct{ Attempted, Failed int }
	Broker      struct {
		PerConnection int64 `json:"rss_bytes_per_connection"`
	}
}

// benchConn runs `holdfast bench conn`.
func benchConn(t *testing.T, args ...string) connResult {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary(t), append([]string{"bench", "conn", "--format", "json"}, args...)...).Output()
	if err != nil {
		t.Fatalf("bench conn: %v\n%s", err, out)
	}
	var r connResult
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("bench conn printed %s: %v", out, err)
	}
	return r
}
