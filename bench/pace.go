package bench

import (
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// pace has the publishers publish in turn, spread evenly over time, until stop
// is called, which waits until no more is posted.
func (f *fleet) pace(publishers []*publisher) (stop func()) {
	interval := time.Duration(float64(time.Second) / (f.opts.Rate * float64(len(publishers))))
	quit := make(chan struct{})
	began := time.Since(f.started)
	tasks := make([]pacedTask, len(publishers))
	for i, p := range publishers {
		tasks[i] = pacedTask{
			p: p, due: int64(began) + int64(i)*int64(interval), step: int64(interval) * int64(len(publishers)),
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := int64(0); ; n++ {
			sleep(began + time.Duration(n)*interval - time.Since(f.started))
			select {
			case <-quit:
				return
			default:
			}
			t := &tasks[n%int64(len(tasks))]
			t.p.m.loop.Post(t)
		}
	})
	return func() {
		close(quit)
		wg.Wait()
	}
}

// pacedTask publishes one message of one publisher each time it is posted.
type pacedTask struct {
	p    *publisher
	due  int64 // clock at which it should run next; owned by the loop
	step int64
}

// Run publishes one message: netloop.Task.
func (t *pacedTask) Run(*netloop.Loop) {
	p := t.p
	p.running = true
	due := t.due
	t.due += t.step
	if p.m.stopped || p.c.stage != ready {
		return
	}
	if p.m.recording {
		record(p.m.lag, p.m.clock()-due)
	}
	if p.room() == 0 || !p.put(1) {
		p.m.skipped++
	}
}
