package config

import (
	"strings"
	"testing"
)

func TestRedactURL(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{"", ""},
		{"https://auth.example/v1", "https://auth.example/v1"},
		{"https://user:s3cr3t@auth.example/v1", "https://xxxxx@auth.example/v1"},
		{"https://s3cr3t@auth.example:8443", "https://xxxxx@auth.example:8443"},
		{"https://auth.example/v1?key=s3cr3t#s3cr3t", "https://auth.example/v1?xxxxx"},
		{"https://auth.example/#s3cr3t", "https://auth.example/#xxxxx"},
		{"https://user:s3/cr3t@auth.example", "https://xxxxx@auth.example"},
		{"https://user:s3@cr3t@auth.example", "https://xxxxx@auth.example"},
		{"https://user:%zzs3cr3t@auth.example", "https://xxxxx@auth.example"},
		{"user:s3cr3t@auth.example", "xxxxx@auth.example"},
		{"https:user:s3cr3t@auth.example", "xxxxx@auth.example"},
		{"https://user:s3?cr3t@auth.example", "https://xxxxx@auth.example"},
		{"https://auth.example/?a@b", "https://auth.example/?xxxxx"},
	} {
		if got := redactURL(tt.raw); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.raw, got, tt.want)
		}
	}
}

// Every setting that is a URL of another service is redacted, also one that is added later.
func TestRedactedHoldsNoSecrets(t *testing.T) {
	c := Default()
	n := 0
	for _, s := range settings(c) {
		if strings.HasSuffix(s.env(), "_URL") {
			n++
			if err := s.set("https://user:s3cr3t@service.example/?key=s3cr3t"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n < 2 {
		t.Fatalf("got %d settings that are URLs, want the two of auth", n)
	}
	text, err := c.Redacted().Format()
	if err != nil || strings.Contains(string(text), "s3cr3t") || strings.Count(string(text), "https://xxxxx@service.example/?xxxxx") != n {
		t.Errorf("got %s, %v, want %d URLs without their secrets", text, err, n)
	}
	if text, err := c.Format(); err != nil || strings.Count(string(text), "s3cr3t") != 2*n {
		t.Errorf("got %s, %v, want c as it was", text, err)
	}
}

// No fault of a URL repeats the credentials in it.
func TestFaultsHoldNoSecrets(t *testing.T) {
	for _, listen := range []string{
		"mqtt://u:s3cr3t@x:99999", "mqtt://u:s3cr3t@x:y", "mqtt://u:s3/cr3t@x", "x://u:s3cr3t@h", "u:s3cr3t@h", "//u:s3cr3t@h",
		"unix://u:s3cr3t@/x", "mqtt:u:s3cr3t@h", "mqtt://u:%zzs3cr3t@h", "ws://u:s3cr3t@h/x?a",
	} {
		_, err := ParseListener(listen)
		if err == nil || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "s3/") {
			t.Errorf("%s: got %v, want a fault without the password", listen, err)
		}
	}
	for _, url := range []string{"http://u:s3cr3t@h", "u:s3cr3t@h", "https://u:s3cr3t@h"} {
		c := Default()
		c.Auth.HTTPURL, c.Auth.JWTKeysURL, c.Auth.JWTKeyFile = url, url, "x"
		if err := c.Validate(); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: got %v, want faults without the password", url, err)
		}
	}
}
