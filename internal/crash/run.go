package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// run is a load on a server, with all that its clients see.
type run struct {
	// static
	seed    uint64
	server  *server
	ledger  *ledger
	board   board
	conns   registry
	clients []*client
	rng     *rand.Rand // of the run itself; every client has its own

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// newRun prepares a load. data is what the server's --data is told.
func newRun(binary, data string, seed uint64, topics []topic) (*run, error) {
	r := &run{seed: seed, ledger: newLedger(topics), rng: rand.New(rand.NewPCG(seed, 0))}
	var err error
	r.server, err = newServer(binary, data, r.rng.IntN)
	return r, err
}

// add adds a client, before begin.
func (r *run) add(c *client) *client {
	c.index = len(r.clients)
	c.id = clientID(c.index)
	c.ledger, c.board, c.conns, c.address = r.ledger, &r.board, &r.conns, r.server.address()
	c.rng = rand.New(rand.NewPCG(r.seed, uint64(c.index)+1))
	c.session, c.numbers = newSession(), make(map[int]uint32)
	if c.version == 0 {
		c.version = packet.V311
	}
	r.clients = append(r.clients, c)
	return c
}

func clientID(index int) string { return fmt.Sprintf("crash-%d", index) }

// begin starts the server and lets the clients loose. They run until finish.
func (r *run) begin(ctx context.Context) error {
	ready, err := r.server.start()
	if err == nil {
		err = awaitReady(ready)
	}
	if err != nil {
		return err
	}
	ctx, r.stop = context.WithCancel(ctx)
	for _, c := range r.clients {
		r.wg.Go(func() { c.live(ctx) })
	}
	return nil
}

// crash kills the server, calls between, if not nil, while it is down, and starts it again. It returns the channel
// of start: the server may not be ready yet.
func (r *run) crash(between func() error) (<-chan error, error) {
	if err := r.server.kill(); err != nil {
		return nil, err
	}
	r.ledger.killed()
	if between != nil {
		if err := between(); err != nil {
			return nil, err
		}
	}
	return r.server.start()
}

// rounds kills the server n times at random moments, some of them while it still starts.
func (r *run) rounds(ctx context.Context, n int) error {
	var ready <-chan error
	for range n {
		after := span{20 * time.Millisecond, 1200 * time.Millisecond}
		early := false
		switch r.rng.IntN(20) {
		case 0, 1, 2: // in the middle of the start
			after, early = span{0, 150 * time.Millisecond}, true
		case 3, 4, 5, 6:
			after = span{0, 100 * time.Millisecond}
		case 7, 8, 9, 10, 11: // long enough for acknowledgements to be settled
			after = span{1500 * time.Millisecond, 3 * time.Second}
		}
		if !early && ready != nil {
			if err := awaitReady(ready); err != nil {
				return err
			}
		}
		pause(ctx, after.choose(r.rng), nil)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var err error
		if ready, err = r.crash(nil); err != nil {
			return err
		}
	}
	if ready == nil {
		return nil
	}
	return awaitReady(ready)
}

const (
	// quietFor is how long nothing may have happened before the run gives up waiting for what is missing.
	quietFor = 10 * time.Second
	// settleFor is how long the run listens for what should not come.
	settleFor = time.Second
)

// drain stops the publishers, has every client come, and waits until all that is owed has arrived or nothing has
// happened for most.
func (r *run) drain(ctx context.Context, most time.Duration) {
	r.board.set(draining)
	_, last := r.ledger.now()
	quiet := time.Now()
	for time.Since(quiet) < most && ctx.Err() == nil {
		pause(ctx, 100*time.Millisecond, nil)
		_, now := r.ledger.now()
		if now != last {
			last, quiet = now, time.Now()
			continue
		}
		if r.ledger.missing() == 0 && time.Since(quiet) > settleFor {
			return
		}
	}
}

// await waits until something holds that the clients bring about.
func (r *run) await(ctx context.Context, what string, holds func(*ledger) bool) error {
	for began := time.Now(); time.Since(began) < patience; pause(ctx, 20*time.Millisecond, nil) {
		r.ledger.mu.Lock()
		ok := holds(r.ledger)
		r.ledger.mu.Unlock()
		if ok {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("%s: not within %v", what, patience)
}

// finish has every client come once more, so that what the server wrongly keeps shows, and ends clients and server.
func (r *run) finish(ctx context.Context) error {
	if ctx.Err() == nil {
		r.conns.breakAll()
		pause(ctx, settleFor, nil)
	}
	r.stop()
	r.wg.Wait()
	return r.server.kill()
}

// abort ends what is left of a run that has failed. It may follow finish.
func (r *run) abort() {
	if r.stop != nil {
		r.stop()
		r.wg.Wait()
	}
	if r.server.exit != nil {
		_ = r.server.kill() // it may have ended
	}
}

// summary tells how much has happened.
func (r *run) summary() string {
	counts := make(map[kind]int)
	messages := r.ledger.all()
	for _, m := range messages {
		for _, e := range m.events {
			counts[e.kind]++
		}
	}
	_, longest := r.server.lastLines()
	return fmt.Sprintf("%d messages sent %d times, %d acknowledged, %d refused, %d given up; %d arrivals, %d repeats; "+
		"%d acknowledgements, %d known to be read; %d kills, longest start %v",
		len(messages), counts[sent], counts[acked], counts[refused], counts[abandoned], counts[received], counts[repeated],
		counts[ackSent], counts[ackSeen], len(r.ledger.kills), longest.Round(time.Millisecond))
}
