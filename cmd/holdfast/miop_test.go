package main

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

func TestMIOPCommands(t *testing.T) {
	addr := startNode(t, "mqtt://127.0.0.1:0", "miop://127.0.0.1:0?app=default")
	mqttPort, port := portOf(t, addr[0]), portOf(t, addr[1])
	at := []string{"-h", "127.0.0.1", "-p", port}
	mustPub(t, mqttPort, "-q", "1", "-t", "inbox/m:alice", "-m", "one")
	mustPub(t, mqttPort, "-q", "1", "-t", "inbox/m:alice", "-m", "two")
	code, stdout, stderr := run(t, "", append([]string{"miop", "listen", "alice@1", "bob@2", "-C", "1", "-v", "-d"}, at...)...)
	if code != exitOK || !strings.HasPrefix(stdout, "1 ") || !strings.HasSuffix(stdout, " one\n") || !strings.Contains(stderr, "sending Bind") {
		t.Errorf("listen: got %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr = run(t, "", append([]string{"miop", "listen", "alice@1", "-C", "1"}, at...)...)
	if code != exitOK || stdout != "two\n" { // the first one has been acknowledged
		t.Errorf("listen: got %d, %q, %q, want two", code, stdout, stderr)
	}
	if code, _, _ := run(t, "", append([]string{"miop", "listen", "alice@1", "-W", "1"}, at...)...); code != exitTimeout {
		t.Errorf("listen -W: got %d, want %d", code, exitTimeout)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, done := new(buffer), make(chan int, 1)
	go func() {
		done <- Run(ctx, []string{"sub", "-h", "127.0.0.1", "-p", mqttPort, "-t", "up/data", "-q", "1", "-C", "1", "-d"}, Stdio{In: strings.NewReader(""), Out: out, Err: out})
	}()
	out.waitFor(t, "subscribed to")
	if code, _, stderr := run(t, "", append([]string{"miop", "upload", "alice@1", "-m", "temp=21.5"}, at...)...); code != exitOK {
		t.Errorf("upload: got %d, %s", code, stderr)
	}
	if code := <-done; code != exitOK || !strings.Contains(out.String(), "temp=21.5") {
		t.Errorf("sub: got %d, %q", code, out.String())
	}
}

// TestMIOPBacklog: users are bound one after the other, however much waits for those before.
func TestMIOPBacklog(t *testing.T) {
	addr := startNode(t, "mqtt://127.0.0.1:0", "miop://127.0.0.1:0?app=default")
	mqttPort, port := portOf(t, addr[0]), portOf(t, addr[1])
	users := []string{"a@1", "b@2", "c@3"}
	const each = 80 // more than a broker sends without an acknowledgement, and than a client's queue holds
	for _, u := range users {
		topic := "inbox/m:" + u[:1]
		code, _, stderr := run(t, strings.Repeat("x\n", each), "pub", "-h", "127.0.0.1", "-p", mqttPort, "-q", "1", "-t", topic, "-l")
		if code != exitOK {
			t.Fatalf("pub: got %d, %s", code, stderr)
		}
	}
	all := strconv.Itoa(each * len(users))
	code, stdout, stderr := run(t, "", append(append([]string{"miop", "listen"}, users...), "-C", all, "-W", "20", "-h", "127.0.0.1", "-p", port)...)
	if got := strings.Count(stdout, "x\n"); code != exitOK || got != each*len(users) {
		t.Errorf("got %d and %d messages, %s; want all", code, got, stderr)
	}
}

// TestMIOPSilentBroker: a command does not wait for ever for somebody who takes connections and says nothing.
func TestMIOPSilentBroker(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port, err := strconv.ParseUint(portOf(t, ln.Addr().String()), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	f := &miopFlags{host: "127.0.0.1", port: uint16(port), keepAlive: 300, patience: 50 * time.Millisecond}
	f.users = []packet.BindRequest{{User: []byte("a"), AppID: 1}}
	if _, err := f.dial(t.Context(), Stdio{}); err == nil || !strings.Contains(err.Error(), "no answer in 50ms") {
		t.Errorf("got %v, want that there is no answer", err)
	}
}

// TestMIOPExplains: where there is no listener for MIOP the command says what to look at.
func TestMIOPExplains(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	cert, key := newCertificate(t)
	other, _ := newCertificate(t)
	c := config.Default()
	c.TLS = config.TLS{Cert: cert, Key: key}
	addr := startNodeWith(t, c, "mqtt://127.0.0.1:0", "miops://127.0.0.1:0?app=default")
	mqtt, secure := portOf(t, addr[0]), portOf(t, addr[1])
	for _, tt := range []struct {
		port  string
		flags []string
		want  string
	}{
		{portOf(t, closed.Addr().String()), nil, "nothing listens there: start a broker with such a listener, or name its address with -h and -p"},
		{mqtt, nil, "is it a listener for MIOP (-p), with TLS (--tls) or without"},
		{secure, nil, "is it a listener for MIOP (-p), with TLS (--tls) or without"},
		{secure, []string{"--tls", "--cafile", other}, "name it with --cafile"},
	} {
		args := append([]string{"miop", "listen", "a@1", "-W", "20", "-h", "127.0.0.1", "-p", tt.port}, tt.flags...)
		if code, _, stderr := run(t, "", args...); code != exitFailure || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: got %d, %q, want %q", args, code, stderr, tt.want)
		}
	}
}

func TestMIOPCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"", exitUsage, "holdfast miop listen"},
		{"--help", exitOK, ""},
		{"talk", exitUsage, `"talk" is neither`},
		{"listen", exitUsage, "name 1 to 16 users"},
		{"listen alice", exitUsage, "is not USER@APPID"},
		{"listen alice@0", exitUsage, "is not USER@APPID"},
		{"listen a@1 b@1", exitUsage, "one user of each appid"},
		{"listen a@1 -k 0", exitUsage, "-k takes"},
		{"listen a@1 -C -1", exitUsage, "-C and -W"},
		{"listen a@1 --cafile x", exitUsage, "goes with --tls"},
		{"listen a@1 --tls --cafile " + filepath.Join(t.TempDir(), "none"), exitFailure, "no such file"},
		{"listen a@1 -h 127.0.0.1 -p 1", exitFailure, "connection refused"},
		{"upload a@1", exitUsage, "exactly one of -m and -f"},
		{"upload a@1 b@2 -m x", exitUsage, "name 1 to 1 users"},
		{"upload a@1 -f " + filepath.Join(t.TempDir(), "none"), exitFailure, "no such file"},
	} {
		code, _, stderr := run(t, "", append([]string{"miop"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("miop %s: got %d, %q, want %d, %q", tt.args, code, stderr, tt.code, tt.want)
		}
	}
}
