package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/client"
	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// limit bounds every wait on real sockets: it makes a hang a failure and takes part in no measurement.
const limit = 20 * time.Second

// startNode starts a room in memory with listeners and returns their addresses.
func startNode(t *testing.T, urls ...string) []string {
	t.Helper()
	return startNodeWith(t, config.Default(), urls...)
}

func dialMIOP(t *testing.T, address string, o client.Options) (*client.Client, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	c, err := client.Dial(ctx, address, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, ctx
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// What an MQTT client publishes to the inbox of a user reaches a MIOP client, on a listener of its own and on one
// that finds out what is spoken.
func TestMIOPListener(t *testing.T) {
	for _, url := range []string{"miop://127.0.0.1:0?app=default", "auto://127.0.0.1:0?protocols=mqtt,miop&app=default"} {
		addr := startNode(t, "mqtt://127.0.0.1:0", url)
		c, ctx := dialMIOP(t, addr[1], client.Options{})
		if err := c.Bind(ctx, packet.BindRequest{User: []byte("alice"), AppID: 1, KeepAlive: 300}); err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		mustPub(t, portOf(t, addr[0]), "-q", "1", "-t", "inbox/m:alice", "-m", "hi")
		select {
		case m := <-c.Messages():
			if string(m.Body) != "hi" || m.AppID != 1 {
				t.Errorf("%s: got %+v", url, m)
			}
		case <-ctx.Done():
			t.Fatalf("%s: no message", url)
		}
	}
}

// A listener that is not told to speaks nothing but MQTT, and one of MIOP no MQTT.
func TestListenersKeepToTheirProtocols(t *testing.T) {
	addr := startNode(t, "auto://127.0.0.1:0", "miop://127.0.0.1:0")
	c, ctx := dialMIOP(t, addr[0], client.Options{})
	if err := c.Bind(ctx, packet.BindRequest{User: []byte("alice"), AppID: 1}); err == nil {
		t.Error("auto:// speaks MIOP without being told")
	}
	if code, _, _ := run(t, "", "pub", "-h", "127.0.0.1", "-p", portOf(t, addr[1]), "-t", "a", "-m", "x"); code == exitOK {
		t.Error("miop:// speaks MQTT")
	}
}

// The profile says which App an appid has, and how binds are signed.
func TestMIOPProfile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := write("secret", "not a secret\n")
	profile := write("native.yaml", fmt.Sprintf("miop: {apps: {\"7\": {app: default, sign: hmac-sha256, sign_secret_file: %s, sign_age: 1h}}}", secret))
	addr := startNode(t, "mqtt://127.0.0.1:0", "miop://127.0.0.1:0?profile="+profile)
	bind := packet.BindRequest{User: []byte("bob"), AppID: 7, TS: time.Now().UnixMilli()}
	c, ctx := dialMIOP(t, addr[1], client.Options{Version: 6})
	if refused, ok := errors.AsType[*client.Refused](c.Bind(ctx, bind)); !ok || refused.Reason != packet.AnswerCredentials {
		t.Errorf("without a sign: got %v, want %d", refused, packet.AnswerCredentials)
	}
	h := hmac.New(sha256.New, []byte("not a secret"))
	fmt.Fprintf(h, "bob@7%d", bind.TS)
	bind.Sign = []byte(hex.EncodeToString(h.Sum(nil)))
	c, ctx = dialMIOP(t, addr[1], client.Options{Version: 6})
	if err := c.Bind(ctx, bind); err != nil {
		t.Fatal(err)
	}
	mustPub(t, portOf(t, addr[0]), "-q", "1", "-t", "inbox/m:bob", "-m", "hi")
	select {
	case m := <-c.Messages():
		if string(m.Body) != "hi" {
			t.Errorf("got %q", m.Body)
		}
	case <-ctx.Done():
		t.Fatal("no message")
	}
}

// What is missing or wrong in files is told when the node starts, without showing any of it.
func TestNativeFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ profile, want string }{
		{"miop: {secret_key_file: " + write("a", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))) + "}", ""},
		{"miop: {secret_key_file: " + write("b", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))) + "}", ""},
		{"miop: {secret_key_file: " + write("c", "s3cr3t") + "}", "is not a PEM file"},
		{"miop: {secret_key_file: " + write("d", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n") + "}", "no RSA private key"},
		{"miop: {secret_key_file: " + filepath.Join(dir, "none") + "}", "miop.secret_key_file"},
		{"miop: {other: {sign: md5, sign_secret_file: " + write("e", "\n") + "}}", "the file is empty"},
		{"miop: {apps: {\"1\": {sign: md5, sign_secret_file: " + filepath.Join(dir, "none") + "}}}", "miop.apps.1: sign_secret_file"},
	} {
		n := newNatives(nil, nil, nil, nil)
		p, err := n.profile(write("profile.yaml", tt.profile))
		if err == nil {
			_, err = miopConfig(&p.MIOP)
		}
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cr3t")) {
			t.Errorf("%s: got %v, want %q", tt.profile, err, tt.want)
		}
	}
	if _, err := newNatives(nil, nil, nil, nil).profile(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a profile that is not there was read")
	}
}
