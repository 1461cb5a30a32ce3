package main

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/holdfast-mqtt/holdfast/bridge/dispatch"
	"github.com/holdfast-mqtt/holdfast/bridge/miop"
	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/callout"
)

// natives are the fronts of the native protocols: one of each for every profile that listeners name, and one for
// those that name none. They ask whom the MQTT front asks.
type natives struct {
	mqtt     *mqtt.Config // what it says about broker, hooks and pool holds for them, too
	limits   *config.Broker
	engine   *netloop.Engine
	profiles map[string]*config.Native
	miop     map[string]*miop.Server
	ximp     map[string]ximpFront
	services []*callout.Service      // of products
	beside   []func(context.Context) // what runs beside the loops
	dispatch map[string]*dispatch.Server
	ready    func() bool // whether the node wants clients
}

func newNatives(mc *mqtt.Config, limits *config.Broker, e *netloop.Engine, ready func() bool) *natives {
	return &natives{
		mqtt: mc, limits: limits, engine: e, profiles: make(map[string]*config.Native), ready: ready,
		miop: make(map[string]*miop.Server), ximp: make(map[string]ximpFront), dispatch: make(map[string]*dispatch.Server),
	}
}

// profile reads a listener's profile, once.
func (n *natives) profile(path string) (*config.Native, error) {
	if p := n.profiles[path]; p != nil {
		return p, nil
	}
	p := new(config.Native)
	if path != "" {
		var err error
		if p, err = config.ReadNative(path); err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
	}
	n.profiles[path] = p
	return p, nil
}

// miopOf returns the front for a listener.
func (n *natives) miopOf(l *config.Listener) (*miop.Server, error) {
	if srv := n.miop[l.Profile]; srv != nil {
		return srv, nil
	}
	p, err := n.profile(l.Profile)
	if err != nil {
		return nil, err
	}
	cfg, err := miopConfig(&p.MIOP)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Profile, err)
	}
	cfg.Broker, cfg.Logger = n.mqtt.Broker, n.mqtt.Logger
	cfg.Authenticator, cfg.Logins, cfg.Authorizer = n.mqtt.Authenticator, n.mqtt.Logins, n.mqtt.Authorizer
	srv := miop.NewServer(cfg, n.engine)
	n.miop[l.Profile] = srv
	return srv, nil
}

// miopConfig is what a profile says.
func miopConfig(p *config.NativeMIOP) (cfg miop.Config, err error) {
	cfg.MoveTo = p.MoveTo
	if p.SecretKeyFile != "" {
		if cfg.SecretKey, err = readRSAKey(p.SecretKeyFile); err != nil {
			return cfg, fmt.Errorf("miop.secret_key_file: %w", err)
		}
	}
	if cfg.Profile, err = miopProfile(&p.Other); err != nil {
		return cfg, fmt.Errorf("miop.other: %w", err)
	}
	cfg.Profiles = make(map[uint32]miop.Profile, len(p.Apps))
	for id, app := range p.Apps {
		appID, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return cfg, fmt.Errorf("miop.apps: %w", err)
		}
		if cfg.Profiles[uint32(appID)], err = miopProfile(&app); err != nil {
			return cfg, fmt.Errorf("miop.apps.%s: %w", id, err)
		}
	}
	return cfg, nil
}

func miopProfile(a *config.NativeApp) (miop.Profile, error) {
	p := miop.Profile{
		App: a.App, Unsigned: a.Unsigned, Full: a.Dialect == "full", Legacy: a.Legacy, Window: a.Window,
		Presence: a.Presence, PresenceDelay: a.PresenceDelay,
	}
	if a.V4Entry == 12 {
		p.Entries = packet.Short
	}
	var secret []byte
	if a.SignSecretFile != "" {
		text, err := os.ReadFile(a.SignSecretFile)
		if err != nil {
			return p, fmt.Errorf("sign_secret_file: %w", err)
		}
		if secret = bytes.TrimSpace(text); len(secret) == 0 {
			return p, errors.New("sign_secret_file: the file is empty")
		}
	}
	switch a.Sign {
	case "hmac-sha256":
		p.Verify = miop.HMACSHA256(secret, a.SignAge)
	case "md5":
		p.Verify = miop.MD5(secret, a.SignAge)
	case "accept":
		p.Verify = miop.AcceptAll()
	}
	return p, nil
}

// readRSAKey reads a private key from a PEM file. Errors show nothing of it.
func readRSAKey(path string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file", path)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if rsaKey, ok := key.(*rsa.PrivateKey); ok {
			return rsaKey, nil
		}
	}
	return nil, fmt.Errorf("%s has no RSA private key", path)
}

// protocols returns what a listener tells apart besides MQTT: by first bytes, and in WebSockets without subprotocol.
func (n *natives) protocols(l *config.Listener, from *login.Listener) (sniff, bare []netloop.Protocol, err error) {
	if l.Speaks(config.XIMP) {
		if sniff, bare, err = n.ximpProtocols(l, from); err != nil {
			return nil, nil, err
		}
	}
	if l.Speaks(config.MIOP) {
		srv, err := n.miopOf(l)
		if err != nil {
			return nil, nil, err
		}
		sniff = append(sniff, netloop.Protocol{Name: config.MIOP, Match: srv.Match, NewHandler: srv.HandlerOf(from)})
	}
	return sniff, bare, nil
}

// stop has nobody log in any more.
func (n *natives) stop() {
	for _, srv := range n.miop {
		srv.Stop()
	}
	for _, f := range n.ximp {
		f.server.Stop()
	}
	for _, srv := range n.dispatch {
		srv.Drain()
	}
}

// close ends what the fronts do by themselves, once their connections have ended.
func (n *natives) close() {
	for _, f := range n.ximp {
		f.server.Close()
	}
	for _, s := range n.services {
		s.Close()
	}
}

// counts is what the metrics show.
func (n *natives) counts() []center.Front {
	m := center.NewFront(config.MIOP)
	for _, srv := range n.miop {
		countMIOP(&m, srv.Stats())
	}
	x := center.NewFront(config.XIMP)
	for _, f := range n.ximp {
		countXIMP(&x, f.server.Stats())
	}
	d := center.NewFront(config.Dispatch)
	for _, srv := range n.dispatch {
		countDispatch(&d, srv.Stats())
	}
	return []center.Front{m, x, d}
}

func countMIOP(f *center.Front, st miop.Stats) {
	f.Logins["accepted"] += st.Binds
	f.Logins["refused"] += st.Refused
	f.Logins["unauthenticated"] += st.Unauthenticated
	f.Logins["overloaded"] += st.Overloaded
	f.Logins["too_many_apps"] += st.TooManyApps
	f.Closed["timeout"] += st.Timeouts
	f.Closed["acknowledges_nothing"] += st.Unacknowledged
	for how, k := range st.Malformed {
		f.Closed[how] += k
	}
	f.Uplinks["accepted"] += st.Uploads
	f.Uplinks["refused"] += st.UploadsRefused
	f.Uplinks["denied"] += st.Denied
	for k, v := range st.Frames {
		f.Received[packet.Opcode(k).String()] += v
	}
	for what, k := range st.Uncertain {
		f.Uncertain[what] += k
	}
}
