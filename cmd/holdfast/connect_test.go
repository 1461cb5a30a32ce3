package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/mqttclient"
)

func TestConnectOptions(t *testing.T) {
	base := mqttclient.Options{
		Network: "tcp", Address: "localhost:1883", Version: mqttclient.V311, ClientID: "me", CleanStart: true, KeepAlive: time.Minute,
	}
	for _, tt := range []struct {
		args     string
		urlTopic string
		edit     func(*mqttclient.Options)
	}{
		{"", "", func(*mqttclient.Options) {}},
		{"-h ::1 -p 1884", "", func(o *mqttclient.Options) { o.Address = "[::1]:1884" }},
		{"--unix /run/a.sock -p 1", "", func(o *mqttclient.Options) { o.Network, o.Address = "unix", "/run/a.sock" }},
		{"-V mqttv31 -k 0", "", func(o *mqttclient.Options) { o.Version, o.KeepAlive = mqttclient.V31, 0 }},
		{"-u name", "", func(o *mqttclient.Options) { o.Username, o.HasUsername = "name", true }},
		{"-u name -P pw", "", func(o *mqttclient.Options) {
			o.Username, o.HasUsername, o.Password, o.HasPassword = "name", true, "pw", true
		}},
		{"-V 5 -P pw", "", func(o *mqttclient.Options) { o.Version, o.Password, o.HasPassword = mqttclient.V5, "pw", true }},
		{"-c", "", func(o *mqttclient.Options) { o.CleanStart, o.SessionExpiry = false, neverExpires*time.Second }},
		{"-V 5 -c -x 7", "", func(o *mqttclient.Options) {
			o.Version, o.CleanStart, o.SessionExpiry = mqttclient.V5, false, 7*time.Second
		}},
		{"-V 5 -x -1", "", func(o *mqttclient.Options) { o.Version, o.SessionExpiry = mqttclient.V5, neverExpires*time.Second }},
		{"-L mqtt://u:p@h:7/a/b", "a/b", func(o *mqttclient.Options) {
			o.Address, o.Username, o.HasUsername, o.Password, o.HasPassword = "h:7", "u", true, "p", true
		}},
		{"-L mqtt://h/a/#", "a/#", func(o *mqttclient.Options) { o.Address = "h:1883" }},
		{"--will-topic w --will-payload gone --will-qos 1 --will-retain", "", func(o *mqttclient.Options) {
			o.Will = &mqttclient.Message{TopicName: "w", Payload: []byte("gone"), QoS: 1, Retain: true}
		}},
	} {
		fs := newFlagSet(Stdio{Err: io.Discard}, "t", "", "")
		f := addConnectFlags(fs)
		if err := fs.Parse(append(strings.Fields(tt.args), "-i", "me")); err != nil {
			t.Fatal(err)
		}
		got, urlTopic, err := f.options(Stdio{Err: io.Discard})
		if err != nil {
			t.Errorf("%s: %v", tt.args, err)
			continue
		}
		want := base
		tt.edit(&want)
		if gw, ww := got.Will, want.Will; (gw == nil) != (ww == nil) || gw != nil && (gw.TopicName != ww.TopicName ||
			string(gw.Payload) != string(ww.Payload) || gw.QoS != ww.QoS || gw.Retain != ww.Retain) {
			t.Errorf("%s: got Will %+v, want %+v", tt.args, gw, ww)
		}
		if urlTopic != tt.urlTopic {
			t.Errorf("%s: got topic %q, want %q", tt.args, urlTopic, tt.urlTopic)
		}
		if got.Network != want.Network || got.Address != want.Address || got.Version != want.Version ||
			got.CleanStart != want.CleanStart || got.SessionExpiry != want.SessionExpiry || got.KeepAlive != want.KeepAlive ||
			got.Username != want.Username || got.HasUsername != want.HasUsername || got.Password != want.Password || got.HasPassword != want.HasPassword {
			t.Errorf("%s: got %+v, want %+v", tt.args, got, want)
		}
	}
}

func TestRandomClientIDFitsMQTT31(t *testing.T) {
	fs := newFlagSet(Stdio{Err: io.Discard}, "t", "", "")
	o, _, err := addConnectFlags(fs).options(Stdio{Err: io.Discard})
	if n := len(o.ClientID); err != nil || n < 1 || n > 23 {
		t.Errorf("got client id %q, %v, want 1 to 23 characters", o.ClientID, err)
	}
}
