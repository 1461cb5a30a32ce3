package badger

import (
	"sync/atomic"
	"time"
)

// Room on the disk is looked at again after so much time, or so many bytes written.
const (
	spaceEvery = 100 * time.Millisecond
	spaceBytes = 16 << 20
)

// room is how much the Store may still write.
type room uint32

const (
	roomy   room = iota
	full         // deletions only
	reserve      // nothing
)

// space watches the disk. Badger writes through memory maps: a disk that is really full would end the process
// with SIGBUS, so that it must never come to that. Owned by the committer, but for state.
type space struct {
	checked time.Time
	written int64 // since then
	state   atomic.Uint32
}

func (s *space) room() room { return room(s.state.Load()) }

// checkSpace looks whether there is room, unless it has just done so.
func (s *Store) checkSpace(writing int64) {
	sp := &s.space
	now := time.Now()
	sp.written += writing
	if now.Sub(sp.checked) < spaceEvery && sp.written < spaceBytes {
		return
	}
	sp.checked, sp.written = now, 0
	free, err := s.opts.hooks.free(s.opts.Dir)
	if err != nil {
		s.failed("statfs", err)
		return
	}
	was := sp.room()
	is := roomFor(was, free, s.opts.MinFree)
	if was == is {
		return
	}
	sp.state.Store(uint32(is))
	switch {
	case is == roomy:
		s.q.setFull(nil)
		s.log.Info("disk has room again", "dir", s.opts.Dir, "free_bytes", free)
	case was == roomy:
		s.q.setFull(errDiskFull)
		s.log.Error("disk is full, nothing is stored any more", "dir", s.opts.Dir, "free_bytes", free, "min_free_bytes", s.opts.MinFree)
	}
}

// roomFor is the state when so much is free. Leaving a state needs an eighth more than entering it did, so
// that the Store does not flutter.
func roomFor(was room, free, minFree int64) room {
	more := func(limit int64, below bool) int64 {
		if below {
			return limit + minFree/8
		}
		return limit
	}
	switch {
	case free < more(minFree/4, was == reserve):
		return reserve
	case free < more(minFree, was != roomy):
		return full
	}
	return roomy
}
