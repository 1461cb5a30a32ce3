package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	miop "github.com/holdfast-mqtt/holdfast/bridge/miop/client"
	miopPacket "github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	ximp "github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// TestBans has clients of each protocol come that the file of bans names, by Client Identifier and by User Name.
func TestBans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.yaml")
	if err := os.WriteFile(path, []byte("- user: mallory\n- client: c\n- client: x:eve:mobile:d\n  app: default\n- client: m:eve\n  app: other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Auth.BanFile = path
	addr := startNodeWith(t, c, "mqtt://127.0.0.1:0", "ximp://127.0.0.1:0?app=default", "miop://127.0.0.1:0?app=default")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()

	mqtt := func(protocol, clientID, user, want string) {
		t.Helper()
		nc, err := net.Dial("tcp", addr[0])
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if err := nc.SetDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		body := text("MQTT") + protocol[:1] + "\x82\x00\x00" + protocol[1:] + text(clientID) + text(user)
		if _, answer := (rawMQTT{t, nc}).ask(0x10, body); string(answer[:2]) != want {
			t.Errorf("MQTT %q, client %q, user %q: got % x, want % x", protocol, clientID, user, answer, want)
		}
	}
	mqtt("\x05\x00", "a", "mallory", "\x00\x8a")
	mqtt("\x05\x00", "c", "bob", "\x00\x8a")
	mqtt("\x05\x00", "mallory", "c", "\x00\x00") // the other kind of name
	mqtt("\x04", "a", "mallory", "\x00\x05")

	enterXIMP := func(user, want string) {
		t.Helper()
		o := ximpOptions(user)
		o.URL = "ximp://" + addr[1]
		client, err := ximp.Dial(ctx, o)
		if err == nil {
			defer client.Close()
		}
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("XIMP, user %s: got %v, want %q", user, err, want)
		}
	}
	enterXIMP("mallory", "1008")
	enterXIMP("eve", "1008")
	enterXIMP("ann", "")

	bind := func(user string, want uint64) {
		t.Helper()
		client, ctx := dialMIOP(t, addr[2], miop.Options{})
		err := client.Bind(ctx, miopPacket.BindRequest{User: []byte(user), AppID: 1, KeepAlive: 300})
		var refused *miop.Refused
		if got := errors.As(err, &refused); got != (want != 0) || got && refused.Reason != want || !got && err != nil {
			t.Errorf("MIOP, user %s: got %v, want r:%d", user, err, want)
		}
	}
	bind("mallory", miopPacket.AnswerNotAllowed)
	bind("eve", 0) // in another App alone
}

// TestBanFileFault: a node whose file of bans makes no sense does not start.
func TestBanFileFault(t *testing.T) {
	c := config.Default()
	c.Data, c.Auth.BanFile = config.InMemory, filepath.Join(t.TempDir(), "none")
	if _, err := openBans(&c.Auth); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "auth.ban_file: ") {
		t.Errorf("got %v, want the setting and that there is no such file", err)
	}
}
