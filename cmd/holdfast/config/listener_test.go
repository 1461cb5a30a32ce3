package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestParseListener(t *testing.T) {
	tcp := func(scheme, address string, local bool, more ...func(*Listener)) Listener {
		l := Listener{Scheme: scheme, Network: "tcp", Address: address, Local: local}
		for _, f := range more {
			f(&l)
		}
		return l
	}
	tls := func(l *Listener) { l.TLS = true }
	speaks := func(p ...string) func(*Listener) { return func(l *Listener) { l.Protocols = p } }
	ws := func(path string) func(*Listener) { return func(l *Listener) { l.WebSocket, l.Path = true, path } }
	for _, tt := range []struct {
		url  string
		want Listener
	}{
		{"mqtt://127.0.0.1:1883", tcp("mqtt", "127.0.0.1:1883", true)},
		{"mqtt://127.0.0.1", tcp("mqtt", "127.0.0.1:1883", true)},
		{"mqtt://127.9.9.9:0/", tcp("mqtt", "127.9.9.9:0", true)},
		{"mqtt://LocalHost:1", tcp("mqtt", "LocalHost:1", true)},
		{"mqtt://[::1]:1", tcp("mqtt", "[::1]:1", true)},
		{"mqtt://[::ffff:127.0.0.1]:1", tcp("mqtt", "[::ffff:127.0.0.1]:1", true)},
		{"mqtt://0.0.0.0:1", tcp("mqtt", "0.0.0.0:1", false)},
		{"mqtt://[::]:1", tcp("mqtt", "[::]:1", false)},
		{"mqtt://:1", tcp("mqtt", ":1", false)},
		{"mqtt://localhost.example:1", tcp("mqtt", "localhost.example:1", false)},
		{"mqtts://127.0.0.1", tcp("mqtts", "127.0.0.1:8883", true, tls)},
		{"ws://127.0.0.1", tcp("ws", "127.0.0.1:80", true, ws("/mqtt"))},
		{"ws://127.0.0.1:9/other", tcp("ws", "127.0.0.1:9", true, ws("/other"))},
		{"wss://127.0.0.1/", tcp("wss", "127.0.0.1:443", true, tls, ws("/mqtt"))},
		{"auto://127.0.0.1", tcp("auto", "127.0.0.1:1883", true, func(l *Listener) { l.Sniff, l.Path = true, "/mqtt" })},
		{"unix:///run/holdfast.sock", Listener{Scheme: "unix", Network: "unix", Address: "/run/holdfast.sock", Local: true}},
		{"mqtt://127.0.0.1?max-connections=5&connect-rate=7", tcp("mqtt", "127.0.0.1:1883", true, func(l *Listener) { l.MaxConnections, l.ConnectRate = 5, 7 })},
		{"ximp://127.0.0.1", tcp("ximp", "127.0.0.1:1885", true, speaks("ximp"))},
		{"ximps://127.0.0.1", tcp("ximps", "127.0.0.1:8885", true, tls, speaks("ximp"))},
		{"miop://127.0.0.1?app=default&profile=/etc/holdfast/native.yaml", tcp("miop", "127.0.0.1:1884", true, speaks("miop"), func(l *Listener) {
			l.App, l.Profile = "default", "/etc/holdfast/native.yaml"
		})},
		{"miops://127.0.0.1:1", tcp("miops", "127.0.0.1:1", true, tls, speaks("miop"))},
		{"auto://127.0.0.1?protocols=mqtt&protocols=ximp,miop", tcp("auto", "127.0.0.1:1883", true, speaks("mqtt", "ximp", "miop"), func(l *Listener) {
			l.Sniff, l.Path = true, "/mqtt"
		})},
		{"auto://127.0.0.1?protocols=mqtt,ximp,miop", tcp("auto", "127.0.0.1:1883", true, speaks("mqtt", "ximp", "miop"), func(l *Listener) {
			l.Sniff, l.Path = true, "/mqtt"
		})},
		{"ws://127.0.0.1?origins=https://a.example,http://b.example:8080", tcp("ws", "127.0.0.1:80", true, ws("/mqtt"), func(l *Listener) {
			l.Origins = []string{"https://a.example", "http://b.example:8080"}
		})},
		{"ximps://127.0.0.1?origins=https://a.example", tcp("ximps", "127.0.0.1:8885", true, tls, speaks("ximp"), func(l *Listener) {
			l.Origins = []string{"https://a.example"}
		})},
		{"mqtts://127.0.0.1?client-cert=required", tcp("mqtts", "127.0.0.1:8883", true, tls, func(l *Listener) { l.ClientCert = ClientCertRequired })},
		{"mqtt://127.0.0.1?app=meters&proxy=10.1.0.0/16,::1,::ffff:10.2.0.1", tcp("mqtt", "127.0.0.1:1883", true, func(l *Listener) {
			l.App, l.Proxy = "meters", []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.2.0.1/32")}
		})},
	} {
		got, err := ParseListener(tt.url)
		tt.want.URL, _, _ = strings.Cut(tt.url, "?")
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ParseListener(%q): got %+v, %v, want %+v", tt.url, got, err, tt.want)
		}
	}
	// Files with refused URLs are in testdata.
	for _, url := range []string{
		"", "%zz", "mqtt:127.0.0.1:1883", "unix:run/a.sock", "unix://", "mqtt://127.0.0.1:1883#x", "mqtt://127.0.0.1/path",
		"mqtt://127.0.0.1?client-cert=required", "mqtts://127.0.0.1?client-cert=maybe", "mqtt://127.0.0.1?app=", "mqtt://127.0.0.1?app=a/b",
		"mqtt://127.0.0.1?proxy=10.1.0.0/99", "mqtt://127.0.0.1?proxy=", "mqtt://127.0.0.1?proxy=::ffff:10.1.0.0/112", "mqtt://127.0.0.1?poxy=::1", "mqtt://127.0.0.1?protocols=ximp", "auto://127.0.0.1?protocols=", "auto://127.0.0.1?protocols=ximp,ximp", "auto://127.0.0.1?protocols=ximp&protocols=ximp",
		"mqtts://127.0.0.1?client-cert=required&client-cert=none", "mqtt://127.0.0.1?app=a&app=b", "mqtt://127.0.0.1?app=%ff", "ws://127.0.0.1/%ff", "unix:///run/%ff", "mqtt://127.0.0.1?app=a%20b", "mqtt://127.0.0.1?app=a%0ab", "mqtt://127.0.0.1?app=a:b",
		"auto://127.0.0.1?protocols=xmpp", "mqtt://127.0.0.1?profile=x", "ximp://127.0.0.1?profile=", "ximp://127.0.0.1/path", "miop://127.0.0.1?client-cert=required", "mqtt://127.0.0.1?a;b",
		"ws://127.0.0.1?origins=", "ws://127.0.0.1?origins=a.example", "ws://127.0.0.1?origins=https://a.example/", "ws://127.0.0.1?origins=https://u@a.example",
		"ws://127.0.0.1?origins=*", "ws://127.0.0.1?origins=https://a.example:443", "ws://127.0.0.1?origins=http://a.example:80", "mqtt://127.0.0.1?origins=https://a.example", "miop://127.0.0.1?origins=https://a.example",
	} {
		if got, err := ParseListener(url); err == nil {
			t.Errorf("ParseListener(%q): got %+v, want an error", url, got)
		}
	}
}

func TestListenersAfterValidate(t *testing.T) {
	c := Default()
	c.Listen = []string{"mqtt://127.0.0.1:0", "mqtt://127.0.0.1:0", "unix:///run/a.sock"}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	got, err := c.Listeners()
	if err != nil || len(got) != 3 || got[2].Address != "/run/a.sock" {
		t.Errorf("got %v, %v, want three listeners", got, err)
	}
	c.Listen = []string{"gopher://x"}
	if _, err := c.Listeners(); err == nil {
		t.Error("got no error for an unknown scheme")
	}
}

func TestSize(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Size
		back string
	}{
		{"0", 0, "0"}, {"7", 7, "7"}, {"7B", 7, "7"}, {"1024", 1024, "1KiB"}, {"64KiB", 65536, "64KiB"},
		{"3 MiB", 3 << 20, "3MiB"}, {"1536KiB", 1536 << 10, "1536KiB"}, {"2GiB", 2 << 30, "2GiB"},
	} {
		got, err := ParseSize(tt.text)
		if err != nil || got != tt.want || got.String() != tt.back {
			t.Errorf("ParseSize(%q): got %d (%v), %v, want %d (%s)", tt.text, got, got, err, tt.want, tt.back)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "1MB", "KiB", "9223372036854775807KiB", "9999999999999999999", "1 "} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q): got %d, want an error", text, got)
		}
	}
}
