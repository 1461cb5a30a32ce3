package overload

import (
	"context"
	"sync"
	"time"
)

// every is the time between two samples.
const every = time.Second

// Sources are where a Monitor gets its readings. nil is a Measure that is not taken. They are called on the
// Monitor's goroutine, and may read files.
type Sources struct {
	LoopLag    func() time.Duration
	Memory     func() float64
	CommitTime func(now time.Duration) time.Duration
}

// Status is what a Monitor has found out.
type Status struct {
	Level   Level
	Cause   Measure // of the Level; says nothing at Normal
	Reading Reading
	Entered [levels]uint64 // how often each Level was entered
}

// Monitor takes readings and tells the Level. Status may be called by any goroutine.
type Monitor struct {
	// static
	sources Sources
	tell    func(s Status, changed bool)

	machine *Machine // owned by whoever samples

	mu     sync.Mutex // guards status
	status Status
}

// NewMonitor returns a Monitor that calls tell after each sample, on the goroutine of Run.
func NewMonitor(cfg MachineConfig, sources Sources, tell func(s Status, changed bool)) *Monitor {
	return &Monitor{sources: sources, tell: tell, machine: NewMachine(cfg)}
}

// Run takes a sample every second until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for start := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.Sample(time.Since(start))
		}
	}
}

// Sample takes one, at a time since some moment. It is for Run, and for tests that have a clock of their own instead.
func (m *Monitor) Sample(now time.Duration) {
	var r Reading
	if f := m.sources.LoopLag; f != nil {
		r[LoopLag] = f().Seconds()
	}
	if f := m.sources.Memory; f != nil {
		r[MemoryShare] = f()
	}
	if f := m.sources.CommitTime; f != nil {
		r[CommitTime] = f(now).Seconds()
	}
	changed := m.machine.Step(now, r)
	m.mu.Lock()
	m.status.Level, m.status.Cause = m.machine.Level()
	m.status.Reading = r
	if changed {
		m.status.Entered[m.status.Level]++
	}
	s := m.status
	m.mu.Unlock()
	m.tell(s, changed)
}

// Status returns what the last sample has found.
func (m *Monitor) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}
