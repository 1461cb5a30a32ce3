// Package login is what the protocol fronts share of finding out who clients are. It knows no protocol.
//
// Hooks that authenticate may take their time: they read files, ask web services, hash passwords. A [Pool], one for
// the node, asks them beside the event loops and brings what they say back to the client's loop. It has a bound on
// each side, so that a flood of clients of one protocol takes neither memory nor processors from the others without
// limit: whom it refuses is told to try again later, in the words of its protocol.
//
// A [Listener] is where clients come in, and what that says about them.
package login

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Config holds the bounds of a Pool. Zero fields take the default.
type Config struct {
	// Workers is how many clients are asked about at once. Default 16.
	Workers int
	// Queue bounds the clients that wait for that. Default 4,096.
	Queue int
	// Timeout is how long may be asked about one. Default 5 s.
	Timeout time.Duration
}

// Result is what has been found out about a client.
type Result struct {
	Decision broker.Decision
	Identity *broker.Identity // may be nil
	Answer   []byte           // of enhanced authentication
	Err      error            // why it is not known; never holds a password
	Took     time.Duration    // to find out, set by the Pool
}

// Pool asks those hooks that may block who clients are: beside the loops, by a bounded number of resident
// goroutines behind a bounded queue.
type Pool struct {
	// static
	timeout time.Duration
	asks    chan *Question
	ctx     context.Context // ends with the pool
	cancel  context.CancelFunc
	workers sync.WaitGroup

	asked, refused, dropped, took atomic.Uint64

	closed     atomic.Bool // new clients are turned away
	turnedAway atomic.Uint64
}

// Question is about a client that waits to be asked about.
type Question struct {
	loop    *netloop.Loop
	ask     func(context.Context) Result
	then    func(Result)
	dropped atomic.Bool
	said    Result
}

// Drop takes back the question, because the client has gone: clients that give up and come again while hooks are slow
// would else have the pool ask about nobody but those who have gone. Nobody is asked any more, and nothing is said,
// unless that is under way already. It may be called from any goroutine, and again. nil is no question.
func (q *Question) Drop() {
	if q != nil {
		q.dropped.Store(true)
	}
}

// answer is a question to which there is one, on its way back.
type answer Question

// Run implements netloop.Task.
func (a *answer) Run(*netloop.Loop) { a.then(a.said) }

// NewPool starts a pool. Stop ends it.
func NewPool(cfg Config) *Pool {
	def := func(v, d int) int {
		if v <= 0 {
			return d
		}
		return v
	}
	p := &Pool{timeout: cfg.Timeout, asks: make(chan *Question, def(cfg.Queue, 4096))}
	if p.timeout <= 0 {
		p.timeout = 5 * time.Second
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for range def(cfg.Workers, 16) {
		p.workers.Go(p.work)
	}
	return p
}

// Ask has ask called beside the loops and then, on loop l, then with what it has returned. ask may block until its
// context ends, and should return then. Ask does not block. It returns nil, and calls neither, if too many wait
// already or the pool has been stopped.
//
// A caller has at most one question under way for each of its connections, and drops it when the connection ends.
func (p *Pool) Ask(l *netloop.Loop, ask func(context.Context) Result, then func(Result)) *Question {
	if p.ctx.Err() == nil {
		q := &Question{loop: l, ask: ask, then: then}
		select {
		case p.asks <- q:
			return q
		default:
		}
	}
	p.refused.Add(1)
	return nil
}

func (p *Pool) work() {
	for {
		select {
		case q := <-p.asks:
			switch {
			case p.ctx.Err() != nil:
				return // select had both to choose from
			case q.dropped.Load():
				p.dropped.Add(1)
			default:
				p.carryOut(q)
			}
		case <-p.ctx.Done():
			return
		}
	}
}

// carryOut asks, and posts what is said.
func (p *Pool) carryOut(q *Question) {
	ctx, cancel := context.WithTimeout(p.ctx, p.timeout)
	defer cancel()
	began := time.Now()
	q.said = q.ask(ctx)
	q.said.Took = time.Since(began)
	p.asked.Add(1)
	p.took.Add(uint64(q.said.Took))
	q.loop.Post((*answer)(q))
}

// TurnAway says whether new clients are turned away, as none are at first: because the node has too much to do. It may be called
// by any goroutine.
func (p *Pool) TurnAway(on bool) { p.closed.Store(on) }

// TurnsAway tells a front whether to refuse a client that wants in, which is counted then. It is asked before anything
// is found out about the client, and costs nothing to speak of. nil turns nobody away.
func (p *Pool) TurnsAway() bool {
	if p == nil || !p.closed.Load() {
		return false
	}
	p.turnedAway.Add(1)
	return true
}

// Stop ends the pool, and waits for what is being asked, whose context ends. About those who wait nothing is said
// any more: they are refused when their connection is closed. It may be called again.
func (p *Pool) Stop() {
	p.cancel()
	p.workers.Wait()
}

// Stats are counters of a Pool since its start.
type Stats struct {
	Waiting int           // clients that wait to be asked about, now
	Asked   uint64        // questions that were answered
	Refused uint64        // questions for which there was no room
	Dropped uint64        // questions that nobody was asked, for the client had gone
	Took    time.Duration // that the answers have taken, of all together

	TurnedAway uint64 // clients that were refused because the node has too much to do
}

// Stats returns the pool's counters. nil has none.
func (p *Pool) Stats() Stats {
	if p == nil {
		return Stats{}
	}
	return Stats{
		Waiting: len(p.asks), Asked: p.asked.Load(), Refused: p.refused.Load(), Dropped: p.dropped.Load(),
		Took: time.Duration(p.took.Load()), TurnedAway: p.turnedAway.Load(),
	}
}
