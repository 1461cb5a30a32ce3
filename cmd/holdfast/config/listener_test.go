package config

import "testing"

func TestParseListener(t *testing.T) {
	for _, tt := range []struct {
		url, network, address string
		local                 bool
	}{
		{"mqtt://127.0.0.1:1883", "tcp", "127.0.0.1:1883", true},
		{"mqtt://127.0.0.1", "tcp", "127.0.0.1:1883", true},
		{"mqtt://127.9.9.9:0/", "tcp", "127.9.9.9:0", true},
		{"mqtt://LocalHost:1", "tcp", "LocalHost:1", true},
		{"mqtt://[::1]:1", "tcp", "[::1]:1", true},
		{"mqtt://[::ffff:127.0.0.1]:1", "tcp", "[::ffff:127.0.0.1]:1", true},
		{"mqtt://0.0.0.0:1", "tcp", "0.0.0.0:1", false},
		{"mqtt://[::]:1", "tcp", "[::]:1", false},
		{"mqtt://:1", "tcp", ":1", false},
		{"mqtt://localhost.example:1", "tcp", "localhost.example:1", false},
		{"unix:///run/holdfast.sock", "unix", "/run/holdfast.sock", true},
	} {
		got, err := ParseListener(tt.url)
		want := Listener{URL: tt.url, Network: tt.network, Address: tt.address, Local: tt.local}
		if err != nil || got != want {
			t.Errorf("ParseListener(%q): got %+v, %v, want %+v", tt.url, got, err, want)
		}
	}
	// Files with refused URLs are in testdata.
	for _, url := range []string{"", "%zz", "mqtt:127.0.0.1:1883", "unix:run/a.sock", "unix://", "mqtt://127.0.0.1:1883#x"} {
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
