//go:build system

package crash

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
)

// relayTo is the environment variable that makes this test's binary a relay to an address.
const relayTo = "CRASH_RELAY_TO"

func TestMain(m *testing.M) {
	if address := os.Getenv(relayTo); address != "" {
		if err := relay(os.Args, address); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// relay takes serve's arguments and passes connections on, until it is killed. To its clients that is a server whose
// store forgets nothing.
func relay(args []string, address string) error {
	i := slices.Index(args, "--listen")
	if i < 0 || i+1 == len(args) {
		return fmt.Errorf("no --listen in %q", args)
	}
	ln, err := net.Listen("tcp", strings.TrimPrefix(args[i+1], "mqtt://"))
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "msg=ready")
	for {
		in, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			out, err := net.Dial("tcp", address)
			if err != nil {
				in.Close()
				return
			}
			go pass(in, out)
			pass(out, in)
		}()
	}
}

// pass copies one way and then ends both: half a connection is of no use here.
func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}

// TestKillRelay kills a relay in front of a server that lives on. It holds without a durable store: what it finds is a
// fault of the broker, or of the rules.
func TestKillRelay(t *testing.T) {
	behind := start(t, "memory", nil)
	ready, err := behind.server.start()
	if err == nil {
		err = awaitReady(ready)
	}
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRun(self, "memory", behind.seed, mixedTopics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.abort)
	t.Setenv(relayTo, behind.server.address())
	mixedLoad(r)
	if err := r.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.rounds(t.Context(), int(setting(t, "CRASH_ROUNDS", 8))); err != nil {
		t.Fatal(err)
	}
	r.drain(t.Context(), quietFor)
	verdict(t, r)
}
