package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	miop "github.com/holdfast-mqtt/holdfast/bridge/miop/client"
	miopPacket "github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	ximp "github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

const frontRules = `
default: deny
rules:
  - {permit: allow, users: [alice, pump], action: publish, topics: ["d/%c/up", up/data, up/chat], retain: false, max_qos: 1}
  - {permit: allow, users: [alice, pump, bob], action: subscribe, topics: ["d/%c/#", "inbox/%c", group/open]}
  - {permit: allow, action: subscribe, topics: [public]}
`

// roles is a node that knows clients by everything there is, and its addresses.
type roles struct {
	t                       *testing.T
	mqtt, mqtts, ximp, miop string
	secrets                 map[string]string // by user
	certificate             tls.Certificate   // of pump
}

// newRoles starts the node. alice has a password, bob a token and carol a service that vouch for them; pump has a certificate.
func newRoles(t *testing.T) *roles {
	t.Helper()
	r := &roles{t: t}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := strings.Repeat("k", 32)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "bob", "exp": time.Now().Add(time.Hour).Unix(),
		"acl": map[string]any{"publish": []string{"tok/#", "up/room"}, "subscribe": []string{"group/open"}},
	}).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	r.secrets = map[string]string{"alice": "alices", "bob": token, "carol": "carols"}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var asked struct{ User, Password string }
		answer := `{"decision": "ignore"}`
		if err := json.NewDecoder(q.Body).Decode(&asked); err == nil && asked.User == "carol" && asked.Password == "carols" {
			answer = `{"decision": "allow", "acl": {"publish": ["up/#"], "subscribe": []}}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(service.Close)
	cert, private := newCertificate(t)
	if r.certificate, err = tls.LoadX509KeyPair(cert, private); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.TLS = config.TLS{Cert: cert, Key: private, CA: cert}
	c.Auth.PasswordFile, c.Auth.JWTSecretFile, c.Auth.ACLFile = filepath.Join(dir, "users"), write("jwt", key), write("acl.yaml", frontRules)
	c.Auth.HTTPURL, c.Auth.HTTPPlain, c.Auth.CertificateUser, c.Auth.Anonymous = service.URL, true, "cn", true
	if code, _, stderr := run(t, "alices", "passwd", "--password-stdin", c.Auth.PasswordFile, "alice"); code != exitOK {
		t.Fatalf("passwd: %d, %s", code, stderr)
	}
	addr := startNodeWith(t, c, "mqtt://127.0.0.1:0", "mqtts://127.0.0.1:0?client-cert=optional", "ximp://127.0.0.1:0?app=default", "miop://127.0.0.1:0?app=default")
	r.mqtt, r.mqtts, r.ximp, r.miop = addr[0], addr[1], addr[2], addr[3]
	return r
}

// rawMQTT is a client of MQTT 5 that shows what it is answered.
type rawMQTT struct {
	t *testing.T
	net.Conn
}

func text(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }

// ask sends a packet and returns the next one that is no PUBLISH; its type is 0 at the end.
func (c rawMQTT) ask(first byte, body string) (kind byte, answer []byte) {
	c.t.Helper()
	if _, err := c.Write(append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)); err != nil {
		return 0, nil
	}
	for {
		var b [2]byte
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return 0, nil
		}
		answer = make([]byte, b[1]) // none is longer than 127 bytes
		if _, err := io.ReadFull(c, answer); err != nil {
			return 0, nil
		}
		if kind = b[0] & 0xf0; kind != 0x30 {
			return kind, answer
		}
	}
}

// connectMQTT connects as client c of a role, and tells whether it may.
func (r *roles) connectMQTT(role string) (c rawMQTT, ok bool) {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.mqtt)
	if role == "pump" {
		nc, err = tls.Dial("tcp", r.mqtts, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{r.certificate}})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(limit)); err != nil {
		r.t.Fatal(err)
	}
	flags, credentials := byte(0x02), ""
	if user, secret := r.credentials(role); user != "" && role != "pump" {
		flags, credentials = 0xc2, text(user)+text(secret)
	}
	c = rawMQTT{r.t, nc}
	kind, answer := c.ask(0x10, text("MQTT")+"\x05"+string([]byte{flags})+"\x00\x00\x00"+text("c")+credentials)
	return c, kind == 0x20 && answer[1] == 0
}

// credentials are what a role presents; "alice!" has a wrong password.
func (r *roles) credentials(role string) (user, secret string) {
	user = strings.TrimSuffix(role, "!")
	if user != role {
		return user, "wrong"
	}
	return user, r.secrets[user]
}

// try has a client of MQTT do something, and tells whether it may.
func (c rawMQTT) try(what string) bool {
	c.t.Helper()
	verb, topic, _ := strings.Cut(what, " ")
	switch verb {
	case "sub":
		kind, answer := c.ask(0x82, "\x00\x01\x00"+text(topic)+"\x01")
		return kind == 0x90 && answer[len(answer)-1] < 0x80
	case "unsub":
		kind, answer := c.ask(0xa2, "\x00\x01\x00"+text(topic))
		return kind == 0xb0 && answer[len(answer)-1] < 0x80
	}
	first := map[string]byte{"pub": 0x32, "pub2": 0x34, "retain": 0x33}[verb]
	kind, answer := c.ask(first, text(topic)+"\x00\x01\x00m")
	allowed := (kind == 0x40 || kind == 0x50) && (len(answer) == 2 || answer[2] < 0x80)
	if kind == 0x50 && allowed {
		c.ask(0x62, "\x00\x01")
	}
	return allowed
}

// TestPermissionsOfFronts has who is known by each authenticator do what there is to do in each protocol. A row is an operation, and y
// or n for each role; - is where a role cannot be played.
func TestPermissionsOfFronts(t *testing.T) {
	r := newRoles(t)
	players := []string{"", "alice", "bob", "pump", "carol", "alice!", "dora"} // dora is unknown
	for protocol, table := range map[string]struct {
		enter func(role string) (try func(what string) bool, ok bool)
		rows  []permission
	}{
		config.MQTT: {
			func(role string) (func(string) bool, bool) {
				c, ok := r.connectMQTT(role)
				return c.try, ok
			},
			[]permission{
				{"enter", "yyyyynn"},
				{"pub d/c/up", "nynyn--"},
				{"pub2 d/c/up", "nnnnn--"},
				{"retain d/c/up", "nnnnn--"},
				{"pub d/other/up", "nnnnn--"},
				{"pub tok/x", "nnynn--"},
				{"pub up/data", "nynyy--"},
				{"pub inbox/other", "nnnnn--"},
				{"sub d/c/#", "nynyn--"},
				{"sub $share/g/d/c/#", "nynyn--"},
				{"sub public", "yynyn--"},
				{"sub inbox/c", "nynyn--"},
				{"sub inbox/other", "nnnnn--"},
				{"sub #", "nnnnn--"},
				{"unsub d/c/#", "yyyyy--"},
			},
		},
		config.XIMP: {r.enterXIMP, []permission{
			{"enter", "-yy-ynn"},
			{"chat other", "-yn-y--"},
			{"join open", "-yy-n--"},
			{"join closed", "-nn-n--"},
			{"say open", "-ny-y--"}, // in it or not
		}},
		config.MIOP: {r.enterMIOP, []permission{
			{"enter", "-yy-ynn"},
			{"upload", "-yn-y--"},
		}},
	} {
		for i, role := range players {
			t.Run(protocol+" "+role, func(t *testing.T) {
				if table.rows[0].want[i] == '-' {
					return
				}
				try, ok := table.enter(role)
				for _, row := range table.rows {
					want := row.want[i]
					if row.what != "enter" && want != '-' {
						ok = try(row.what)
					}
					if want != '-' && ok != (want == 'y') {
						t.Errorf("%s: got %t, want %c", row.what, ok, want)
					}
				}
			})
		}
	}
}

// permission is an operation, and for each role whether it may.
type permission struct{ what, want string }

// enterXIMP logs in as a guest whose code is the secret.
func (r *roles) enterXIMP(role string) (try func(string) bool, ok bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), limit)
	r.t.Cleanup(cancel)
	o := ximpOptions("")
	o.URL = "ximp://" + r.ximp
	o.User, o.VerfCode = r.credentials(role)
	c, err := ximp.Dial(ctx, o)
	if err != nil {
		return nil, false
	}
	r.t.Cleanup(c.Close)
	return func(what string) bool {
		verb, name, _ := strings.Cut(what, " ")
		switch verb {
		case "chat":
			err = c.Chat(ctx, name, []byte("hi"))
		case "join":
			_, err = c.Join(ctx, name, nil)
		case "say":
			_, err = c.SendRoom(ctx, name, []byte("hi"))
		}
		return err == nil
	}, true
}

// enterMIOP binds with the secret as sign.
func (r *roles) enterMIOP(role string) (try func(string) bool, ok bool) {
	r.t.Helper()
	user, secret := r.credentials(role)
	c, ctx := dialMIOP(r.t, r.miop, miop.Options{Version: 6})
	b := miopPacket.BindRequest{User: []byte(user), AppID: 1, KeepAlive: 300, TS: time.Now().UnixMilli(), Sign: []byte(secret)}
	return func(string) bool { return c.Upload(ctx, user, 1, []byte("hi")) == nil }, c.Bind(ctx, b) == nil
}
