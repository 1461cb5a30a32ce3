package login

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newLoop returns a loop that a bubble may wait on.
func newLoop(t *testing.T) *netloop.Loop {
	t.Helper()
	e, err := netloop.New(netloop.Config{Loops: 1, Portable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Shutdown(context.Background()) }) // nobody is connected
	return e.Loops()[0]
}

func TestPoolBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(t)
		p := NewPool(Config{Workers: 2, Queue: 3, Timeout: time.Second})
		defer p.Stop()
		said := make(chan Result, 8)
		until := func(ctx context.Context) Result {
			<-ctx.Done()
			return Result{Decision: broker.Deny, Err: ctx.Err()}
		}
		for i, want := range []bool{true, true, true, true, true, false, false} {
			if got := p.Ask(l, until, func(r Result) { said <- r }) != nil; got != want {
				t.Errorf("question %d: got %v, want %v", i+1, got, want)
			}
			synctest.Wait() // two are asked, three wait
		}
		if got, want := p.Stats(), (Stats{Waiting: 3, Refused: 2}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		for range 5 {
			if r := <-said; !errors.Is(r.Err, context.DeadlineExceeded) || r.Took != time.Second {
				t.Errorf("got %v after %v, want the deadline after 1s", r.Err, r.Took)
			}
		}
		if got, want := p.Stats(), (Stats{Asked: 5, Refused: 2, Took: 5 * time.Second}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestPoolAnswersOnTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(t)
		p := NewPool(Config{})
		defer p.Stop()
		id := &broker.Identity{App: "meters"}
		var order []string // of the loop: the race detector watches
		done := make(chan struct{})
		l.PostFunc(func() { order = append(order, "before") })
		p.Ask(l, func(context.Context) Result {
			return Result{Decision: broker.Allow, Identity: id, Answer: []byte("welcome")}
		}, func(r Result) {
			if r.Decision != broker.Allow || r.Identity != id || string(r.Answer) != "welcome" {
				t.Errorf("got %+v, want what was answered", r)
			}
			order = append(order, "answer")
			close(done)
		})
		<-done
		if len(order) != 2 {
			t.Errorf("got %v, want both tasks", order)
		}
	})
}

// TestPoolDrop: about a client that has gone meanwhile nobody is asked.
func TestPoolDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(t)
		p := NewPool(Config{Workers: 1})
		defer p.Stop()
		let := make(chan struct{})
		var said []string // of the loop
		ask := func(name string, until <-chan struct{}) *Question {
			return p.Ask(l, func(context.Context) Result {
				<-until
				if name == "gone" {
					t.Error("somebody was asked about a client that has gone")
				}
				return Result{}
			}, func(Result) { said = append(said, name) })
		}
		open := make(chan struct{})
		close(open)
		first := ask("first", let)
		synctest.Wait()
		gone := ask("gone", open)
		last := ask("last", open)
		gone.Drop()
		gone.Drop()
		first.Drop() // too late: it is being asked
		close(let)
		synctest.Wait()
		last.Drop()
		(*Question)(nil).Drop()
		if want := []string{"first", "last"}; !slices.Equal(said, want) {
			t.Errorf("got answers about %q, want %q", said, want)
		}
		if got := p.Stats(); got.Asked != 2 || got.Dropped != 1 || got.Waiting != 0 {
			t.Errorf("got %+v, want 2 asked and 1 dropped", got)
		}
	})
}

func TestPoolStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(t)
		p := NewPool(Config{Workers: 1})
		ended := false
		p.Ask(l, func(ctx context.Context) Result {
			<-ctx.Done()
			ended = true
			return Result{}
		}, func(Result) {})
		synctest.Wait()
		p.Ask(l, func(context.Context) Result { return Result{} }, func(Result) { t.Error("it waited, and was answered") })
		p.Stop()
		p.Stop()
		if !ended {
			t.Error("Stop did not wait for what was being asked")
		}
		if p.Ask(l, nil, nil) != nil {
			t.Error("a stopped pool took a question")
		}
		synctest.Wait()
	})
}

func TestTurnAway(t *testing.T) {
	p := NewPool(Config{})
	defer p.Stop()
	var none *Pool
	if p.TurnsAway() || none.TurnsAway() {
		t.Error("at first: got a client turned away, want it let in")
	}
	p.TurnAway(true)
	for range 2 {
		if !p.TurnsAway() {
			t.Error("got a client let in, want it turned away")
		}
	}
	p.TurnAway(false)
	if p.TurnsAway() {
		t.Error("afterwards: got a client turned away, want it let in")
	}
	if got := p.Stats().TurnedAway; got != 2 {
		t.Errorf("got %d turned away, want 2", got)
	}
}
