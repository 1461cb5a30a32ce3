package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

var randomTests = []test{
	{"random operations", testRandom},
	{"concurrent use", testConcurrent},
}

// step does a random operation, or a bracket of them.
func (w *world) step() {
	switch p := w.r.IntN(100); {
	case p < 84:
		w.write()
	case p < 88:
		w.bracket()
	default:
		w.read()
	}
}

// bracket does some writes together, and sometimes asks for a page as the last of it.
func (w *world) bracket() {
	tx := w.st.Begin()
	for range w.r.IntN(12) {
		w.write()
	}
	if w.r.IntN(2) == 0 {
		w.st.End(tx)
		return
	}
	s := w.session()
	p := newPage()
	w.st.Load(s.mb, 0, 20, unlimited, p.done)
	w.st.End(tx)
	got, more := p.wait(w.t)
	checkPage(w.t, fmt.Sprintf("%v: Load in a bracket", s.key), got, more, s.entries, 20, unlimited)
}

func testRandom(t *testing.T, st broker.Store) {
	w := newWorld(t, st, randtest.New(t), "a", 5)
	for range 5000 {
		w.step()
	}
	w.checkAll()
	w.commits.wait(t)
}

// testConcurrent has one goroutine per Session, as the broker's locks see to.
func testConcurrent(t *testing.T, st broker.Store) {
	r := randtest.New(t)
	shared := newWorld(t, st, r, "shared", 0).shared // between all
	t.Run("sessions", func(t *testing.T) {           // ends when its parallel tests have
		for i := range 8 {
			own := rand.New(rand.NewPCG(r.Uint64(), 0))
			app := fmt.Sprint("a", i)
			t.Run(app, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, st, own, app, 1)
				w.shared = slices.Concat(w.shared, shared)
				for range 1000 {
					w.step()
				}
				w.checkAll()
				w.commits.wait(t)
			})
		}
	})
}
