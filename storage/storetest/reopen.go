package storetest

import (
	"maps"
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

// RunReopen does random operations and closes and opens the Store between
// rounds of them: everything survives, and numbers go on. open opens the Store
// that lies in dir, an empty folder at first; RunReopen closes it.
func RunReopen(t *testing.T, open func(t *testing.T, dir string) broker.Store) {
	t.Helper()
	t.Run("reopen", func(t *testing.T) { testReopen(t, open) })
	t.Run("reopen empty", func(t *testing.T) {
		dir := t.TempDir()
		for range 3 {
			st := open(t, dir)
			checkSessions(t, st, nil)
			checkRetainedMessages(t, st, nil)
			if err := st.Close(); err != nil {
				t.Errorf("Close: got %v, want nil", err)
			}
		}
	})
}

func testReopen(t *testing.T, open func(t *testing.T, dir string) broker.Store) {
	r := randtest.New(t)
	dir := t.TempDir()
	var worlds []*world
	for round := range 6 {
		st := open(t, dir)
		if round == 0 {
			worlds = []*world{newWorld(t, st, r, "a", 4), newWorld(t, st, r, "b", 2)}
			maps.Copy(worlds[0].given, worlds[1].given)
			worlds[1].given = worlds[0].given // no number twice
		}
		checkOpened(t, st, worlds)
		steps := 600
		if round == 4 {
			steps = 0 // nothing is called between two rounds
		}
		for range steps {
			worlds[r.IntN(len(worlds))].step()
		}
		if err := st.Close(); err != nil {
			t.Fatalf("Close: got %v, want nil", err)
		}
		for _, w := range worlds {
			if issued, told := w.commits.counts(); told != issued {
				t.Errorf("commits told when Close returned: got %d, want %d", told, issued)
			}
			w.commits.check(t)
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// checkOpened compares what a Store that was just opened holds with the worlds, which go on with it.
func checkOpened(t *testing.T, st broker.Store, worlds []*world) {
	t.Helper()
	records := make(map[broker.SessionKey]*broker.SessionRecord)
	retained := make(map[retainedName]*broker.Message)
	for _, w := range worlds {
		w.st = st
		for _, s := range w.sessions {
			if s.record != nil {
				records[s.key] = s.record
			}
		}
		maps.Copy(retained, w.retained)
	}
	checkSessions(t, st, records)
	checkRetainedMessages(t, st, retained)
	for _, w := range worlds {
		w.checkAll() // and takes the messages that are loaded for those it had
		w.share()
	}
	given := make([]broker.Mailbox, 0, 3)
	for range 3 {
		mb := st.NewMailbox()
		if mb == 0 || worlds[0].given[mb] || slices.Contains(given, mb) {
			t.Errorf("NewMailbox after it was opened: got %d, which was given before", mb)
		}
		given = append(given, mb)
		worlds[0].given[mb] = true
	}
}
