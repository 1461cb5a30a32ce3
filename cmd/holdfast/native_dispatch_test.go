package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// writeText writes a file and returns its path.
func writeText(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fetch asks a dispatcher, and does not mind who it is.
func fetch(t *testing.T, method, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer c.CloseIdleConnections()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The dispatcher answers on a listener of its own, with TLS and without, and beside all that is spoken on one that finds out.
func TestDispatchListener(t *testing.T) {
	cert, key := newCertificate(t)
	profile := writeText(t, "native.yaml", `dispatch: {addresses: {"192.0.2.1:443": 1, "192.0.2.2:80": 1}, answers: 1}`)
	c := config.Default()
	c.TLS = config.TLS{Cert: cert, Key: key}
	addr := startNodeWith(t, c, "mqtt://127.0.0.1:0", "dispatch://127.0.0.1:0?profile="+profile, "dispatchs://127.0.0.1:0?profile="+profile,
		"auto://127.0.0.1:0?protocols=mqtt,ximp,dispatch&app=default&profile="+profile)
	own, secure, all := "http://"+addr[1], "https://"+addr[2], "http://"+addr[3]
	const (
		first  = `{"errno":0,"errmsg":"","data":"192.0.2.1:443","sign":""}`
		second = `{"errno":0,"errmsg":"","data":"192.0.2.2:80","sign":""}`
		ios    = `{"errno":0,"errmsg":"","data":"192.0.2.1","sign":""}`
	)
	for _, tt := range []struct{ method, url, want string }{
		{"GET", own + "/get", first},
		{"POST", secure + "/get?mobiletype=android", second}, // one rotation for a profile
		{"GET", all + "/get", first},
		{"GET", strings.Replace(all, "http:", "https:", 1) + "/get", second},
		{"GET", secure + "/get?mobiletype=ios", ios},
		{"GET", all + "/status.php", "ok\n"},
		{"GET", own + "/other", `{"errno":404,"errmsg":"page not found","data":""}`},
		{"GET", all + "/other", "there is nothing at this path\n"},
		{"GET", all + "/", "this is for WebSockets\n"},
	} {
		if got := fetch(t, tt.method, tt.url); got != tt.want {
			t.Errorf("%s %s: got %q, want %q", tt.method, tt.url, got, tt.want)
		}
	}
	mustPub(t, portOf(t, addr[0]), "-q", "1", "-t", "inbox/x:alice:mobile:d", "-m", "hi")
	o := client.Options{URL: "ws://" + addr[3] + "/", Header: packet.Header{Version: 1, ClientVersion: 102, App: 4242}}
	if got, err := logIn(t, o); err != nil || len(got) != 1 {
		t.Errorf("XIMP in a WebSocket on the same port: got %q, %v", got, err)
	}
	if code, _, stderr := run(t, "", "pub", "-h", "127.0.0.1", "-p", portOf(t, addr[3]), "-t", "a", "-m", "x"); code != exitOK {
		t.Errorf("MQTT on the same port: got %d, %s", code, stderr)
	}
	if code, _, _ := run(t, "", "pub", "-h", "127.0.0.1", "-p", portOf(t, addr[1]), "-t", "a", "-m", "x"); code == exitOK {
		t.Error("a dispatcher's own listener speaks MQTT")
	}
}

// Without being told to, a listener answers nothing of the kind.
func TestNoDispatcher(t *testing.T) {
	addr := startNode(t, "auto://127.0.0.1:0?protocols=mqtt,ximp")
	if got := fetch(t, "GET", "http://"+addr[0]+"/get"); got != "there is nothing at this path\n" {
		t.Errorf("got %q", got)
	}
}

func TestDispatchSigned(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	file := writeText(t, "sign.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	profile := writeText(t, "native.yaml", `dispatch: {addresses: {"192.0.2.1:443": 1}, sign_key_file: `+file+`}`)
	addr := startNode(t, "dispatch://127.0.0.1:0?profile="+profile)
	var got struct{ Sign string }
	if err := json.Unmarshal([]byte(fetch(t, "GET", "http://"+addr[0]+"/get")), &got); err != nil || len(got.Sign) != 172 {
		t.Errorf("got sign %q, %v, want 128 bytes in base64", got.Sign, err)
	}
}

func TestDispatchFaults(t *testing.T) {
	for profile, want := range map[string]string{
		`{}`: "there are no addresses",
		`dispatch: {addresses: {a: 1}, sign_key_file: nowhere.pem}`: "sign_key_file",
	} {
		n := newNatives(nil, nil, nil, nil)
		if _, err := n.dispatchOf(&config.Listener{Profile: writeText(t, "native.yaml", profile)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", profile, err, want)
		}
	}
}
