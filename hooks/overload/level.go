package overload

// Level is how much more a node has to do than it should.
type Level uint8

// Levels. The zero value is Normal.
const (
	Normal Level = iota
	Elevated
	High
	Critical
	levels
)

// Levels are all there are, in ascending order.
var Levels = [levels]Level{Normal, Elevated, High, Critical}

// String is the level's name in metrics and the log.
func (l Level) String() string {
	switch l {
	case Normal:
		return "normal"
	case Elevated:
		return "elevated"
	case High:
		return "high"
	case Critical:
		return "critical"
	}
	return "unknown"
}

// Measure is one of the things that are read.
type Measure uint8

// Measures.
const (
	LoopLag     Measure = iota // how late event loops are, in seconds
	MemoryShare                // what cannot be reclaimed of the memory that there is, 0 to 1
	CommitTime                 // how long a commit of the store takes, in seconds
	measures
)

// Measures are all there are.
var Measures = [measures]Measure{LoopLag, MemoryShare, CommitTime}

// String is the measure's name in metrics and the log.
func (m Measure) String() string {
	switch m {
	case LoopLag:
		return "loop_lag"
	case MemoryShare:
		return "memory"
	case CommitTime:
		return "commit_time"
	}
	return "unknown"
}

// Reading has a value for each Measure; 0 for one that is not taken.
type Reading [measures]float64
