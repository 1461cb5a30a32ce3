package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestGoodFiles(t *testing.T) {
	edit := func(f func(*Config)) *Config { c := Default(); f(c); return c }
	want := map[string]*Config{
		"empty.good.yaml":         Default(),
		"comment-only.good.yaml":  Default(),
		"empty-section.good.yaml": edit(func(c *Config) { c.LogLevel = "warn" }),
		"api-off.good.yaml":       edit(func(c *Config) { c.API = "off" }),
		"full.good.yaml": {
			Listen:         []string{"mqtt://0.0.0.0:1883", "mqtt://[::1]", "unix:///run/holdfast.sock"},
			API:            "127.0.0.1:9000",
			APIHosts:       []string{"node.example"},
			Data:           "memory",
			LogLevel:       "debug",
			LogFormat:      "json",
			AllowAnonymous: true,
			Apps:           Apps{"meters": {MaxConnections: new(1000), MaxQueuedBytes: new(Size(1 << 30)), ClientMessages: new(0)}},
			Auth:           Auth{HTTPTimeout: 2 * time.Second, FailuresExempt: []string{"10.1.0.0/16", "2001:db8::1"}, ForbiddenPublish: Refuse},
			Broker: Broker{
				Loops: 4, MaxInflight: 20, MaxQueuedMessages: 500, MaxQueuedBytes: 2 << 20, MaxWaitingMessages: 70, MaxWaitingBytes: 3 << 20,
				MaxRetained: 10, MaxSubscriptions: 5, MaxPacketSize: 1 << 16, ReceiveMaximum: 100, MaxKeepAlive: 10 * time.Minute,
				SessionExpiryMax: 24 * time.Hour, SlowConsumerTimeout: 5 * time.Second,
				MailboxPolicy: DropOldest, FlashSessions: 7, FlashBytes: 1 << 20, InboxExpiry: time.Hour,
				AutoSubscribe: Subscriptions{"qos=1 devices/%c/in", "retain_handling=2 qos=2 no_local retain_as_published a b/%u"},
			},
			Storage: Storage{
				Sync: SyncInterval, SyncEvery: time.Second, MaxPending: 2 << 20, MinFree: 1 << 30, MailboxAge: time.Hour,
				LogMessages: 9, LogBytes: 3 << 20,
			},
			Overload: Overload{Mode: Watch, LoopLag: "10ms 20ms 30ms", Memory: Off, CommitTime: "1s 2s 3s", Quiet: time.Minute},
		},
	}
	files, _ := filepath.Glob("testdata/*.good.yaml")
	if len(files) != len(want) {
		t.Errorf("got %d good files, want %d", len(files), len(want))
	}
	for name, want := range want {
		got, err := ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// Each bad file says in its first lines which messages it expects: "# want: text".
func TestBadFiles(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.bad.yaml")
	if len(files) < 40 {
		t.Fatalf("got %d bad files, want 40 or more", len(files))
	}
	for _, file := range files {
		c, err := ReadFile(file)
		if err == nil {
			err = c.Validate()
		}
		if err == nil {
			t.Errorf("%s: got no error", file)
			continue
		}
		text, readErr := os.ReadFile(file)
		if readErr != nil {
			t.Fatal(readErr)
		}
		wants := 0
		for line := range bytes.Lines(text) {
			if want, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte("# want: ")); ok {
				wants++
				if !strings.Contains(err.Error(), string(want)) {
					t.Errorf("%s: got %q, want it to hold %q", file, err, want)
				}
			}
		}
		if wants == 0 {
			t.Errorf("%s: no '# want:' line; the error is %q", file, err)
		}
	}
}

func TestMissingFile(t *testing.T) {
	_, err := ReadFile(filepath.Join(t.TempDir(), "none.yaml"))
	if err == nil || !strings.Contains(err.Error(), "read configuration") {
		t.Errorf("got %v, want a read error", err)
	}
}

// Everything under configs/ is what people copy: it must load, and say what it claims to say.
func TestShippedFiles(t *testing.T) {
	const dir = "../../../configs"
	want := map[string]*Config{"holdfast.yaml": Default(), "edge.yaml": Edge()}
	files, _ := filepath.Glob(dir + "/*.yaml")
	if len(files) != len(want)+1 { // and a profile, which has a test of its own
		t.Errorf("got %d files in configs, want %d", len(files), len(want)+1)
	}
	for name, want := range want {
		got, err := ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want the preset %+v", name, got, want)
		}
	}
}

// Every key stands in the commented default file, so that it can be found there.
func TestShippedDefaultNamesEveryKey(t *testing.T) {
	text, err := os.ReadFile("../../../configs/holdfast.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings(Default()) {
		key := s.name[strings.LastIndex(s.name, ".")+1:] + ":"
		if !bytes.Contains(text, []byte(key)) {
			t.Errorf("configs/holdfast.yaml: got no key %s", s.name)
		}
	}
}

func TestFormatReadsBack(t *testing.T) {
	want := Edge()
	want.Listen = []string{"unix:///run/a.sock", "mqtt://127.0.0.1:0"}
	want.Broker.AutoSubscribe = Subscriptions{"qos=1 devices/%c/in", "%%: #, \"x\""}
	text, err := want.Format()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
