package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	minPacketSize  = 1 << 10   // room for a CONNACK with its properties
	maxPacketSize  = 256 << 20 // v5 2.1.4: Remaining Length ends below 256 MiB
	maxKeepAlive   = 65535 * time.Second
	maxExpiry      = 0xFFFFFFFE * time.Second // v5 3.1.2.11.2: 0xFFFFFFFF means never
	maxLoops       = 1024
	maxQueueLength = 10_000_000
	maxRetained    = 1_000_000_000
	maxRate        = 1_000_000_000
	maxPatience    = 24 * time.Hour
	maxBytes       = 1 << 40
	minFree        = 128 << 20
	minPending     = 1 << 20
	maxAge         = 10 * 365 * 24 * time.Hour
)

// MaxHTTPTimeout is the most that auth.http_timeout may be: a client must have been let in 10 s after it has connected.
const MaxHTTPTimeout = 8 * time.Second

// Validate returns every fault of c at once, joined by [errors.Join], or nil. Each is prefixed with
// the setting's name.
func (c *Config) Validate() error {
	var f faults
	c.checkListeners(&f)
	c.checkAPI(&f)
	c.TLS.check(&f)
	c.Auth.check(&f)
	c.Limits.check(&f, c.Broker.MaxPacketSize)
	c.Apps.check(&f, c.Broker.MaxPacketSize)
	c.Overload.check(&f)
	if c.Data == "" {
		f.add("data", "name a directory, or \"memory\" (Sessions and messages end with the process)")
	}
	f.oneOf("log_level", c.LogLevel, "debug", "info", "warn", "error")
	f.oneOf("log_format", c.LogFormat, "text", "json")
	c.Broker.check(&f)
	c.Storage.check(&f, c.Broker.MaxPacketSize)
	return errors.Join(f...)
}

// Listeners parses the listen setting. After a successful [Config.Validate] it cannot fail.
func (c *Config) Listeners() ([]Listener, error) {
	out := make([]Listener, 0, len(c.Listen))
	for _, raw := range c.Listen {
		l, err := ParseListener(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func (c *Config) checkListeners(f *faults) {
	if len(c.Listen) == 0 {
		f.add("listen", "no listener: give at least one")
	}
	seen := make(map[string]int)
	for i, raw := range c.Listen {
		name := fmt.Sprintf("listen[%d]", i)
		l, err := ParseListener(raw)
		if err != nil {
			f.add(name, "%w", err)
			continue
		}
		if !l.Local && !c.AllowAnonymous && !c.Auth.Required() {
			f.add(name, "%q can be reached from other machines and nobody has to authenticate: use a loopback address or a Unix socket, or set allow_anonymous (--allow-anonymous) or an authenticator (auth)", raw)
		}
		c.checkTLS(f, name, l)
		checkProfile(f, name, l)
		key := l.Network + " " + l.Address
		if first, ok := seen[key]; ok && !isAnyPort(l) {
			f.add(name, "%q is the same address as listen[%d]", raw, first)
		}
		seen[key] = i
	}
}

// checkTLS complains about a listener that lacks its files.
func (c *Config) checkTLS(f *faults, name string, l Listener) {
	if l.TLS && c.TLS.Cert == "" {
		f.add(name, "%q has no certificate: set tls.cert and tls.key (--tls-cert, --tls-key)", l.URL)
	}
	asks := l.ClientCert == ClientCertOptional || l.ClientCert == ClientCertRequired
	if asks && !l.TLS && c.TLS.Cert == "" {
		f.add(name, "%q asks for the certificates of clients, and speaks no TLS without one of its own: set tls.cert and tls.key (--tls-cert, --tls-key)", l.URL)
	}
	if asks && c.TLS.CA == "" {
		f.add(name, "%q asks for the certificates of clients: set tls.ca (--tls-ca), by which they are verified", l.URL)
	}
}

func (t *TLS) check(f *faults) {
	switch {
	case t.Cert == "" && t.Key != "":
		f.add("tls.cert", "there is a key, and no certificate for it")
	case t.Cert != "" && t.Key == "":
		f.add("tls.key", "there is a certificate, and no key for it")
	}
}

func (a *Auth) check(f *faults) {
	n := 0
	for _, set := range []string{a.JWTSecretFile, a.JWTKeyFile, a.JWTKeysURL} {
		if set != "" {
			n++
		}
	}
	if n > 1 {
		f.add("auth.jwt_secret_file", "keys of tokens come from one of jwt_secret_file, jwt_key_file and jwt_keys_url")
	}
	for _, u := range []struct{ name, url string }{{"auth.http_url", a.HTTPURL}, {"auth.jwt_keys_url", a.JWTKeysURL}} {
		checkService(f, u.name, u.url, a.HTTPPlain, "auth.http_plain")
	}
	for _, c := range []struct{ name, field string }{
		{"auth.certificate_user", a.CertificateUser}, {"auth.certificate_client_id", a.CertificateClientID},
	} {
		if c.field != "" {
			f.oneOf(c.name, c.field, "cn", "ou", "san_dns", "san_uri", "san_email")
		}
	}
	if a.CertificateClientID != "" && a.CertificateUser == "" {
		f.add("auth.certificate_user", "name the field that is the User Name, which may be that of certificate_client_id (%s): else a client could say that it is any user", a.CertificateClientID)
	}
	for i, text := range a.FailuresExempt {
		if _, err := parsePrefix(text); err != nil {
			f.add(fmt.Sprintf("auth.failures_exempt[%d]", i), "%w", err)
		}
	}
	f.oneOf("auth.forbidden_publish", a.ForbiddenPublish, Refuse, Disconnect)
	within(f, "auth.http_timeout", a.HTTPTimeout, 10*time.Millisecond, MaxHTTPTimeout)
}

// checkService complains about the URL of a web service; empty is none. plainName is the setting that permits http://, which is plain.
func checkService(f *faults, name, url string, plain bool, plainName string) {
	switch {
	case url == "" || strings.HasPrefix(url, "https://"):
	case !strings.HasPrefix(url, "http://"):
		f.add(name, "write https://…")
	case !plain:
		f.add(name, "secrets go in clear over http://; write https://, or set %s", plainName)
	}
}

func (l *Limits) check(f *faults, packet Size) {
	within(f, "limits.app_max_connections", l.AppMaxConnections, 0, maxRetained)
	within(f, "limits.app_max_subscriptions", l.AppMaxSubscriptions, 0, maxRetained)
	within(f, "limits.app_max_queued_messages", l.AppMaxQueuedMessages, 0, maxRetained)
	checkQuota(f, "limits.app_max_queued_bytes", l.AppMaxQueuedBytes, packet)
	within(f, "limits.max_connections", l.MaxConnections, 0, maxRetained)
	within(f, "limits.max_per_address", l.MaxPerAddress, 0, maxRetained)
	within(f, "limits.connect_rate", l.ConnectRate, 0, maxRetained)
	within(f, "limits.address_rate", l.AddressRate, 0, maxRetained)
	within(f, "limits.client_messages", l.ClientMessages, 0, maxRate)
	within(f, "limits.client_bytes", l.ClientBytes, 0, maxRate)
	within(f, "limits.app_messages", l.AppMessages, 0, maxRate)
	within(f, "limits.app_bytes", l.AppBytes, 0, maxRate)
}

func isAnyPort(l Listener) bool {
	return l.Network == "tcp" && len(l.Address) > 2 && l.Address[len(l.Address)-2:] == ":0"
}

func (c *Config) checkAPI(f *faults) {
	for i, name := range c.APIHosts {
		if !hostName.MatchString(name) {
			f.add(fmt.Sprintf("api_hosts[%d]", i), "%q is no host name: write NAME, without scheme and port; addresses may be named without being listed", name)
		}
	}
	if c.API == "off" {
		return
	}
	local, err := splitAddress(c.API)
	switch {
	case err != nil:
		f.add("api", "%w; write HOST:PORT or off", err)
	case !local && !c.AllowAnonymous:
		f.add("api", "%q can be reached from other machines and nobody has to authenticate: use a loopback address, or set allow_anonymous (--allow-anonymous)", c.API)
	}
}

func (b *Broker) check(f *faults) {
	within(f, "broker.loops", b.Loops, 0, maxLoops)
	within(f, "broker.max_inflight", b.MaxInflight, 1, 65535)
	within(f, "broker.max_queued_messages", b.MaxQueuedMessages, 1, maxQueueLength)
	within(f, "broker.max_waiting_messages", b.MaxWaitingMessages, 1, maxQueueLength)
	if b.MaxWaitingBytes < b.MaxPacketSize {
		f.add("broker.max_waiting_bytes", "%v is less than broker.max_packet_size (%v): the largest message could never wait", b.MaxWaitingBytes, b.MaxPacketSize)
	}
	within(f, "broker.max_retained", b.MaxRetained, 1, maxRetained)
	within(f, "broker.max_subscriptions", b.MaxSubscriptions, 1, maxQueueLength)
	within(f, "broker.max_packet_size", b.MaxPacketSize, minPacketSize, maxPacketSize)
	if b.MaxQueuedBytes < b.MaxPacketSize {
		f.add("broker.max_queued_bytes", "%v is less than broker.max_packet_size (%v): the largest message could never be queued", b.MaxQueuedBytes, b.MaxPacketSize)
	}
	within(f, "broker.receive_maximum", b.ReceiveMaximum, 1, 65535)
	within(f, "broker.topic_alias_maximum", b.TopicAliasMaximum, 0, 65535)
	within(f, "broker.max_keep_alive", b.MaxKeepAlive, 0, maxKeepAlive)
	f.wholeSeconds("broker.max_keep_alive", b.MaxKeepAlive)
	within(f, "broker.session_expiry_max", b.SessionExpiryMax, 0, maxExpiry)
	f.wholeSeconds("broker.session_expiry_max", b.SessionExpiryMax)
	f.zeroOrSecond("broker.sys_interval", b.SysInterval)
	within(f, "broker.slow_consumer_timeout", b.SlowConsumerTimeout, time.Second, maxPatience)
	f.oneOf("broker.mailbox_policy", b.MailboxPolicy, RejectNew, DropOldest)
	within(f, "broker.flash_timeout", b.FlashTimeout, 0, maxPatience)
	within(f, "broker.flash_sessions", b.FlashSessions, 1, maxQueueLength)
	within(f, "broker.flash_bytes", b.FlashBytes, 1<<10, maxBytes)
	within(f, "broker.inbox_expiry", b.InboxExpiry, time.Second, maxAge)
	f.wholeSeconds("broker.inbox_expiry", b.InboxExpiry)
	for i, text := range b.AutoSubscribe {
		if _, err := ParseSubscription(text); err != nil {
			f.add(fmt.Sprintf("broker.auto_subscribe[%d]", i), "%q: %w", text, err)
		}
	}
}

// check looks at s, given the largest packet that clients may send.
func (s *Storage) check(f *faults, packet Size) {
	f.oneOf("storage.sync", s.Sync, SyncAlways, SyncInterval, SyncNever)
	within(f, "storage.sync_every", s.SyncEvery, time.Millisecond, time.Hour)
	within(f, "storage.commit_delay", s.CommitDelay, 0, time.Second)
	within(f, "storage.max_pending", s.MaxPending, minPending, maxBytes)
	if s.MaxPending < packet {
		f.add("storage.max_pending", "%v is less than broker.max_packet_size (%v): the largest message would be refused while anything else is written", s.MaxPending, packet)
	}
	within(f, "storage.min_free", s.MinFree, minFree, maxBytes)
	within(f, "storage.mailbox_age", s.MailboxAge, time.Minute, maxAge)
	f.wholeSeconds("storage.mailbox_age", s.MailboxAge)
	within(f, "storage.log_messages", s.LogMessages, 1, maxQueueLength)
	within(f, "storage.log_bytes", s.LogBytes, 1, maxBytes)
	if s.LogBytes < packet {
		f.add("storage.log_bytes", "%v is less than broker.max_packet_size (%v): the largest message would be kept for nobody", s.LogBytes, packet)
	}
}

// faults gathers what is wrong.
type faults []error

func (f *faults) add(name, format string, args ...any) {
	*f = append(*f, fmt.Errorf("%s: "+format, append([]any{name}, args...)...))
}

func (f *faults) oneOf(name, got string, allowed ...string) {
	if !slices.Contains(allowed, got) {
		f.add(name, "%q is not one of %q", got, allowed)
	}
}

func (f *faults) wholeSeconds(name string, d time.Duration) {
	if d%time.Second != 0 {
		f.add(name, "%v is not a whole number of seconds", d)
	}
}

func (f *faults) zeroOrSecond(name string, d time.Duration) {
	if d != 0 && d < time.Second {
		f.add(name, "%v: write 0 for off, or 1s or more", d)
	}
}

func within[T cmp.Ordered](f *faults, name string, got, low, high T) {
	if got < low || got > high {
		f.add(name, "%v is not within %v and %v", got, low, high)
	}
}
