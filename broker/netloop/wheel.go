package netloop

import (
	"math/bits"
	"time"
)

const (
	// wheelTick is the resolution of timers. A timer never fires early and, on a
	// loop that is not overloaded, at most two ticks late.
	wheelTick   = 10 * time.Millisecond
	wheelBits   = 6
	wheelSlots  = 1 << wheelBits
	wheelLevels = 5 // 64^5 ticks are 124 days; longer timers are set again when they come up
)

// timer is an intrusive entry of a wheel: 32 bytes in each connection.
type timer struct {
	next, prev *timer
	when       int64 // tick at which it fires
	slot       int16 // level*wheelSlots + slot, -1 while not armed
}

// wheel is a hierarchical timing wheel (Varghese and Lauck, 1987). Arming and
// disarming are O(1). It belongs to one loop.
type wheel struct {
	now   int64 // last tick that has been fired
	used  [wheelLevels]uint64
	slots [wheelLevels * wheelSlots]*timer
}

// ticksUp converts a time since start to the first tick not before it.
func ticksUp(d time.Duration) int64 { return int64((d + wheelTick - 1) / wheelTick) }

func (w *wheel) arm(t *timer, when int64) {
	if t.slot >= 0 {
		w.disarm(t)
	}
	t.when = max(when, w.now+1)
	w.insert(t)
}

func (w *wheel) insert(t *timer) {
	delta := max(t.when-w.now, 1)
	level := (bits.Len64(uint64(delta)) - 1) / wheelBits
	when := t.when
	if level >= wheelLevels {
		level = wheelLevels - 1
		when = w.now + 1<<(wheelBits*wheelLevels) - 1<<(wheelBits*(wheelLevels-1))
	}
	w.push(t, level*wheelSlots+int(when>>(wheelBits*level))&(wheelSlots-1))
}

// push puts t at the head of slot i, counted over all levels.
func (w *wheel) push(t *timer, i int) {
	t.slot, t.prev, t.next = int16(i), nil, w.slots[i]
	if t.next != nil {
		t.next.prev = t
	}
	w.slots[i] = t
	w.used[i/wheelSlots] |= 1 << (i % wheelSlots)
}

func (w *wheel) disarm(t *timer) {
	if t.slot < 0 {
		return
	}
	i := int(t.slot)
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		w.slots[i] = t.next
		if t.next == nil {
			w.used[i/wheelSlots] &^= 1 << (i % wheelSlots)
		}
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.next, t.prev, t.slot = nil, nil, -1
}

// next returns the tick at which the wheel must be advanced next, or -1 when
// it is empty.
func (w *wheel) next() int64 {
	best := int64(-1)
	for level := range wheelLevels {
		if w.used[level] == 0 {
			continue
		}
		shift := wheelBits * level
		cur := w.now >> shift
		// Slots after the current one, in order of time. The current slot of a
		// higher level has been emptied, so that it stands for a full round ahead.
		rot := bits.RotateLeft64(w.used[level], -int((cur+1)&(wheelSlots-1)))
		at := (cur + 1 + int64(bits.TrailingZeros64(rot))) << shift
		if best < 0 || at < best {
			best = at
		}
	}
	return best
}

// advance moves to tick now and calls fire for each timer that is due, after
// disarming it. fire may arm and disarm timers.
func (w *wheel) advance(now int64, fire func(*timer)) {
	for {
		at := w.next()
		if at < 0 || at > now {
			w.now = max(w.now, now)
			return
		}
		w.now = at
		for level := wheelLevels - 1; level >= 1; level-- {
			if at&(1<<(wheelBits*level)-1) == 0 {
				w.cascade(level, int(at>>(wheelBits*level))&(wheelSlots-1))
			}
		}
		i := int(at) & (wheelSlots - 1)
		for t := w.slots[i]; t != nil; t = w.slots[i] {
			w.disarm(t)
			fire(t)
		}
	}
}

// cascade spreads one slot of a higher level over the lower ones; what is due
// now goes to the current slot of level 0.
func (w *wheel) cascade(level, slot int) {
	i := level*wheelSlots + slot
	list := w.slots[i]
	w.slots[i] = nil
	w.used[level] &^= 1 << slot
	for list != nil {
		t := list
		list = t.next
		if t.when <= w.now {
			w.push(t, int(w.now)&(wheelSlots-1))
		} else {
			w.insert(t)
		}
	}
}
