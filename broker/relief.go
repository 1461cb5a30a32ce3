package broker

import "sync/atomic"

// Relief is what a Broker does less of while the node has too much to do. The zero value is nothing less.
type Relief struct {
	// WindowShift has the windows towards clients divided by 2 to that power, down to one delivery in flight. What a
	// client has been sent stays; it gets more when it has acknowledged so much. At most 16.
	WindowShift uint8
	// DropLagging has QoS 0 messages dropped for clients that have yet to take what they were sent: see [Lagger].
	// Retained messages that a subscription asks for are sent all the same.
	DropLagging bool
}

// relief is a Relief as those who deliver read it.
type relief struct {
	windowShift atomic.Uint32
	dropLagging atomic.Bool
}

// SetRelief puts r into force in place of what was before. It does not block, and may be called by any goroutine.
func (b *Broker) SetRelief(r Relief) {
	b.relief.windowShift.Store(uint32(min(r.WindowShift, 16)))
	b.relief.dropLagging.Store(r.DropLagging)
}

// sheds tells whether a Link gets no QoS 0 message now.
func (r *relief) sheds(l Link) bool {
	if !r.dropLagging.Load() {
		return false
	}
	lagger, ok := l.(Lagger)
	return ok && lagger.Lags()
}
