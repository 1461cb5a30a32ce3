//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const limitsConfig = `
listen: ["mqtt://127.0.0.1:0", "mqtt://127.0.0.1:0?app=meters", "mqtt://127.0.0.1:0?app=doors", "mqtt://127.0.0.1:0?max-connections=1"]
limits: {client_messages: 300, app_max_connections: 1}
apps:
  default: {max_connections: 6}
  meters: {client_messages: 0, max_connections: 6}
`

// startLimited starts a node with limitsConfig, and returns the ports of its listeners.
func startLimited(t *testing.T) (n *node, ports []string) {
	t.Helper()
	// The listeners are those of the file: a flag would replace them.
	n = startCommand(t, exec.Command(binary(t), "serve",
		"--config", writeConfig(t, limitsConfig), "--api", "127.0.0.1:0", "--data", "memory"))
	for _, m := range mqttURL.FindAllStringSubmatch(n.text(), -1) {
		ports = append(ports, m[1])
	}
	return n, ports
}

// metric returns the value of one line of /metrics.
func (n *node) metric(t *testing.T, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (.*)$`).FindStringSubmatch(n.answer(t, "/metrics"))
	if m == nil {
		t.Fatalf("there is no %s in /metrics", name)
	}
	return m[1]
}

// mosquitto_pub sends 600 lines at once, twice as many as it may in a second. It is slowed, and nothing is lost or out of
// order. Clients of an App without that limit are not slowed.
func TestRateLimitLosesNothing(t *testing.T) {
	n, ports := startLimited(t)
	const lines = 600
	var in strings.Builder
	var want []string
	for i := range lines {
		line := fmt.Sprintf("%d %s", i, strings.Repeat("x", 100)) // more than is parked for one client
		fmt.Fprintln(&in, line)
		want = append(want, line)
	}
	for app, port := range map[string]string{"default": ports[0], "meters": ports[1]} {
		for _, qos := range []string{"0", "1", "2"} {
			t.Run(app+" QoS "+qos, func(t *testing.T) {
				t.Parallel()
				m := &mosquittoCommands{common: []string{"-h", "127.0.0.1", "-p", port}}
				sub := m.subscribe(t, "-t", "t/"+qos, "-q", "2", "-C", fmt.Sprint(lines), "-F", "message %p")
				m.publish(t, in.String(), "-t", "t/"+qos, "-q", qos, "-l")
				expectMessages(t, sub, want...)
			})
		}
	}
	t.Cleanup(func() {
		if got := n.metric(t, `holdfast_app_publish_pauses_total{app="default"}`); got == "0" {
			t.Error("no pauses are counted: nobody was slowed")
		}
		if got := n.metric(t, `holdfast_app_publish_pauses_total{app="meters"}`); got != "0" {
			t.Errorf("got %s pauses of an App without limits, want 0", got)
		}
	})
}

// An App and a listener are full, and others are not.
func TestConnectionLimits(t *testing.T) {
	n, ports := startLimited(t)
	subscribe := func(port string) {
		t.Helper()
		m := &mosquittoCommands{common: []string{"-h", "127.0.0.1", "-p", port}}
		m.subscribe(t, "-t", "t")
	}
	publish := func(port string) (code int, output string) {
		c := startClient(t, "", "mosquitto_pub", "-V", "mqttv5", "-h", "127.0.0.1", "-p", port, "-t", "u", "-m", "x")
		code, output = c.wait()
		return code, output + c.stderr.String()
	}
	subscribe(ports[2])
	if code, out := publish(ports[2]); code == 0 || !strings.Contains(strings.ToLower(out), "quota") {
		t.Errorf("a full App: got exit code %d: %s", code, out)
	}
	if code, out := publish(ports[0]); code != 0 {
		t.Errorf("an App that is not full: got exit code %d: %s", code, out)
	}
	subscribe(ports[3])
	if code, out := publish(ports[3]); code == 0 {
		t.Errorf("a full listener: got exit code 0: %s", out)
	}
	if got := n.metric(t, `holdfast_connections_refused_total{reason="listener_full"}`); got == "0" {
		t.Error("no connection is counted as refused by the listener")
	}
	if got := n.metric(t, `holdfast_app_limited_total{app="doors",limit="connections"}`); got != "1" {
		t.Errorf("got %s connections refused by the App, want 1", got)
	}
}

// SIGHUP has a running node keep to other limits. Who is connected stays, and a file with faults changes nothing.
func TestLimitsReloaded(t *testing.T) {
	const rest = "listen: [\"mqtt://127.0.0.1:0\"]\napi: 127.0.0.1:0\ndata: memory\n"
	file := writeConfig(t, rest+"limits: {app_max_connections: 1}\n")
	n := startCommand(t, exec.Command(binary(t), "serve", "--config", file))
	m := &mosquittoCommands{common: []string{"-h", "127.0.0.1", "-p", n.port}}
	sub := m.subscribe(t, "-t", "t", "-C", "1", "-F", "message %p")
	reload := func(limits, want string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(rest+limits), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(deadline); !strings.Contains(n.text(), want); <-tick.C {
			if time.Now().After(end) {
				t.Fatalf("got no %q in the log", want)
			}
		}
	}
	publish := func(topic string) int {
		code, _ := startClient(t, "", "mosquitto_pub", "-V", "mqttv5", "-h", "127.0.0.1", "-p", n.port, "-t", topic, "-m", "x").wait()
		return code
	}
	if publish("u") == 0 {
		t.Error("a full App: got exit code 0")
	}
	reload("limits: {app_max_connections: -1}\n", "configuration_not_reloaded")
	if publish("u") == 0 {
		t.Error("after a file with a fault: got exit code 0, want the App as full as before")
	}
	reload("limits: {app_max_connections: 2}\nlog_level: debug\n", "settings_need_restart settings=[log_level]")
	if publish("t") != 0 {
		t.Error("an App that has room now: got an error")
	}
	expectMessages(t, sub, "x")
}
