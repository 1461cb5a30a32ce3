//go:build system

package system

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// mosquittoCommands are mosquitto_pub, mosquitto_sub and mosquitto_rr, as users of a shell run them.
type mosquittoCommands struct {
	common []string // broker and version
	five   bool     // the version is MQTT 5
	name   string   // begins Topic Names and Client Identifiers
}

// TestMosquittoCommands is TestClientLibraries on the command line, with request and response on top.
func TestMosquittoCommands(t *testing.T) {
	need(t, "mosquitto_pub", "mosquitto_sub", "mosquitto_rr", "stdbuf")
	n := startNode(t)
	for _, version := range []string{"mqttv31", "mqttv311", "mqttv5"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			m := &mosquittoCommands{
				common: []string{"-h", "127.0.0.1", "-p", n.port, "-V", version}, five: version == "mqttv5", name: version,
			}
			t.Run("QoS", m.qos)
			t.Run("retained", m.retained)
			t.Run("Will", m.will)
			t.Run("Session", m.session)
			t.Run("request and response", m.request)
		})
	}
}

// publish runs mosquitto_pub to its end, with lines as its standard input.
func (m *mosquittoCommands) publish(t *testing.T, lines string, args ...string) {
	t.Helper()
	cmd := exec.Command("mosquitto_pub", slices.Concat(m.common, args)...)
	cmd.Stdin = strings.NewReader(lines)
	if code, out := startClientCmd(t, "", cmd).wait(); code != 0 {
		t.Fatalf("%q: got exit code %d: %s", cmd.Args, code, out)
	}
}

// subscribe starts mosquitto_sub and returns when it has subscribed. -d makes it say that; stdbuf because
// the C library would keep the lines back.
func (m *mosquittoCommands) subscribe(t *testing.T, args ...string) *client {
	t.Helper()
	start := []string{"-oL", "mosquitto_sub", "-d", "-F", "message %t %q %r %p"}
	return startClient(t, "Subscribed ", "stdbuf", slices.Concat(start, m.common, args)...)
}

// messages waits for the end of a mosquitto_sub, which must be a good one, and returns what it has printed.
func messages(t *testing.T, sub *client) []string {
	t.Helper()
	code, out := sub.wait()
	if code != 0 {
		t.Fatalf("%q: got exit code %d: %s", sub.cmd.Args, code, out)
	}
	var got []string
	for line := range strings.Lines(out) {
		if message, ok := strings.CutPrefix(line, "message "); ok {
			got = append(got, strings.TrimSuffix(message, "\n"))
		}
	}
	return got
}

func expectMessages(t *testing.T, sub *client, want ...string) {
	t.Helper()
	if got := messages(t, sub); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func (m *mosquittoCommands) qos(t *testing.T) {
	for sub := range 3 {
		topic := fmt.Sprintf("%s/qos/%d", m.name, sub)
		for pub := range 3 {
			c := m.subscribe(t, "-t", topic, "-q", fmt.Sprint(sub), "-C", "1")
			m.publish(t, "", "-t", topic, "-q", fmt.Sprint(pub), "-m", "hi")
			expectMessages(t, c, fmt.Sprintf("%s %d 0 hi", topic, min(sub, pub)))
		}
	}
}

func (m *mosquittoCommands) retained(t *testing.T) {
	topic := m.name + "/kept"
	m.publish(t, "", "-t", topic, "-q", "1", "-r", "-m", "kept")
	expectMessages(t, m.subscribe(t, "-t", m.name+"/+", "-q", "1", "-C", "1"), topic+" 1 1 kept")
	m.publish(t, "", "-t", topic, "-q", "1", "-r", "-n")
	c := m.subscribe(t, "-t", m.name+"/+", "-q", "1", "-C", "1")
	m.publish(t, "", "-t", topic, "-q", "1", "-m", "live")
	expectMessages(t, c, topic+" 1 0 live")
}

func (m *mosquittoCommands) will(t *testing.T) {
	topic := m.name + "/will"
	heir := m.subscribe(t, "-t", topic, "-q", "1", "-C", "1")
	mortal := m.subscribe(t, "-t", m.name+"/other",
		"--will-topic", topic, "--will-payload", "gone", "--will-qos", "1", "--will-retain")
	if err := mortal.cmd.Process.Signal(syscall.SIGKILL); err != nil { // stdbuf has become mosquitto_sub
		t.Fatal(err)
	}
	expectMessages(t, heir, topic+" 1 0 gone")
	expectMessages(t, m.subscribe(t, "-t", topic, "-q", "1", "-C", "1"), topic+" 1 1 gone")
	m.publish(t, "", "-t", topic, "-q", "1", "-r", "-n")
}

func (m *mosquittoCommands) session(t *testing.T) {
	const count = 30 // more than the 20 that the library has in flight
	topic := m.name + "/away/"
	device := []string{"-i", m.name + "-device", "-c", "-q", "2", "-t", topic + "#"}
	expectMessages(t, m.subscribe(t, append(device, "-E")...))
	var lines strings.Builder
	var want []string
	for i := range count {
		fmt.Fprintf(&lines, "m%d\n", i)
		want = append(want, fmt.Sprintf("m%d", i))
	}
	for _, qos := range []string{"1", "2"} {
		m.publish(t, lines.String(), "-t", topic+qos, "-q", qos, "-l")
	}
	got := messages(t, m.subscribe(t, append(device, "-C", fmt.Sprint(2*count))...))
	for _, qos := range []string{"1", "2"} {
		var payloads []string
		for _, message := range got {
			if payload, ok := strings.CutPrefix(message, topic+qos+" "+qos+" 0 "); ok {
				payloads = append(payloads, payload)
			}
		}
		if !slices.Equal(payloads, want) {
			t.Errorf("QoS %s: got %q, want %q, among %q", qos, payloads, want, got)
		}
	}
}

// request: mosquitto_rr asks, mosquitto_sub hears the question and mosquitto_pub answers. In MQTT 5 the
// question says where to; before, both sides have to know.
func (m *mosquittoCommands) request(t *testing.T) {
	question, answer := m.name+"/question", m.name+"/answer"
	var correlation []string
	want := "[] [] what"
	if m.five {
		correlation = []string{"-D", "publish", "correlation-data", "42"}
		want = "[" + answer + "] [42] what"
	}
	responder := m.subscribe(t, "-t", question, "-q", "1", "-C", "1", "-F", "message [%R] [%D] %p")
	ask := slices.Concat(m.common, []string{"-t", question, "-e", answer, "-q", "1", "-m", "what"}, correlation)
	asker := startClient(t, "", "mosquitto_rr", ask...)
	expectMessages(t, responder, want)
	m.publish(t, "", slices.Concat([]string{"-t", answer, "-q", "1", "-m", "that"}, correlation)...)
	if code, got := asker.wait(); code != 0 || got != "that\n" {
		t.Errorf("asker: got exit code %d and %q, want 0 and that", code, got)
	}
}
