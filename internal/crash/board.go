package crash

import (
	"context"
	"sync"
	"time"
)

// stage is what a run asks of its clients.
type stage uint8

const (
	loading  stage = iota // publish, come and go
	draining              // publish nothing new, come and stay
)

// board tells the clients the stage. Its zero value says loading. It is safe for concurrent use.
type board struct {
	mu      sync.Mutex
	stage   stage
	changed chan struct{} // closed when stage changes
}

// look returns the stage and a channel that is closed when it changes.
func (b *board) look() (stage, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.stage, b.changed
}

func (b *board) set(s stage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stage == s {
		return
	}
	b.stage = s
	if b.changed != nil {
		close(b.changed)
	}
	b.changed = make(chan struct{})
}

// pause lets d pass. It returns early when changed is closed or ctx ends.
func pause(ctx context.Context, d time.Duration, changed <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-ctx.Done():
	}
}
