package center

// The metrics of overload protection.
var (
	overloadLevel   = gauge("overload_level", "Level of overload: 0 normal, 1 elevated, 2 high, 3 critical.")
	overloadEntered = counter("overload_level_entered_total", "Times that a level of overload was entered, by level.", "level")
	overloadSteps   = counter("overload_steps_total", "Steps taken against overload, by step.", "step")
	overloadLag     = gauge("overload_loop_lag_seconds", "How late the latest event loop was, as of the last second.")
	overloadMemory  = gauge("overload_memory_ratio", "Memory that cannot be reclaimed, divided by the nearest limit.")
	overloadCommit  = gauge("overload_commit_seconds", "Time of a commit on average, or since when none has ended, as of the last second.")
)

// Load is what the API and the metrics show of how much a node has to do. Its method may be called from several
// goroutines.
type Load interface{ Stats() LoadStats }

// LoadStats is how much a node has to do.
type LoadStats struct {
	Level    int    // 0 is normal
	Name     string // of the level
	Cause    string // what has led to it; says nothing at 0
	Refusing bool   // new clients had better go elsewhere

	LoopLag    float64 // seconds
	Memory     float64 // share of the limit
	CommitTime float64 // seconds

	Entered map[string]uint64 // how often a level was entered, by name
	Steps   map[string]uint64 // what was done about it, by name
}

// SetLoad has /readyz answer by l from now on; nil is a node that is never overloaded. It is called before the
// state becomes Ready.
func (s *Server) SetLoad(l Load) {
	if l == nil {
		s.load.Store(nil)
		return
	}
	s.load.Store(&l)
}

// loaded returns the figures; those of a node that has nothing to do without a Load.
func (s *Server) loaded() LoadStats {
	if p := s.load.Load(); p != nil {
		return (*p).Stats()
	}
	return LoadStats{}
}

func (c *Collector) collectLoad(emit emitFunc) {
	st := c.node.Load.Stats()
	emit(overloadLevel, float64(st.Level))
	emit(overloadLag, st.LoopLag)
	emit(overloadMemory, st.Memory)
	emit(overloadCommit, st.CommitTime)
	for level, n := range st.Entered {
		emit(overloadEntered, float64(n), level)
	}
	for step, n := range st.Steps {
		emit(overloadSteps, float64(n), step)
	}
}
