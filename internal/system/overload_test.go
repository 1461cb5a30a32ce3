//go:build system

package system

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A node whose memory is nearer to its limit than it may be says so, and ends in good order although it accepts nobody.
func TestOverloaded(t *testing.T) {
	cmd := exec.Command(binary(t), "serve", "--listen", "mqtt://127.0.0.1:0", "--api", "127.0.0.1:0", "--data", "memory")
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=64MiB", "HOLDFAST_OVERLOAD_MEMORY=1% 2% 100%",
		"HOLDFAST_OVERLOAD_LOOP_LAG=off", "HOLDFAST_OVERLOAD_COMMIT_TIME=off")
	n := startCommand(t, cmd)
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + n.api + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); ; <-tick.C {
		status, body := get("/readyz")
		if status == http.StatusServiceUnavailable && strings.Contains(body, `"code":50303,`) && strings.Contains(body, "memory") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("/readyz: got %d, %s, want 503 for memory", status, body)
		}
	}
	if _, metrics := get("/metrics"); !strings.Contains(metrics, "\nholdfast_overload_level 2\n") {
		t.Error("/metrics: got no level 2")
	}
	if status, _ := get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: got %d, want 200", status)
	}
	if took, err := n.stop(t); err != nil || took > 5*time.Second {
		t.Errorf("got the end %v after %v, want code 0 within 5 s", err, took)
	}
	if !strings.Contains(n.text(), "msg=overload_level level=high cause=memory") {
		t.Errorf("got no line of the log about the level")
	}
}
