package mqtt

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// authPool asks those hooks that may block who clients are: beside the loops,
// by a bounded number of resident goroutines behind a bounded queue.
type authPool struct {
	srv     *Server
	jobs    chan authJob
	ctx     context.Context // ends with the pool
	cancel  context.CancelFunc
	workers sync.WaitGroup
}

// authJob is a client about which a hook is asked.
type authJob struct {
	c   *conn
	ask func(context.Context) decided
}

// decided is what a hook has made of a client.
type decided struct {
	decision broker.Decision
	identity *broker.Identity // may be nil
	answer   []byte           // of enhanced authentication
	err      error
}

// newAuthPool starts the goroutines, if there is anything to ask.
func newAuthPool(srv *Server) *authPool {
	cfg := &srv.cfg
	if cfg.Authenticator == nil && len(cfg.Enhanced) == 0 {
		return nil
	}
	p := &authPool{srv: srv, jobs: make(chan authJob, cfg.AuthQueue)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for range cfg.AuthWorkers {
		p.workers.Go(p.work)
	}
	return p
}

// ask queues a job. It returns false if there are too many; it does not block.
func (p *authPool) ask(j authJob) bool {
	select {
	case p.jobs <- j:
		return true
	default:
		return false
	}
}

func (p *authPool) work() {
	for {
		select {
		case j := <-p.jobs:
			d := p.decide(j)
			j.c.nc.Loop().Post(&decidedTask{c: j.c, d: d})
		case <-p.ctx.Done():
			return
		}
	}
}

// decide asks the hook.
func (p *authPool) decide(j authJob) decided {
	ctx, cancel := context.WithTimeout(p.ctx, p.srv.cfg.AuthTimeout)
	defer cancel()
	began := time.Now()
	d := j.ask(ctx)
	p.srv.stats.authTime.Add(uint64(time.Since(began)))
	return d
}

// stop ends the goroutines. Clients that wait are refused when their connection is closed.
func (p *authPool) stop() {
	if p == nil {
		return
	}
	p.cancel()
	p.workers.Wait()
}

// decidedTask brings a decision to the connection's loop.
type decidedTask struct {
	c *conn
	d decided
}

// Run implements netloop.Task.
func (t *decidedTask) Run(*netloop.Loop) { t.c.onDecision(t.d) }
