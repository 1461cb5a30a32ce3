package broker

// Audience counts those who are subscribed to a Topic Name by itself, rather than by wildcards as those who watch all: Sessions
// that are connected, and those that are away and will get what is published meanwhile, unless it has QoS 0. It takes
// the lock of each for a moment.
func (a *App) Audience(sc *Scratch, topicName string) (connected, away int) {
	a.index.Match(topicName, nil, &sc.matches)
	for i := range sc.matches.Subs {
		s := sc.matches.Subs[i].Subscriber
		s.mu.Lock()
		switch {
		case s.has(flagEnded), s.outlived(), s.subscribed(topicName) < 0:
		case !s.asleep() && s.link != nil:
			connected++
		default:
			away++
		}
		s.mu.Unlock()
	}
	return connected, away
}
