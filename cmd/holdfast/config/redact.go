package config

import (
	"net/url"
	"strings"
)

// hidden stands where a secret was.
const hidden = "xxxxx"

// Redacted returns a copy of c for people to look at: credentials in URLs and queries behind them, which may be
// keys, are replaced by xxxxx. It is not for use.
func (c *Config) Redacted() *Config {
	shown := *c
	shown.Auth.HTTPURL = redactURL(c.Auth.HTTPURL)
	shown.Auth.JWTKeysURL = redactURL(c.Auth.JWTKeysURL)
	return &shown
}

// redactURL hides credentials and query of a URL, however malformed that is.
func redactURL(raw string) string {
	if _, err := url.Parse(raw); err != nil { // the password may hold a question mark
		raw = redactUser(raw)
	}
	if at := strings.IndexAny(raw, "?#"); at >= 0 {
		raw = raw[:at+1] + hidden
	}
	return redactUser(raw)
}

// redactUser hides the credentials of a URL. A password may hold a slash or another @ that should have been
// escaped, so they reach to the last.
func redactUser(raw string) string {
	at := strings.LastIndexByte(raw, '@')
	if at < 0 {
		return raw
	}
	begin := 0
	if i := strings.Index(raw[:at], "//"); i >= 0 {
		begin = i + len("//")
	}
	return raw[:begin] + hidden + raw[at:]
}
