package broker

import "time"

// Clock is the time that a Broker goes by: when messages and Sessions expire,
// Wills are due and slow consumers have had their chance. Its methods are called from
// any goroutine, with a lock of the Broker held, and must not block.
type Clock interface {
	// Now is the time at this moment, to be compared with Message.Expires.
	Now() time.Time
	// AfterFunc has f called on a goroutine of the Clock's once d has passed, at
	// once if d <= 0, but not before AfterFunc returns.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a call that Clock.AfterFunc has promised. A *time.Timer is one.
type Timer interface {
	// Reset has the call come once d has passed from now on, again if it has been
	// made, and tells whether it was still to come.
	Reset(d time.Duration) bool
	// Stop takes the promise back, and tells whether the call was still to come.
	Stop() bool
}

// systemClock is the machine's time.
type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// Clock is the one that the Broker goes by. Fronts count Message.Expires from it.
func (b *Broker) Clock() Clock { return b.cfg.Clock }
