package broker

// Kick ends the connection of a client because an operator wants it, with ErrKicked. It returns ErrNotConnected if the client has
// none, and ErrNoApp if no App of that name has ever been used. It does not block: the front closes the connection later.
//
// The Session stays as after any loss of the connection, with its mailbox, and its Will is published when it is due: the client has not taken
// leave, v5 [MQTT-3.1.2-8]. With endSession it ends with the connection, as one whose Session Expiry Interval is 0; what was addressed to the
// device is kept for it all the same. Nothing keeps the client from coming back.
func (b *Broker) Kick(app, clientID string, endSession bool) error {
	a := b.lookUp(app)
	if a == nil {
		return ErrNoApp
	}
	s := a.lock(clientID)
	if s == nil {
		return ErrNotConnected
	}
	defer s.mu.Unlock()
	switch {
	case !s.connected():
		return ErrNotConnected
	case s.has(flagBeginning): // its Link is not there yet
		s.flags |= flagKicked
		if endSession {
			s.flags |= flagKickedOut
		}
	default:
		s.kick(endSession)
	}
	b.kicked.Add(1)
	return nil
}

// kick ends the connection, which there must be.
func (s *Session) kick(endSession bool) {
	if endSession {
		s.expiry = 0
	}
	s.link.End(ErrKicked)
}

// lookUp returns the App of that name, or nil.
func (b *Broker) lookUp(app string) *App {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.apps[app]
}
