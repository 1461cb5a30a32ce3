package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"

	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// listen has the engine serve the listeners, each with what lies between socket and MQTT.
func (r *mqttRoom) listen(c *config.Config, listeners []opened, log *slog.Logger) error {
	var err error
	if r.door, err = newDoorman(&c.Limits, listeners); err != nil {
		return err
	}
	r.open = make(map[string]*netloop.Listener, len(listeners))
	files := &tlsFiles{cert: c.TLS.Cert, key: c.TLS.Key, ca: c.TLS.CA, log: log}
	for _, ln := range listeners {
		lc, err := r.listenConfig(ln, files)
		if err != nil {
			return err
		}
		lc.OnError = func(err error) { log.Warn("accept_error", "listener", ln.url(), "error", err) }
		if log.Enabled(context.Background(), slog.LevelDebug) {
			lc.OnUnopened = func(c *netloop.Conn, err error) {
				log.Debug("not_opened", "listener", ln.url(), "remote", c.RemoteAddr(), "reason", err)
			}
		}
		if r.open[ln.url()], err = r.engine.ListenWith(ln.Listener, lc); err != nil {
			return err
		}
	}
	return nil
}

// listenConfig is what a listener's URL says.
func (r *mqttRoom) listenConfig(ln opened, files *tlsFiles) (netloop.ListenConfig, error) {
	w := ln.want
	lc := netloop.ListenConfig{Proxy: w.Proxy, Origins: w.Origins, Admit: r.door.admit(ln.url())}
	if w.TLS || w.Sniff && files.cert != "" {
		conf, err := files.config(w.ClientCert)
		if err != nil {
			return lc, err
		}
		lc.TLS = conf
	}
	from := &login.Listener{App: w.App, URL: ln.url()}
	if w.ClientCert == config.ClientCertRequired || w.ClientCert == config.ClientCertOptional {
		from.Certificate = clientCertificate
	}
	return lc, r.speak(&w, from, &lc)
}

// speak adds what is spoken at a listener.
func (r *mqttRoom) speak(w *config.Listener, from *login.Listener, lc *netloop.ListenConfig) error {
	natives, bare, err := r.native.protocols(w, from)
	if err != nil {
		return fmt.Errorf("listener %s: %w", from.URL, err)
	}
	if lc.Requests, err = r.native.requests(w); err != nil {
		return fmt.Errorf("listener %s: %w", from.URL, err)
	}
	newMQTT := r.mqtt.NewHandler
	if w.App != "" || lc.TLS != nil || r.guard.asks() { // who is asked is told the listener
		newMQTT = r.mqtt.HandlerOf(from)
	}
	if w.Speaks(config.MQTT) {
		lc.NewHandler = newMQTT
		if w.WebSocket || w.Sniff {
			lc.WebSocket = &netloop.WebSocketConfig{Path: w.Path}
		}
	}
	switch {
	case w.Sniff:
		lc.Sniff = natives
		if w.Speaks(config.MQTT) {
			lc.Sniff = append(lc.Sniff, netloop.Protocol{Name: config.MQTT, Match: netloop.MatchMQTT})
		}
		if lc.Bare = bare; len(bare) > 0 && w.Speaks(config.MQTT) {
			lc.Bare = append(lc.Bare, netloop.Protocol{Name: config.MQTT, Match: netloop.MatchMQTT, NewHandler: newMQTT})
		}
		lc.RequireTLS = w.ClientCert == config.ClientCertRequired // who speaks without TLS shows none
	case len(bare) > 0:
		lc.Sniff, lc.Bare, lc.RequireTLS = natives, bare, w.TLS
	case len(lc.Requests) > 0: // nothing else is spoken here
		lc.RequireTLS = w.TLS
	case len(natives) > 0: // nothing else is spoken here
		lc.NewHandler = natives[0].NewHandler
	}
	return nil
}

// clientCertificate is the verified certificate of a client; nil if it has shown none.
func clientCertificate(nc *netloop.Conn) *x509.Certificate {
	st, ok := nc.ConnectionState()
	if !ok || len(st.VerifiedChains) == 0 {
		return nil
	}
	return st.VerifiedChains[0][0]
}
