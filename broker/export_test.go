package broker

// FoundForTest returns the Session that a Connect of the Client Identifier finds. It must be awake.
func (a *App) FoundForTest(clientID string) *Session { return a.find(clientID) }

// ConnectCleanForTest goes on with the Connect of a client that wants a clean start and has found s.
func (b *Broker) ConnectCleanForTest(sc *Scratch, s *Session, c *Connect, done func(Connected)) {
	c.App.admit(c.ClientID)
	b.connectClean(sc, s, c, c.App.dismissing(done))
}
