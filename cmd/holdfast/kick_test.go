package main

import (
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/client"
	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	ximp "github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	xpacket "github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// An operator ends connections of all protocols with the command; who comes back finds what has come meanwhile.
func TestKick(t *testing.T) {
	d := startDurable(t, t.TempDir(), "--listen", "miop://127.0.0.1:0?app=live", "--listen", "ximp://127.0.0.1:0?app=live")
	address := func(scheme string) string {
		return regexp.MustCompile(`url="?` + scheme + `://([^?"\s]+)`).FindStringSubmatch(d.log.String())[1]
	}
	kick := func(args ...string) {
		t.Helper()
		code, stdout, stderr := run(t, "", append([]string{"kick", "--api", d.api}, args...)...)
		if code != exitOK || !strings.Contains(stdout, "is disconnected; its Session stays.") || stderr != "" {
			t.Errorf("kick %q: got %d, %q, %q, want it done", args, code, stdout, stderr)
		}
	}
	m, ctx := dialMIOP(t, address("miop"), client.Options{})
	if err := m.Bind(ctx, packet.BindRequest{User: []byte("alice"), AppID: 1, KeepAlive: 300}); err != nil {
		t.Fatal(err)
	}
	x, err := ximp.Dial(ctx, ximp.Options{
		URL: "ximp://" + address("ximp"), User: "bob", Platform: "mobile", DeviceID: "d",
		Header: xpacket.Header{Version: 1, ClientVersion: 102, App: 4242},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	wait := startSub(t, ctx, "-p", d.port, "-V", "5", "-x", "1000", "-i", "phone", "-c", "-q", "1", "-t", "t")
	kick("phone")
	if code, _, stderr := wait(); code != exitFailure || !strings.Contains(stderr, "administrative action (0x98)") {
		t.Errorf("sub: got %d, %s, want it to end because of the operator", code, stderr)
	}
	kick("--app", "live", "m:alice")
	select {
	case <-m.Done():
	case <-ctx.Done():
		t.Error("the MIOP client is still connected")
	}
	kick("--app", "live", "x:bob:mobile:d")
	select {
	case <-x.Done():
	case <-ctx.Done():
		t.Error("the XIMP client is still connected")
	}
	mustPub(t, d.port, "-q", "1", "-t", "t", "-m", "meanwhile")
	if code, stdout, stderr := run(t, "", "sub", "-h", "127.0.0.1", "-p", d.port, "-V", "5", "-x", "1000", "-i", "phone", "-c", "-q", "1", "-t", "t", "-C", "1"); code != exitOK || stdout != "meanwhile\n" {
		t.Errorf("sub: got %d, %q, %s, want what came meanwhile", code, stdout, stderr)
	}
	if _, page := get(t, d.api+"/metrics"); !strings.Contains(page, `holdfast_connections_closed_by_server_total{reason="kicked"} 3`) {
		t.Error("the metrics do not have three kicks")
	}
	if !strings.Contains(d.log.String(), "msg=client_kicked app=live client_id=m:alice") {
		t.Errorf("the log does not have the kick: %s", d.log)
	}
}

func TestKickFaults(t *testing.T) {
	d := startDurable(t, t.TempDir())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	_ = ln.Close()
	mustPub(t, d.port, "-t", "t", "-m", "x") // makes the App
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"phone", "--api", d.api}, exitFailure, "no client of that Client Identifier is connected in the App (40403)"},
		{[]string{"phone", "--app", "live", "--api", d.api}, exitFailure, "no App of that name has had a client since the node started (40404)"},
		{[]string{"phone", "--api", nobody}, exitFailure, "connection refused"},
		{[]string{"phone", "--api", "ftp://x"}, exitUsage, "--api takes a URL"},
		{nil, exitUsage, "name one Client Identifier"},
		{[]string{""}, exitUsage, "name one Client Identifier"},
		{[]string{"a", "b"}, exitUsage, "name one Client Identifier"},
	} {
		if code, _, stderr := run(t, "", append([]string{"kick"}, tt.args...)...); code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("kick %q: got %d, %q, want %d and %q", tt.args, code, stderr, tt.code, tt.want)
		}
	}
	if code, stdout, _ := run(t, "", "kick", "--help"); code != exitOK || !strings.Contains(stdout, "--end-session") {
		t.Errorf("kick --help: got %d, %q", code, stdout)
	}
}
