package center

// The metrics of those who want in.
var (
	listenerOpen       = gauge("listener_connections", "Network Connections that are open, by listener.", "listener")
	connectionsRefused = counter("connections_refused_total", "Connections closed before a byte was read, by reason.", "reason")
	connectionsUnopen  = counter("connections_unopened_total", "Connections that ended in their PROXY header, TLS handshake or WebSocket request.")
	unknownTotal       = counter("connections_unknown_total", "Connections that began like no protocol of their listener, by their first bytes in hex; at most 32 beginnings are counted by themselves.", "first")
	handshakesTotal    = counter("tls_handshakes_total", "TLS handshakes by outcome; displaced are those that waited for their peer and were ended, since others needed their places.", "outcome")
	handshakesUnderWay = gauge("tls_handshakes_under_way", "TLS handshakes that have begun and not ended.")
	handshakesRested   = counter("tls_handshake_rest_seconds_total", "Time that TLS handshakes have waited in favour of established connections.")
	authTotal          = counter("authentications_total", "Clients that were to say who they are, by outcome.", "outcome")
	authSeconds        = counter("authentication_seconds_total", "Time that authentication has taken, of all clients together.")
	authWaiting        = gauge("authentications_waiting", "Clients that wait to be authenticated.")
	linkTotal          = counter("authenticator_decisions_total", "Decisions about clients by authenticator and outcome.", "authenticator", "outcome")
)

// Door is what has been counted before a byte was read from connections.
type Door struct {
	Refused map[string]uint64 // connections, by reason
}

// Guard is what authenticators have decided.
type Guard struct {
	Authenticators []Authenticator
	Unknown        uint64 // denied, since no authenticator knew the client
	Blocked        uint64 // denied for failures of its address, without asking any
}

// Authenticator is what one of them has decided.
type Authenticator struct {
	Name                    string
	Allowed, Denied, Failed uint64
}

func (c *Collector) collectEntry(emit emitFunc) {
	es, ms := c.node.Engine.Stats(), c.node.MQTT.Stats()
	emit(connectionsUnopen, float64(es.Unopened))
	if c.node.Listeners != nil {
		for url, n := range c.node.Listeners() {
			emit(listenerOpen, float64(n), url)
		}
	}
	if _, ok := es.Unknown["other"]; !ok {
		emit(unknownTotal, 0, "other") // it is shown from the start
	}
	for first, n := range es.Unknown {
		emit(unknownTotal, float64(n), first)
	}
	emit(handshakesTotal, float64(es.Handshakes), "done")
	emit(handshakesTotal, float64(es.HandshakesFailed), "failed")
	emit(handshakesTotal, float64(es.HandshakesRefused), "refused")
	emit(handshakesTotal, float64(es.HandshakesDisplaced), "displaced")
	emit(handshakesUnderWay, float64(es.HandshakesUnderWay))
	emit(handshakesRested, es.HandshakesRested.Seconds())
	emit(authTotal, float64(ms.Authenticated), "allowed")
	emit(authTotal, float64(ms.Unauthenticated-min(ms.AuthErrors, ms.Unauthenticated)), "denied")
	emit(authTotal, float64(ms.AuthErrors), "failed")
	logins := c.node.Logins.Stats()
	emit(authTotal, float64(logins.Refused), "busy")
	emit(authTotal, float64(logins.Dropped), "gone")
	emit(authSeconds, logins.Took.Seconds())
	emit(authWaiting, float64(logins.Waiting))
	if c.node.Door != nil {
		for reason, n := range c.node.Door().Refused {
			emit(connectionsRefused, float64(n), reason)
		}
	}
	if c.node.Guard == nil {
		return
	}
	g := c.node.Guard()
	for _, a := range g.Authenticators {
		emit(linkTotal, float64(a.Allowed), a.Name, "allowed")
		emit(linkTotal, float64(a.Denied), a.Name, "denied")
		emit(linkTotal, float64(a.Failed), a.Name, "failed")
	}
	emit(linkTotal, float64(g.Unknown), "none", "unknown")
	emit(linkTotal, float64(g.Blocked), "none", "blocked")
}
