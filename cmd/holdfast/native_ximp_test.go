package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// logIn logs in as guest alice, and pulls what is in her inbox.
func logIn(t *testing.T, o client.Options) (inbox []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	o.User, o.Platform, o.DeviceID = "alice", "mobile", "d"
	c, err := client.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	err = c.Inbox(packet.BoxPeer, 0).Pull(ctx, func(m packet.Stored) error {
		inbox = append(inbox, string(m.Body))
		return nil
	})
	return inbox, err
}

// What an MQTT client publishes to the inbox of a device reaches it over TCP, and over WebSocket in binary and in text, on a
// listener of its own and on one that finds out what is spoken.
func TestXIMPListener(t *testing.T) {
	for _, listener := range []string{"ximp://127.0.0.1:0?app=default", "auto://127.0.0.1:0?protocols=ximp,mqtt&app=default"} {
		addr := startNode(t, "mqtt://127.0.0.1:0", listener)
		for _, o := range []client.Options{
			{URL: "ximp://" + addr[1], Header: packet.Header{Version: 1, ClientVersion: 102, App: 4242}},
			{URL: "ximp://" + addr[1], Header: packet.Header{ClientVersion: 102, App: 4242}},
			{URL: "ws://" + addr[1] + "/", Header: packet.Header{Version: 1, ClientVersion: 102, App: 4242}},
			{URL: "ws://" + addr[1] + "/", Header: packet.TextHeader, Text: true},
		} {
			mustPub(t, portOf(t, addr[0]), "-q", "1", "-t", "inbox/x:alice:mobile:d", "-m", "hi")
			if got, err := logIn(t, o); err != nil || len(got) != 1 || got[0] != "hi" {
				t.Errorf("%s, %s, text %v: got %q, %v, want hi", listener, o.URL, o.Text, got, err)
			}
		}
	}
}

// The profile says who may log in, with which keys.
func TestXIMPProfile(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "native.yaml")
	text := `ximp: {apps: {"7": default}, only_apps: true, keys: {"7-102": test-key}, guests: check, salts: {"7": test-salt}}`
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := startNode(t, "mqtt://127.0.0.1:0", "ximp://127.0.0.1:0?profile="+profile)
	mustPub(t, portOf(t, addr[0]), "-q", "1", "-t", "inbox/x:alice:mobile:d", "-m", "hi")
	good := client.Options{
		URL: "ximp://" + addr[1], Header: packet.Header{Version: 1, ClientVersion: 102, App: 7},
		DefaultKey: "test-key", VerfSalt: "test-salt",
	}
	for name, change := range map[string]func(*client.Options){
		"other app":     func(o *client.Options) { o.Header.App = 8 },
		"other version": func(o *client.Options) { o.Header.ClientVersion = 103 },
		"other key":     func(o *client.Options) { o.DefaultKey = "other" },
		"plaintext":     func(o *client.Options) { o.DefaultKey = "" },
		"other salt":    func(o *client.Options) { o.VerfSalt = "other" },
	} {
		o := good
		change(&o)
		if _, err := logIn(t, o); err == nil {
			t.Errorf("%s: logged in", name)
		}
	}
	if got, err := logIn(t, good); err != nil || len(got) != 1 || got[0] != "hi" {
		t.Errorf("got %q, %v, want hi", got, err)
	}
}

// The profile tells what signed users make their secret_ram with, and whether LoginResp is encrypted with it.
func TestXIMPTokens(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "native.yaml")
	text := `ximp: {apps: {"7": default}, keys: {"7-102": test-key}, tokens: {"7": test-token}, login_resp_key: token}`
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := startNode(t, "ximp://127.0.0.1:0?profile="+profile)
	for token, good := range map[packet.Key]bool{"test-token": true, "other": false} {
		o := client.Options{
			URL: "ximp://" + addr[0], Header: packet.Header{Version: 1, ClientVersion: 102, App: 7},
			DefaultKey: "test-key", Sig: "signature", Token: token,
		}
		if _, err := logIn(t, o); (err == nil) != good {
			t.Errorf("%s: got %v, want it let in: %v", string(token), err, good)
		}
	}
}

// What a profile leaves out is the front's default; 0 packets a minute are any number.
func TestXIMPRules(t *testing.T) {
	for text, want := range map[string]ximp.Rules{
		"": {},
		"ximp: {packets_per_minute: 0, secret_ram: ignore}":                      {PacketsPerMinute: -1, SecretRAM: ximp.SecretIgnore},
		"ximp: {packets_per_minute: 5, secret_ram: require}":                     {PacketsPerMinute: 5, SecretRAM: ximp.SecretRequire},
		"ximp: {presence: true, presence_delay: 1m, login_resp_key: token}":      {Presence: true, PresenceDelay: time.Minute, TokenKey: true},
		"ximp: {presence: true, login_resp_key: default, secret_ram: \"check\"}": {Presence: true},
	} {
		path := filepath.Join(t.TempDir(), "native.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n, err := config.ReadNative(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ximpRules(&n.XIMP)
		if err != nil || got.PacketsPerMinute != want.PacketsPerMinute || got.SecretRAM != want.SecretRAM || got.TokenKey != want.TokenKey ||
			got.Presence != want.Presence || got.PresenceDelay != want.PresenceDelay {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
}
