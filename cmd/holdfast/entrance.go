package main

import (
	"crypto/x509"
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
	files := &tlsFiles{cert: c.TLS.Cert, key: c.TLS.Key, ca: c.TLS.CA, log: log}
	for _, ln := range listeners {
		lc, err := r.listenConfig(ln, files)
		if err != nil {
			return err
		}
		lc.OnError = func(err error) { log.Warn("accept_error", "listener", ln.url(), "error", err) }
		if _, err := r.engine.ListenWith(ln.Listener, lc); err != nil {
			return err
		}
	}
	return nil
}

// listenConfig is what a listener's URL says.
func (r *mqttRoom) listenConfig(ln opened, files *tlsFiles) (netloop.ListenConfig, error) {
	w := ln.want
	lc := netloop.ListenConfig{Proxy: w.Proxy, Admit: r.door.admit(ln.url())}
	if w.TLS || w.Sniff && files.cert != "" {
		conf, err := files.config(w.ClientCert)
		if err != nil {
			return lc, err
		}
		lc.TLS = conf
	}
	if w.WebSocket || w.Sniff {
		lc.WebSocket = &netloop.WebSocketConfig{Path: w.Path}
	}
	if w.Sniff {
		lc.Sniff = []netloop.Protocol{{Name: "mqtt", Match: netloop.MatchMQTT}}
	}
	if w.App == "" && lc.TLS == nil {
		lc.NewHandler = r.mqtt.NewHandler
		return lc, nil
	}
	from := &login.Listener{App: w.App, URL: ln.url()}
	if w.ClientCert == config.ClientCertRequired || w.ClientCert == config.ClientCertOptional {
		from.Certificate = clientCertificate
	}
	lc.NewHandler = r.mqtt.HandlerOf(from)
	return lc, nil
}

// clientCertificate is the verified certificate of a client; nil if it has shown none.
func clientCertificate(nc *netloop.Conn) *x509.Certificate {
	st, ok := nc.ConnectionState()
	if !ok || len(st.VerifiedChains) == 0 {
		return nil
	}
	return st.VerifiedChains[0][0]
}
