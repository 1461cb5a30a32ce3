package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const profile = `
ximp:
  apps: {"4242": live}
  only_apps: true
  keys: {"4242-102": a default key}
  salts: {"4242": a salt}
  guests: check
  plaintext_types: [pc]
  elsewhere: [192.0.2.1]
  elsewhere_port: 443
  rooms: {join_url: "https://rooms.example/join", quit_url: "https://rooms.example/quit", header_file: token, timeout: 500ms, requests: 8}
miop:
  move_to: "[2001:db8::1]:1884"
  secret_key_file: key.pem
  apps:
    "900000001": {app: live, sign: hmac-sha256, sign_secret_file: secret, sign_age: 10m, dialect: full}
  other: {legacy: true, v4_entry: 12, presence: true, presence_delay: 1m}
`

func writeProfile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "native.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadNative(t *testing.T) {
	n, err := ReadNative(writeProfile(t, profile))
	if err != nil {
		t.Fatal(err)
	}
	app := n.MIOP.Apps["900000001"]
	if n.XIMP.Keys["4242-102"] != "a default key" || !n.XIMP.OnlyApps || app.SignAge != 10*time.Minute || n.XIMP.Rooms.Timeout != 500*time.Millisecond || n.MIOP.Other.V4Entry != 12 {
		t.Errorf("got %+v", n)
	}
	if n, err := ReadNative(writeProfile(t, "")); err != nil || n.XIMP.Guests != "" {
		t.Errorf("empty file: got %+v, %v", n, err)
	}
}

// Faults are found, with a place, and show no key.
func TestReadNativeFaults(t *testing.T) {
	const secret = "s3cr3t"
	for _, tt := range []struct{ text, want string }{
		{"ximp: {key: {}}", `unknown key "ximp.key" (did you mean keys?)`},
		{"miop: {apps: {\"1\": {signs: md5}}}", `unknown key "miop.apps.1.signs"`},
		{"ximp:\n  keys: s3cr3t", "native.yaml:2: cannot unmarshal"},
		{"ximp: {keys: {s3cr3t: {a: s3cr3t}}}", "cannot unmarshal"},
		{"ximp: {keys: {\"4242\": s3cr3t}}", "APPID-CLIENTVERSION"},
		{"ximp: {keys: {\"1-1\": " + strings.Repeat(secret, 50) + "}}", "at most 256 bytes"},
		{"ximp: {apps: {\"70000\": live}}", "not an appid"},
		{"ximp: {apps: {\"0\": live}}", "not an appid"},
		{"ximp: {apps: {\"1\": a/b}}", "ximp.apps.1: app"},
		{"ximp: {salts: {\"1\": \"\"}}", "the salt is empty"},
		{"ximp: {tokens: {\"1\": \"\"}}", "a token has 1"},
		{"ximp: {tokens: {\"1\": " + strings.Repeat(secret, 50) + "}}", "to 256 bytes"},
		{"ximp: {packets_per_minute: -1}", "not 0 to"},
		{"ximp: {packets_per_minute: 100001}", "not 0 to"},
		{"ximp: {presence_delay: 1m}", "goes with presence"},
		{"ximp: {secret_ram: maybe}", "ximp.secret_ram"},
		{"ximp: {login_resp_key: other}", "ximp.login_resp_key"},
		{"ximp: {guests: check}", "needs ximp.salts"},
		{"ximp: {guests: some}", "ximp.guests"},
		{"ximp: {rooms: {join_url: http://u:s3cr3t@rooms.example/}}", "or set ximp.rooms.http_plain"},
		{"ximp: {rooms: {quit_url: rooms.example}}", "ximp.rooms.quit_url: write https://"},
		{"ximp: {rooms: {header_file: x}}", "goes with join_url"},
		{"ximp: {rooms: {timeout: 1m}}", "ximp.rooms.timeout"},
		{"ximp: {rooms: {requests: -1}}", "ximp.rooms.requests"},
		{"ximp: {rooms: {kept_messages: -2}}", "ximp.rooms.kept_messages"},
		{"ximp: {rooms: {kept_room_bytes: 17MiB}}", "ximp.rooms.kept_room_bytes"},
		{"ximp: {rooms: {kept_bytes: 17GiB}}", "ximp.rooms.kept_bytes"},
		{"ximp: {rooms: {kept_for: 25h}}", "ximp.rooms.kept_for"},
		{"ximp: {rooms: {max_pull: 101}}", "ximp.rooms.max_pull"},
		{"miop: {apps: {\"01\": {}}}", "not an appid"},
		{"miop: {other: {sign: md5}}", "miop.other.sign_secret_file"},
		{"miop: {other: {sign: sha1}}", "miop.other.sign"},
		{"miop: {other: {sign: accept, sign_secret_file: x}}", "miop.other.sign_secret_file"},
		{"miop: {other: {dialect: loud}}", "miop.other.dialect"},
		{"miop: {other: {v4_entry: 8}}", "miop.other.v4_entry"},
		{"miop: {other: {window: -1}}", "miop.other.window"},
		{"miop: {apps: {\"1\": {window: 1001}}}", "miop.apps.1.window: 1001 is not 1 to 1000"},
		{"miop: {other: {presence_delay: 1m}}", "goes with presence"},
		{"miop: {other: {sign_age: 5}}", "cannot unmarshal"},
		{"ximp: {keys: {\"70000-1\": x}}", "APPID-CLIENTVERSION"},
		{"ximp: {keys: {\"1-4096\": x}}", "APPID-CLIENTVERSION"},
		{"ximp: {keys: {\"01-1\": x}}", "APPID-CLIENTVERSION"},
		{"ximp: {keys: '`s3cr3t'}", "cannot unmarshal a value into map[string]string"},
		{"ximp: {keys: *s3cr3t}", "unknown anchor a value referenced"},
		{"ximp: {keys: [s3cr3t], salts: s3cr3t, guests: []}", "cannot unmarshal a value into string"},
		{"ximp: {text_client_version: 4096}", "ximp.text_client_version"},
		{"ximp: {elsewhere: [192.0.2.1, '192.0.2.1:443']}", "ximp.elsewhere[1]"},
		{"ximp: {elsewhere: ['']}", "ximp.elsewhere[0]"},
		{"ximp: {apps: {\"%d\": a/b}}", "ximp.apps.%d: app"},
		{"miop: {move_to: 192.0.2.1}", "miop.move_to"},
		{"miop: {move_to: ':1884'}", "miop.move_to"},
		{"miop: {move_to: 'a.example:70000'}", "miop.move_to"},
		{"miop: {move_to: \"a\\nr:0:1\"}", "miop.move_to"},
	} {
		_, err := ReadNative(writeProfile(t, tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.text, err, tt.want)
		}
		if err != nil && strings.Count(err.Error(), secret) > strings.Count(tt.text, secret+":") {
			t.Errorf("%s: %v shows a key", tt.text, err)
		}
	}
	if _, err := ReadNative(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was read")
	}
}

// A profile is looked at with the rest of the configuration.
func TestValidateLooksAtProfiles(t *testing.T) {
	c := Default()
	c.Listen = []string{"miop://127.0.0.1:0?profile=" + writeProfile(t, "miop: {other: {sign: md5}}")}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "listen[0]: profile: ") {
		t.Errorf("got %v, want the profile's fault", err)
	}
	c.Listen = []string{"miop://127.0.0.1:0?profile=" + writeProfile(t, profile)}
	if err := c.Validate(); err != nil {
		t.Errorf("got %v, want no fault", err)
	}
}

// The profile under configs/ is what people copy: it names every key, loads, and loads with all that is put behind # as an example.
func TestShippedProfile(t *testing.T) {
	const path = "../../../configs/native.yaml"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := ReadNative(path)
	if err != nil || len(n.XIMP.Keys) > 0 || n.MIOP.SecretKeyFile != "" || n.Dispatch.SignKeyFile != "" || len(n.Dispatch.Addresses) != 2 {
		t.Errorf("got %+v, %v, want addresses and no keys", n, err)
	}
	all := regexp.MustCompile(`(?m)^( *)#(\w+:)`).ReplaceAllString(string(text), "$1$2")
	all = strings.ReplaceAll(all, "presence: false", "presence: true")
	if n, err := ReadNative(writeProfile(t, all)); err != nil || len(n.XIMP.Keys) != 1 || n.XIMP.Rooms.QuitURL == "" || n.MIOP.Apps["900000001"].Sign == "" {
		t.Errorf("with all examples: got %+v, %v", n, err)
	}
	var written map[string]any
	if err := yaml.Unmarshal([]byte(all), &written); err != nil {
		t.Fatal(err)
	}
	for _, key := range missing("", reflect.TypeFor[Native](), written) {
		t.Errorf("configs/native.yaml: got no key %s", key)
	}
}

// missing are the YAML keys of a struct that a mapping lacks, of structs in it too.
func missing(prefix string, s reflect.Type, in map[string]any) (keys []string) {
	for f := range s.Fields() {
		name := f.Tag.Get("yaml")
		value, ok := in[name]
		if !ok {
			keys = append(keys, prefix+name)
			continue
		}
		inner, _ := value.(map[string]any)
		kind := f.Type
		if kind.Kind() == reflect.Map { // any of its entries will do
			kind = kind.Elem()
			for _, v := range inner {
				inner, _ = v.(map[string]any)
			}
		}
		if kind.Kind() == reflect.Struct && len(inner) > 0 {
			keys = append(keys, missing(prefix+name+".", kind, inner)...)
		}
	}
	return keys
}
