package main

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/overload"
)

// The levels from which on steps are taken. What costs clients least comes first, what takes from those that are
// connected last.
const (
	collectAt  = overload.Elevated // garbage is collected, and memory given back, if memory is the cause
	refuseAt   = overload.High     // new connections wait, and /readyz says so
	turnAwayAt = overload.Critical // clients that have a connection and no Session yet are told that the node is busy
	closeAt    = overload.Critical // the slowest to read lose their connection
)

// reliefs are what the broker does less of at each level: windows are a quarter, then a sixteenth.
var reliefs = [...]broker.Relief{
	overload.Normal:   {},
	overload.Elevated: {WindowShift: 2, DropLagging: true},
	overload.High:     {WindowShift: 4, DropLagging: true},
	overload.Critical: {WindowShift: 4, DropLagging: true},
}

const (
	collectEvery = 30 * time.Second // at least between two collections
	closeAge     = 3                // looks, one a second, for which a client must have been behind
)

// protector takes steps when the node has more to do than it can.
type protector struct {
	// static
	room    *mqttRoom
	log     *slog.Logger
	watch   bool // takes no steps
	closing int  // connections a second, of the slowest
	monitor *overload.Monitor
	slowest *netloop.Laggards
	collect func() // garbage

	// owned by the monitor's goroutine
	was       overload.Level // the last time
	collected time.Time      // when garbage was collected last

	shrunk, paused, collections atomic.Uint64 // times
}

// newProtector returns one that knows the load by its sources; nil if the mode is off.
func newProtector(c *config.Overload, r *mqttRoom, sources overload.Sources, log *slog.Logger) (*protector, error) {
	if c.Mode == config.Off {
		return nil, nil
	}
	mc := overload.MachineConfig{Quiet: c.Quiet}
	for _, s := range []struct {
		measure overload.Measure
		text    string
		parse   func(string) (config.Thresholds, error)
	}{
		{overload.LoopLag, c.LoopLag, config.ParseDurations},
		{overload.MemoryShare, c.Memory, config.ParsePercentages},
		{overload.CommitTime, c.CommitTime, config.ParseDurations},
	} {
		t, err := s.parse(s.text)
		if err != nil {
			return nil, err
		}
		mc.Thresholds[s.measure] = overload.Thresholds(t)
	}
	p := &protector{
		room: r, log: log, watch: c.Mode == config.Watch, closing: c.CloseSlowest, slowest: r.engine.NewLaggards(), collect: debug.FreeOSMemory,
	}
	p.monitor = overload.NewMonitor(mc, sources, p.told)
	return p, nil
}

// loadOf are the sources of a room.
func loadOf(r *mqttRoom) overload.Sources {
	lag, memory := r.engine.NewLag(), overload.OpenMemory()
	s := overload.Sources{LoopLag: lag.Sample, Memory: memory.Share}
	if r.disk != nil {
		var commits overload.Commits
		s.CommitTime = func(now time.Duration) time.Duration {
			st := r.disk.store.Stats()
			return commits.Sample(now, st.Batches, st.CommitTime, st.PendingOps)
		}
	}
	return s
}

// run measures until ctx ends.
func (p *protector) run(ctx context.Context) {
	if p != nil {
		p.monitor.Run(ctx)
	}
}

// told is called after each measurement.
func (p *protector) told(s overload.Status, changed bool) {
	if changed {
		p.log.Warn("overload_level", "level", s.Level.String(), "cause", s.Cause.String(), "steps_taken", !p.watch,
			"loop_lag_seconds", s.Reading[overload.LoopLag], "memory_share", s.Reading[overload.MemoryShare],
			"commit_seconds", s.Reading[overload.CommitTime])
	}
	if !p.watch {
		p.act(s.Level, s.Cause)
	}
}

// act takes the steps of a level, and takes back those of higher ones.
func (p *protector) act(l overload.Level, cause overload.Measure) {
	p.room.broker.SetRelief(reliefs[l])
	if reliefs[l].WindowShift > reliefs[p.was].WindowShift {
		p.shrunk.Add(1)
	}
	if p.room.engine.SetAccepting(l < refuseAt) && l >= refuseAt {
		p.paused.Add(1)
	}
	p.room.logins.TurnAway(l >= turnAwayAt)
	switch {
	case l >= closeAt:
		p.slowest.Close(p.closing, closeAge)
	case p.was >= closeAt:
		p.slowest.Forget()
	}
	if now := time.Now(); l >= collectAt && cause == overload.MemoryShare && now.Sub(p.collected) >= collectEvery {
		p.collect()
		p.collected = now
		p.collections.Add(1)
	}
	p.was = l
}

// refuses tells whether new clients had better go elsewhere.
func (p *protector) refuses() bool { return p.monitor.Status().Level >= refuseAt && !p.watch }

// Stats implements center.Load.
func (p *protector) Stats() center.LoadStats {
	s := p.monitor.Status()
	out := center.LoadStats{
		Level: int(s.Level), Name: s.Level.String(), Cause: s.Cause.String(), Refusing: s.Level >= refuseAt && !p.watch,
		LoopLag: s.Reading[overload.LoopLag], Memory: s.Reading[overload.MemoryShare], CommitTime: s.Reading[overload.CommitTime],
		Entered: make(map[string]uint64),
		Steps: map[string]uint64{
			"garbage_collected": p.collections.Load(),
			"windows_shrunk":    p.shrunk.Load(),
			"qos0_dropped":      p.room.broker.Stats().Dropped[broker.DropOverload.String()],
			"accepting_paused":  p.paused.Load(),
			"login_refused":     p.room.logins.Stats().TurnedAway,
			"slowest_closed":    p.room.engine.Stats().Laggards,
		},
	}
	for _, l := range overload.Levels[overload.Elevated:] {
		out.Entered[l.String()] = s.Entered[l]
	}
	return out
}
