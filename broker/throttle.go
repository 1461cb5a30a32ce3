package broker

import "time"

// Throttle says how fast clients may publish; hooks/limits has one. What is too fast is not refused and not dropped:
// the front takes nothing more from the client for a while. Fronts ask through Session.Meter.
type Throttle interface {
	// Pace returns what measures one connection of a client; nil if it may publish as fast as it likes. It is called
	// when the client has connected, by any goroutine, and must not block.
	Pace(app, clientID string) Pace
}

// Pace measures one connection.
type Pace interface {
	// Publish counts a message that has come, of so many bytes, and returns for how long from now nothing more
	// is to be taken from the client; 0 is not at all. now is the time since a moment that is the same for all connections of the node.
	// It is called by one goroutine at a time, and must not block.
	Publish(now time.Duration, bytes int) (wait time.Duration)
}

// Meter measures how fast one connection publishes, for its front. A nil Meter has no limits.
type Meter struct {
	pace Pace
	app  *App
}

// Meter returns a new Meter for a connection of the Session's client; nil if it has no limits. It does not block.
// What a Meter knows ends with the connection; what counts for the App together does not.
func (s *Session) Meter() *Meter {
	t := s.app.broker.cfg.Throttle
	if t == nil {
		return nil
	}
	p := t.Pace(s.app.name, s.clientID)
	if p == nil {
		return nil
	}
	return &Meter{pace: p, app: s.app}
}

// Publish counts a message that has come from the client, of so many bytes on the wire, and returns for how long nothing
// more is to be taken from it; 0 is not at all. The message itself is to be published in any case: the pause makes up for it.
// What the client acknowledges, and its signs of life, should be heard in the pause. now is the time since the
// start of the netloop.Engine. It is for the connection's loop alone, and does not block.
func (m *Meter) Publish(now time.Duration, bytes int) (wait time.Duration) {
	if m == nil {
		return 0
	}
	if wait = m.pace.Publish(now, bytes); wait > 0 {
		m.app.usage.pauses.Add(1)
	}
	return wait
}
