package main

import (
	"context"
	"io"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/badger"
)

// durable is a real serve under way, with a data directory.
type durable struct {
	data      string
	port, api string // of its listener; the API's URL
	log       *buffer
	stop      func()
}

// startDurable runs serve on data, with what args add, until stop or the test's end.
func startDurable(t *testing.T, data string, args ...string) *durable {
	t.Helper()
	d := &durable{data: data, log: new(buffer)}
	ctx, cancel := context.WithCancel(t.Context())
	args = append([]string{"--listen", "mqtt://127.0.0.1:0", "--api", "127.0.0.1:0", "--data", data}, args...)
	var wg sync.WaitGroup
	wg.Go(func() {
		if code := runServe(ctx, args, Stdio{Out: io.Discard, Err: d.log}); code != exitOK {
			t.Errorf("serve: got exit code %d; log: %s", code, d.log)
		}
	})
	d.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(d.stop)
	d.log.waitFor(t, "msg=ready")
	d.port = regexp.MustCompile(`url=mqtt://127\.0\.0\.1:(\d+)`).FindStringSubmatch(d.log.String())[1]
	d.api = regexp.MustCompile(`url=(http://\S+)`).FindStringSubmatch(d.log.String())[1]
	return d
}

// fillData makes a data directory with a Session, two messages for it and a retained one.
func fillData(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	s, err := badger.Open(t.Context(), badger.Options{Dir: dir, MinFree: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	mb := s.NewMailbox()
	m := func(text string) *broker.Message {
		return &broker.Message{TopicName: "door/bell", Payload: []byte(text), QoS: 1}
	}
	key := broker.SessionKey{App: broker.DefaultApp, ClientID: "phone"}
	s.SaveSession(key, &broker.SessionRecord{
		Mailbox: mb, Expiry: broker.NeverExpires, Next: 3, SleptAt: 1,
		Subscriptions: []broker.Subscribe{{TopicFilter: "door/bell", Options: 1}},
	}, nil)
	s.Append(mb, &broker.Entry{Seq: 1, Message: m("one"), QoS: 1}, nil)
	s.Append(mb, &broker.Entry{Seq: 2, Message: m("two"), QoS: 1}, nil)
	s.SetRetained(broker.DefaultApp, "door/sign", &broker.Message{TopicName: "door/sign", Payload: []byte("open"), Retain: true}, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// expectFilled fails the test if the Session of fillData does not get its messages from a node on dir.
func expectFilled(t *testing.T, dir string) {
	t.Helper()
	d := startDurable(t, dir)
	defer d.stop()
	code, stdout, stderr := run(t, "", "sub", "-h", "127.0.0.1", "-p", d.port, "-i", "phone", "-c", "-q", "1", "-t", "door/bell", "-C", "2")
	if code != exitOK || stdout != "one\ntwo\n" {
		t.Errorf("sub: got %d, %q, %s, want one and two", code, stdout, stderr)
	}
	code, stdout, stderr = run(t, "", "sub", "-h", "127.0.0.1", "-p", d.port, "-t", "door/sign", "-C", "1")
	if code != exitOK || stdout != "open\n" {
		t.Errorf("sub to the retained message: got %d, %q, %s, want open", code, stdout, stderr)
	}
}
