//go:build system

package crash

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// setting reads a number from the environment.
func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q is not a number", name, text)
	}
	return n
}

// start makes a run on a fresh data directory, which is in the environment only to show that these tests fail with
// a server that keeps nothing (CRASH_DATA=memory).
func start(t *testing.T, data string, topics []topic) *run {
	t.Helper()
	binary := os.Getenv("SYSTEM_TEST_BINARY")
	if binary == "" {
		t.Fatal("SYSTEM_TEST_BINARY is not set: run 'make crash'")
	}
	seed := setting(t, "CRASH_SEED", rand.Uint64())
	t.Logf("CRASH_SEED=%d", seed)
	r, err := newRun(binary, data, seed, topics)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.abort()
		if t.Failed() {
			log, _ := r.server.lastLines()
			t.Logf("last lines of the server's log:\n%s", log)
		}
	})
	return r
}

func dataDir(t *testing.T) string {
	t.Helper()
	if data := os.Getenv("CRASH_DATA"); data != "" {
		return data
	}
	return filepath.Join(t.TempDir(), "data")
}

// verdict ends a run and reports what is wrong.
func verdict(t *testing.T, r *run) {
	t.Helper()
	if err := r.finish(t.Context()); err != nil {
		t.Error(err)
	}
	t.Log(r.summary())
	if text := r.ledger.report(r.ledger.check()); text != "" {
		t.Errorf("CRASH_SEED=%d\n%s", r.seed, text)
	}
	n := 0
	for _, m := range r.ledger.all() {
		if m.first(received) != nil {
			n++
		}
	}
	if n < 100 {
		t.Errorf("got %d messages received, want 100 or more: the run proves nothing", n)
	}
}

// topics of the mixed load, the inboxes of some receivers among them.
func topics() []topic {
	return mixedTopics(firstReceiver, firstReceiver+3, firstReceiver+4, newcomer)
}

// TestKill kills the server again and again under a mixed load.
func TestKill(t *testing.T) {
	r := start(t, dataDir(t), topics())
	mixedLoad(r)
	if err := r.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.rounds(t.Context(), int(setting(t, "CRASH_ROUNDS", 8))); err != nil {
		t.Fatal(err)
	}
	pause(t.Context(), settleFor, nil) // load on the last server, too
	r.drain(t.Context(), quietFor)
	verdict(t, r)
}

// TestCutFile takes bytes off the newest log file after each kill.
func TestCutFile(t *testing.T) {
	const (
		publishers = 3
		window     = 8
		mostCut    = 6 << 10
		enough     = 16 * mostCut // payload bytes acknowledged in a round: the cut stays within it
	)
	data := dataDir(t)
	r := start(t, data, []topic{
		{name: "cut/1", qos: 1, weight: 1, inbox: -1}, {name: "cut/2", qos: 2, weight: 1, inbox: -1},
	})
	for range publishers {
		r.add(&client{
			temper: temper{burst: 3, window: window, pause: span{0, 3 * ms}}, topics: []int{0, 1},
			wishes: []wish{{filter: "cut/own", qos: 1}}, version: packet.V5,
		})
	}
	for _, filter := range []string{"cut/1", "cut/2"} {
		r.add(&client{temper: temper{asleep: true}, wishes: []wish{{filter: filter, qos: 1}}})
	}
	if err := r.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.board.set(draining)
	if err := r.await(t.Context(), "subscribe", func(l *ledger) bool { return len(l.subscriptions) == len(r.clients) }); err != nil {
		t.Fatal(err)
	}
	for round := range uint16(max(2, setting(t, "CRASH_ROUNDS", 8)/2)) {
		r.board.set(loading)
		err := r.await(t.Context(), "publish", func(l *ledger) bool { return l.ackedBytesLocked(round) >= enough })
		if err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), span{0, 300 * ms}.choose(r.rng), nil)
		var c cut
		ready, err := r.crash(func() (err error) {
			c, err = cutNewest(data, mostCut, r.rng.Int64N)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		r.board.set(draining)
		if err := awaitReady(ready); err != nil {
			t.Fatalf("after %v: %v", c, err)
		}
		r.drain(t.Context(), 2*settleFor)
		faults, missing := r.ledger.checkPrefix(round, c.bytes, publishers*window)
		t.Logf("round %d: %v, %d messages missing", round, c, missing)
		if text := r.ledger.report(faults); text != "" {
			t.Errorf("CRASH_SEED=%d, round %d, %v\n%s", r.seed, round, c, text)
		}
	}
	if err := r.finish(t.Context()); err != nil {
		t.Error(err)
	}
	t.Log(r.summary())
	if text := r.ledger.report(r.ledger.faults); text != "" {
		t.Errorf("CRASH_SEED=%d\n%s", r.seed, text)
	}
}
