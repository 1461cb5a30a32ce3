package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func load(t *testing.T, environ []string, args ...string) (*Config, error) {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(fs, environ)
}

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := "log_level: warn\nlog_format: json\napi: 127.0.0.1:1\nlisten: [\"mqtt://127.0.0.1:1\"]\nbroker: {loops: 1, sys_interval: 5s}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"HOLDFAST_CONFIG=" + file, "HOLDFAST_API=127.0.0.1:2", "HOLDFAST_LOG_LEVEL=error",
		"HOLDFAST_LISTEN=mqtt://127.0.0.1:2, unix:///run/2.sock", "HOLDFAST_BROKER_LOOPS=2",
		"HOLDFAST_BROKER_MAX_QUEUED_BYTES=3MiB", "HOLDFAST_BROKER_SLOW_CONSUMER_TIMEOUT=7s",
		"HOLDFAST_BROKER_AUTO_SUBSCRIBE=qos=1 devices/%c/in, news",
		"HOLDFASTER=1", "PATH=/bin",
	}
	c, err := load(t, environ, "--log-level", "debug", "--allow-anonymous", "--storage-sync", "never")
	if err != nil {
		t.Fatal(err)
	}
	checks := []struct {
		name      string
		got, want any
	}{
		{"flag over env over file", c.LogLevel, "debug"},
		{"env over file", c.API, "127.0.0.1:2"},
		{"file over default", c.LogFormat, "json"},
		{"default", c.Data, DefaultData},
		{"subscriptions in env", strings.Join(c.Broker.AutoSubscribe, "|"), "qos=1 devices/%c/in|news"},
		{"flag of a section", c.Storage.Sync, SyncNever},
		{"boolean flag", c.AllowAnonymous, true},
		{"list in env", strings.Join(c.Listen, "|"), "mqtt://127.0.0.1:2|unix:///run/2.sock"},
		{"number in env", c.Broker.Loops, 2},
		{"size in env", c.Broker.MaxQueuedBytes, Size(3 << 20)},
		{"duration in env", c.Broker.SlowConsumerTimeout, 7 * time.Second},
		{"duration in file", c.Broker.SysInterval, 5 * time.Second},
	}
	for _, tt := range checks {
		if tt.got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}

	c, err = load(t, environ, "--listen", "mqtt://127.0.0.1:3", "--listen", "mqtt://127.0.0.1:4", "--config", "../../../configs/edge.yaml",
		"--broker-auto-subscribe", "qos=2 a, b", "--broker-auto-subscribe", "c")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"mqtt://127.0.0.1:3", "mqtt://127.0.0.1:4"}; !slices.Equal(c.Listen, want) {
		t.Errorf("flags replace the list: got %v, want %v", c.Listen, want)
	}
	if want := []string{"qos=2 a, b", "c"}; !slices.Equal(c.Broker.AutoSubscribe, want) {
		t.Errorf("flags replace the subscriptions: got %q, want %q", c.Broker.AutoSubscribe, want)
	}
	if c.LogFormat != "text" {
		t.Errorf("--config over HOLDFAST_CONFIG: got log_format %q, want text", c.LogFormat)
	}
}

// Commas in options of listeners do not separate listeners.
func TestListenersInTheEnvironment(t *testing.T) {
	for text, want := range map[string][]string{
		"auto://127.0.0.1:1?protocols=mqtt,ximp,miop,mqtt://127.0.0.1:2": {"auto://127.0.0.1:1?protocols=mqtt,ximp,miop", "mqtt://127.0.0.1:2"},
		"ws://127.0.0.1:1?origins=https://a.example,https://b.example":   {"ws://127.0.0.1:1?origins=https://a.example,https://b.example"},
		"mqtt://127.0.0.1:1?proxy=10.0.0.0/8,::1, unix:///run/1.sock":    {"mqtt://127.0.0.1:1?proxy=10.0.0.0/8,::1", "unix:///run/1.sock"},
	} {
		c, err := load(t, []string{"HOLDFAST_LISTEN=" + text})
		if err != nil || !slices.Equal(c.Listen, want) {
			t.Errorf("%s: got %q, %v, want %q", text, c.Listen, err, want)
		}
	}
	if _, err := load(t, []string{"HOLDFAST_LISTEN=mqtt://127.0.0.1:1,mqqt://127.0.0.1:2"}); err == nil || !strings.Contains(err.Error(), `unknown scheme "mqqt"`) {
		t.Errorf("got %v, want the misspelled scheme named", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ []string
		args    []string
		want    string
	}{
		{"unknown variable", []string{"HOLDFAST_LISTENN=x"}, nil, "environment: unknown variable HOLDFAST_LISTENN (did you mean HOLDFAST_LISTEN?)"},
		{"unknown variable, nothing near", []string{"HOLDFAST_PERSISTENCE_LOCATION=x"}, nil, "environment: unknown variable HOLDFAST_PERSISTENCE_LOCATION"},
		{"misspelled config variable", []string{"HOLDFAST_CONF=x"}, nil, "(did you mean HOLDFAST_CONFIG?)"},
		{"number", []string{"HOLDFAST_BROKER_LOOPS=two"}, nil, `environment: HOLDFAST_BROKER_LOOPS: "two" is not a number`},
		{"duration", []string{"HOLDFAST_BROKER_SYS_INTERVAL=5"}, nil, `"5" is not a duration (as in 30s or 5m)`},
		{"boolean", []string{"HOLDFAST_ALLOW_ANONYMOUS=maybe"}, nil, `"maybe" is not a boolean (true or false)`},
		{"size", []string{"HOLDFAST_BROKER_MAX_PACKET_SIZE=-1"}, nil, `"-1" is not a size`},
		{"empty number", []string{"HOLDFAST_BROKER_LOOPS="}, nil, `environment: HOLDFAST_BROKER_LOOPS: "" is not a number`},
		{"missing file", nil, []string{"--config", "none.yaml"}, "read configuration: open none.yaml"},
		{"invalid", nil, []string{"--data", ""}, "data: name a directory"},
		{"subscription", nil, []string{"--broker-auto-subscribe", "inbox/%c"}, "broker.auto_subscribe[0]: \"inbox/%c\": a client has its own inbox"},
		{"public", nil, []string{"--listen", "mqtt://192.0.2.1"}, "can be reached from other machines"},
	} {
		_, err := load(t, tt.environ, tt.args...)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want it to hold %q", tt.name, err, tt.want)
		}
	}
}

func TestPresetsAreValid(t *testing.T) {
	for name, c := range map[string]*Config{"Default": Default(), "Edge": Edge()} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	a := Default()
	a.Listen[0] = "changed"
	if got := Default().Listen[0]; got == "changed" {
		t.Error("got a Default that shares its list with an earlier one, want a copy")
	}
}
