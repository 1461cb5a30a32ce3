package badger

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

// crashDir names the data directory to the process that is to be killed.
const crashDir = "HOLDFAST_TEST_CRASH_DIR"

// crashBoxes is how many mailboxes each bracket of the crash tests writes to.
const crashBoxes = 5

// writeBrackets writes brackets of one entry for each mailbox until stop is set. tell is called with each
// number that is safe in all of them, in order.
func writeBrackets(s *Store, boxes []broker.Mailbox, from uint64, stop *atomic.Bool, tell func(uint64)) {
	safe := make(chan uint64, 1000)
	window := make(chan struct{}, 300) // brackets that are not safe
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range safe {
			tell(n)
		}
	}()
	for n := from; !stop.Load(); n++ {
		window <- struct{}{}
		c := &bracketCommit{n: n, safe: safe, window: window}
		c.left.Store(int32(len(boxes)))
		tx := s.Begin()
		for i, mb := range boxes {
			m := text("own")
			if i%2 == 0 {
				m = shared("shared")
			}
			s.Append(mb, &broker.Entry{Seq: n, Message: m, QoS: 1}, c)
		}
		s.End(tx)
	}
	for range cap(window) {
		window <- struct{}{}
	}
	close(safe)
	<-done
}

// bracketCommit is told about all entries of a bracket.
type bracketCommit struct {
	n      uint64
	left   atomic.Int32
	safe   chan<- uint64
	window <-chan struct{}
}

// Committed implements broker.Commit.
func (c *bracketCommit) Committed(err error) {
	if err == nil && c.left.Add(-1) == 0 {
		c.safe <- c.n
		<-c.window
	}
}

// checkBrackets fails unless each mailbox holds the same numbers, from 1 on, at least up to safe.
func checkBrackets(t *testing.T, s *Store, boxes []broker.Mailbox, safe uint64) (last uint64) {
	t.Helper()
	first := seqs(t, s, boxes[0])
	for i, n := range first {
		if n != uint64(i+1) {
			t.Fatalf("mailbox %d: got %d as entry %d, want all numbers", boxes[0], n, i)
		}
	}
	for _, mb := range boxes[1:] {
		if got := seqs(t, s, mb); !slices.Equal(got, first) {
			t.Fatalf("mailbox %d: got %d entries, mailbox %d has %d: a bracket is torn", mb, len(got), boxes[0], len(first))
		}
	}
	if uint64(len(first)) < safe {
		t.Fatalf("entries: got %d, want at least the %d that are safe", len(first), safe)
	}
	return uint64(len(first))
}

// TestKilled kills a process that writes, again and again. It is the process too.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	r := randtest.New(t)
	dir := t.TempDir()
	o := Options{Dir: dir, hooks: hooks{memTable: 8 << 20}}
	s := openForTest(t, o)
	boxes := crashMailboxes(s)
	closeStore(t, s)
	safe := uint64(0)
	given := broker.Mailbox(0)
	for round := range 6 {
		safe = max(safe, killAfter(t, dir, 1+r.IntN(2000)))
		s := openForTest(t, o)
		last := checkBrackets(t, s, boxes, safe)
		if mb := s.NewMailbox(); mb <= given {
			t.Errorf("NewMailbox in round %d: got %d, which may have been given before", round, mb)
		} else {
			given = mb
		}
		t.Logf("round %d: %d safe, %d there", round, safe, last)
		closeStore(t, s)
	}
}

// crashMailboxes are known to all processes: the first ones of a new directory.
func crashMailboxes(s *Store) []broker.Mailbox {
	boxes := make([]broker.Mailbox, crashBoxes)
	for i := range boxes {
		boxes[i] = broker.Mailbox(i + 1)
	}
	_ = s.NewMailbox()
	return boxes
}

// writeUntilKilled is the life of the process that is killed.
func writeUntilKilled(t *testing.T, dir string) {
	s := openForTest(t, Options{Dir: dir, hooks: hooks{memTable: 8 << 20}})
	boxes := crashMailboxes(s)
	var never atomic.Bool
	last := checkBrackets(t, s, boxes, 0)
	writeBrackets(s, boxes, last+1, &never, func(n uint64) { fmt.Printf("safe %d\n", n) })
}

// killAfter runs a process until it has told of so many numbers, and kills it. It returns the last one that is safe.
func killAfter(t *testing.T, dir string, lines int) (safe uint64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestKilled$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for i := 0; scanner.Scan(); i++ {
		var n uint64
		if _, err := fmt.Sscanf(scanner.Text(), "safe %d", &n); err != nil {
			t.Errorf("the process says %q", scanner.Text())
		}
		safe = max(safe, n)
		if i == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process has ended by itself")
	}
	if safe == 0 {
		t.Fatal("the process has ended without anything safe")
	}
	return safe
}

// TestCrashImages copies the directory while it is written to, and opens the copies.
func TestCrashImages(t *testing.T) {
	r := randtest.New(t)
	o := Options{Dir: t.TempDir(), MaxBatch: 20, hooks: hooks{memTable: 32 << 20}}
	s := openForTest(t, o)
	boxes := crashMailboxes(s)
	var stop atomic.Bool
	var safe atomic.Uint64
	wrote := make(chan struct{})
	progress := make(chan uint64)
	go func() {
		defer close(wrote)
		writeBrackets(s, boxes, 1, &stop, func(n uint64) {
			safe.Store(n)
			select {
			case progress <- n:
			default:
			}
		})
	}()
	for range 8 {
		for range 1 + r.IntN(100) {
			<-progress
		}
		before := safe.Load()
		o := o
		o.Dir = copyDir(t, o.Dir)
		image := openForTest(t, o)
		checkBrackets(t, image, boxes, before)
		closeStore(t, image)
	}
	stop.Store(true)
	<-wrote
	closeStore(t, s)
}
