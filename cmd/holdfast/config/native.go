package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Native is the content of a listener's profile: what is particular to the native protocols. Nothing of it is ever
// shown: it has keys.
type Native struct {
	XIMP NativeXIMP `yaml:"ximp"`
	MIOP NativeMIOP `yaml:"miop"`

	Dispatch NativeDispatch `yaml:"dispatch"`
}

// NativeXIMP is what a profile says about XIMP.
type NativeXIMP struct {
	// Apps are the names of Apps by appid. One that is not here is ximp-APPID.
	Apps map[string]string `yaml:"apps"`
	// OnlyApps refuses other appids than those of Apps.
	OnlyApps bool `yaml:"only_apps"`
	// Keys are the default keys by APPID-CLIENTVERSION. Without any, all clients speak plaintext, and with some, clients
	// that have none are refused.
	Keys map[string]string `yaml:"keys"`
	// Salts are those of guests' verification codes, by appid.
	Salts map[string]string `yaml:"salts"`
	// Guests says what becomes of users without a signature: ask (the authenticators of auth), check (the verification code,
	// by Salts), accept or refuse. Empty is ask.
	Guests string `yaml:"guests"`
	// RegisteredGuests lets guests have the ids of registered users: integers of at most 12 characters.
	RegisteredGuests bool `yaml:"registered_guests"`
	// Tokens are what all signed users of an appid make their secret_ram with, if auth gives none of their own.
	Tokens map[string]string `yaml:"tokens"`
	// SecretRAM says how the secret_ram of signed users is checked: check (if their token is known), require (that it be) or
	// ignore. Empty is check.
	SecretRAM string `yaml:"secret_ram"`
	// LoginRespKey is what LoginResp to signed users is encrypted with: default, or token if one is known. Empty is default.
	LoginRespKey string `yaml:"login_resp_key"`
	// Plaintext leaves what follows the login plain for clients that offer it, as all do.
	Plaintext bool `yaml:"plaintext"`
	// PlaintextTypes does the same for clients of these mobile types.
	PlaintextTypes []string `yaml:"plaintext_types"`
	// Presence has a message published to presence/CLIENT_ID when a client is lost, after PresenceDelay; 0 is a second.
	Presence      bool          `yaml:"presence"`
	PresenceDelay time.Duration `yaml:"presence_delay"`
	// PacketsPerMinute is how many packets a client may send a minute; 0 is any number. nil is 1,200.
	PacketsPerMinute *int `yaml:"packets_per_minute"`
	// TextAppID and TextVersion are what the text form stands for. 0 is 2080, and 102.
	TextAppID   uint16 `yaml:"text_appid"`
	TextVersion uint16 `yaml:"text_client_version"`
	// TextAnswers answers the text form in text instead of binary.
	TextAnswers bool `yaml:"text_answers"`
	// Direct has clients reach each other, rather than their product's server.
	Direct bool `yaml:"direct"`
	// Elsewhere are addresses that clients are told when the server ends, and ElsewherePort their port; 0 tells none.
	Elsewhere     []string `yaml:"elsewhere"`
	ElsewherePort uint16   `yaml:"elsewhere_port"`
	// Rooms are settings of rooms.
	Rooms NativeRooms `yaml:"rooms"`
}

// NativeRooms is what a profile says about rooms of XIMP.
type NativeRooms struct {
	// JoinURL is the URL of a web service that decides who may join; docs/native.md has what it is sent. Empty has everybody join.
	JoinURL string `yaml:"join_url"`
	// QuitURL is that of one that is told who has left. It may be empty.
	QuitURL string `yaml:"quit_url"`
	// HeaderFile is a file with the value of the header Authorization that both are sent. Empty is none.
	HeaderFile string `yaml:"header_file"`
	// HTTPPlain permits http:// in these URLs.
	HTTPPlain bool `yaml:"http_plain"`
	// Timeout is how long they may take for an answer. 0 is 800 ms: pages wait for 1 s.
	Timeout time.Duration `yaml:"timeout"`
	// Requests is how many are made at a time, to each. 0 is 16.
	Requests int `yaml:"requests"`
	// KeptMessages is how many messages with a number are kept of a room, for clients that have missed some. 0 is 200; -1 keeps none.
	KeptMessages int `yaml:"kept_messages"`
	// KeptRoomBytes bounds those of a room, KeptBytes those of all rooms. 0 is 1MiB and 16MiB.
	KeptRoomBytes Size `yaml:"kept_room_bytes"`
	KeptBytes     Size `yaml:"kept_bytes"`
	// KeptFor is how long they are kept. 0 is 5m.
	KeptFor time.Duration `yaml:"kept_for"`
	// MaxPull is how many of them a client gets at once. 0 is 100, which is also the most; -1 is none.
	MaxPull int `yaml:"max_pull"`
}

// NativeMIOP is what a profile says about MIOP.
type NativeMIOP struct {
	// Apps are settings by appid; Other is for those that are not there.
	Apps  map[string]NativeApp `yaml:"apps"`
	Other NativeApp            `yaml:"other"`
	// SecretKeyFile is a PEM file with the RSA key by which binds of versions 2 and 4 are opened. Empty refuses them.
	SecretKeyFile string `yaml:"secret_key_file"`
	// MoveTo is the HOST:PORT that clients are told when the server ends.
	MoveTo string `yaml:"move_to"`
}

// NativeApp is what a profile says about an appid of MIOP.
type NativeApp struct {
	// App is the App of its clients. Empty is the listener's, or miop-APPID.
	App string `yaml:"app"`
	// Sign is how the sign of version 6 is checked: hmac-sha256, md5, or accept, which takes all. Empty leaves it to the
	// authenticators of auth.
	Sign string `yaml:"sign"`
	// SignSecretFile has the secret for hmac-sha256 and md5; spaces around it do not count.
	SignSecretFile string `yaml:"sign_secret_file"`
	// SignAge is how old a sign may be. 0 is any age.
	SignAge time.Duration `yaml:"sign_age"`
	// Unsigned lets in, where Sign is set, clients of versions that have no sign.
	Unsigned bool `yaml:"unsigned"`
	// Dialect is careful or full: what clients understand. Empty is careful.
	Dialect string `yaml:"dialect"`
	// Legacy lets clients of versions 0 to 4 in.
	Legacy bool `yaml:"legacy"`
	// V4Entry is the size of an entry's header in versions 0 to 4: 16 or 12. 0 is 16.
	V4Entry int `yaml:"v4_entry"`
	// Window is how many messages may be on their way to a client and not acknowledged. 0 is 64.
	Window int `yaml:"window"`
	// Presence has a message published to presence/CLIENT_ID when a client is lost, after PresenceDelay; 0 is a second.
	Presence      bool          `yaml:"presence"`
	PresenceDelay time.Duration `yaml:"presence_delay"`
}

// ReadNative reads a profile. All faults are returned at once, with file and line or with the setting's name.
func ReadNative(path string) (*Native, error) {
	n := new(Native)
	if err := decodeFile(n, path); errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, err
	} else if err != nil {
		return nil, withoutValues(err)
	}
	var f faults
	n.XIMP.check(&f)
	n.MIOP.check(&f)
	n.Dispatch.check(&f)
	if len(f) > 0 {
		return nil, fmt.Errorf("%s: %w", path, errors.Join(f...))
	}
	return n, nil
}

// quoting is where the decoder's messages show what is in the file, which may be a key.
var quoting = regexp.MustCompile(`(?s)(unmarshal|anchor) .*( into | referenced)`)

// withoutValues is err, of decodeFile, without what is in the file.
func withoutValues(err error) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	var faults []error
	for _, err := range all {
		faults = append(faults, errors.New(quoting.ReplaceAllString(err.Error(), "$1 a value$2")))
	}
	return errors.Join(faults...)
}

// isKeyName tells whether s is an appid and a client version with a hyphen between them, written in the one way there is.
func isKeyName(s string) bool {
	app, version, _ := strings.Cut(s, "-")
	a, err1 := strconv.ParseUint(app, 10, 16)
	v, err2 := strconv.ParseUint(version, 10, 12)
	return err1 == nil && err2 == nil && fmt.Sprintf("%d-%d", a, v) == s
}

// maxNativeWindow bounds the messages on their way to a client of MIOP: each acknowledgement is looked up among them.
const maxNativeWindow = 1000

// maxKey is the longest key of RC4, in bytes, and maxClientVersion the largest number of twelve bits.
const (
	maxKey           = 256
	maxClientVersion = 0x0FFF
)

// hostName has what a host's name may be made of.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// maxPackets is the most that packets_per_minute may be; more is as good as none.
const maxPackets = 100_000

func (x *NativeXIMP) check(f *faults) {
	for id, app := range x.Apps {
		checkAppID(f, "ximp.apps", id, 16)
		if err := checkApp(app); err != nil {
			f.add("ximp.apps."+id, "%w", err)
		}
	}
	for id, key := range x.Keys {
		if !isKeyName(id) {
			f.add("ximp.keys", "%q is not APPID-CLIENTVERSION, such as 4242-102", id)
		}
		if len(key) > maxKey { // empty is plaintext
			f.add("ximp.keys."+id, "a key has at most %d bytes", maxKey)
		}
	}
	for id, salt := range x.Salts {
		checkAppID(f, "ximp.salts", id, 16)
		if salt == "" {
			f.add("ximp.salts."+id, "the salt is empty")
		}
	}
	for id, token := range x.Tokens {
		checkAppID(f, "ximp.tokens", id, 16)
		if token == "" || len(token) > maxKey {
			f.add("ximp.tokens."+id, "a token has 1 to %d bytes", maxKey)
		}
	}
	if n := x.PacketsPerMinute; n != nil && (*n < 0 || *n > maxPackets) {
		f.add("ximp.packets_per_minute", "%d is not 0 to %d", *n, maxPackets)
	}
	checkPresence(f, "ximp", x.Presence, x.PresenceDelay)
	f.oneOf("ximp.secret_ram", x.SecretRAM, "", "check", "require", "ignore")
	f.oneOf("ximp.login_resp_key", x.LoginRespKey, "", "default", "token")
	f.oneOf("ximp.guests", x.Guests, "", "ask", "check", "accept", "refuse")
	if x.Guests == "check" && len(x.Salts) == 0 {
		f.add("ximp.guests", "check needs ximp.salts")
	}
	within(f, "ximp.text_client_version", x.TextVersion, 0, maxClientVersion)
	for i, host := range x.Elsewhere {
		if _, err := netip.ParseAddr(host); err != nil && !hostName.MatchString(host) {
			f.add(fmt.Sprintf("ximp.elsewhere[%d]", i), "%q is not an address or a host name; the port is elsewhere_port", host)
		}
	}
	x.Rooms.check(f)
}

// maxRoomTimeout is what a phone waits for the answer to a join, and some less.
const maxRoomTimeout = 15 * time.Second

func (r *NativeRooms) check(f *faults) {
	for _, u := range []struct{ name, url string }{{"ximp.rooms.join_url", r.JoinURL}, {"ximp.rooms.quit_url", r.QuitURL}} {
		checkService(f, u.name, u.url, r.HTTPPlain, "ximp.rooms.http_plain")
	}
	if r.HeaderFile != "" && r.JoinURL+r.QuitURL == "" {
		f.add("ximp.rooms.header_file", "it goes with join_url or quit_url")
	}
	if r.Timeout != 0 {
		within(f, "ximp.rooms.timeout", r.Timeout, 10*time.Millisecond, maxRoomTimeout)
	}
	within(f, "ximp.rooms.requests", r.Requests, 0, 1000)
	within(f, "ximp.rooms.kept_messages", r.KeptMessages, -1, 10_000)
	within(f, "ximp.rooms.kept_room_bytes", r.KeptRoomBytes, 0, 16<<20)
	within(f, "ximp.rooms.kept_bytes", r.KeptBytes, 0, 16<<30)
	within(f, "ximp.rooms.kept_for", r.KeptFor, 0, maxPatience)
	within(f, "ximp.rooms.max_pull", r.MaxPull, -1, 100)
}

func (m *NativeMIOP) check(f *faults) {
	for id, app := range m.Apps {
		checkAppID(f, "miop.apps", id, 32)
		app.check(f, "miop.apps."+id)
	}
	m.Other.check(f, "miop.other")
	if m.MoveTo == "" {
		return
	}
	host, _, err := net.SplitHostPort(m.MoveTo)
	if err == nil {
		_, err = splitAddress(m.MoveTo)
	}
	if _, notIP := netip.ParseAddr(host); err != nil || notIP != nil && !hostName.MatchString(host) {
		f.add("miop.move_to", "%q is not HOST:PORT", m.MoveTo)
	}
}

func (a *NativeApp) check(f *faults, name string) {
	if a.App != "" {
		if err := checkApp(a.App); err != nil {
			f.add(name+".app", "%w", err)
		}
	}
	f.oneOf(name+".sign", a.Sign, "", "hmac-sha256", "md5", "accept")
	if needs := a.Sign == "hmac-sha256" || a.Sign == "md5"; needs != (a.SignSecretFile != "") {
		f.add(name+".sign_secret_file", "it goes with sign: hmac-sha256 or md5")
	}
	f.oneOf(name+".dialect", a.Dialect, "", "careful", "full")
	if a.V4Entry != 0 && a.V4Entry != 12 && a.V4Entry != 16 {
		f.add(name+".v4_entry", "%d is not 12 or 16", a.V4Entry)
	}
	if a.Window < 0 || a.Window > maxNativeWindow {
		f.add(name+".window", "%d is not 1 to %d, or 0 for the default", a.Window, maxNativeWindow)
	}
	within(f, name+".sign_age", a.SignAge, 0, maxAge)
	checkPresence(f, name, a.Presence, a.PresenceDelay)
}

func checkPresence(f *faults, name string, presence bool, delay time.Duration) {
	within(f, name+".presence_delay", delay, 0, maxPatience)
	if delay != 0 && !presence {
		f.add(name+".presence_delay", "it goes with presence")
	}
}

// checkAppID complains about what is no appid of so many bits.
func checkAppID(f *faults, name, id string, bits int) {
	if n, err := strconv.ParseUint(id, 10, bits); err != nil || n == 0 || strconv.FormatUint(n, 10) != id {
		f.add(name, "%q is not an appid: write a number of 1 to %d", id, uint64(1)<<bits-1)
	}
}

// checkProfile complains about a listener's profile. One that is not there yet is found missing when it is needed.
func checkProfile(f *faults, name string, l Listener) {
	if l.Profile == "" {
		return
	}
	if _, err := os.Stat(l.Profile); errors.Is(err, fs.ErrNotExist) {
		return
	}
	switch n, err := ReadNative(l.Profile); {
	case err != nil:
		f.add(name, "profile: %w", err)
	case l.Speaks(Dispatch) && len(n.Dispatch.Addresses) == 0:
		f.add(name, "profile: %s: it has no dispatch.addresses, of which the dispatcher tells", l.Profile)
	}
}
