package broker

// publishWill publishes the Will of s. Its publisher is nobody: No Local does
// not keep it from the client's next connection.
func (b *Broker) publishWill(sc *Scratch, s *Session, w *Will) {
	b.Publish(sc, &Publish{App: s.app, Message: w.publishable(b.cfg.Clock.Now()), willOf: s.clientID})
}
