package main

import (
	"crypto/rsa"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-mqtt/holdfast/bridge/dispatch"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// dispatchOf returns the dispatcher for a listener.
func (n *natives) dispatchOf(l *config.Listener) (*dispatch.Server, error) {
	if srv := n.dispatch[l.Profile]; srv != nil {
		return srv, nil
	}
	p, err := n.profile(l.Profile)
	if err != nil {
		return nil, err
	}
	srv, err := newDispatch(&p.Dispatch, n.ready)
	if err != nil {
		return nil, fmt.Errorf("%s: dispatch: %w", l.Profile, err)
	}
	n.dispatch[l.Profile] = srv
	return srv, nil
}

// newDispatch makes what a profile says.
func newDispatch(p *config.NativeDispatch, ready func() bool) (*dispatch.Server, error) {
	cfg := dispatch.Config{Users: p.Users, Answers: p.Answers, Ready: ready}
	var err error
	if cfg.Addresses, err = dispatchAddresses(p.Addresses); err != nil {
		return nil, fmt.Errorf("addresses: %w", err)
	}
	if cfg.UserAddresses, err = dispatchAddresses(p.UserAddresses); err != nil {
		return nil, fmt.Errorf("user_addresses: %w", err)
	}
	if p.SignKeyFile != "" {
		var key *rsa.PrivateKey
		if key, err = readRSAKey(p.SignKeyFile); err != nil {
			return nil, fmt.Errorf("sign_key_file: %w", err)
		}
		cfg.SignKey = key
	}
	return dispatch.New(cfg)
}

// dispatchAddresses are those of a list, in the order of their names.
func dispatchAddresses(weights map[string]int) (as []dispatch.Address, err error) {
	for _, text := range slices.Sorted(maps.Keys(weights)) {
		host, port, err := config.SplitDispatchAddress(text)
		if err != nil {
			return nil, err
		}
		as = append(as, dispatch.Address{Host: host, Port: port, Weight: weights[text]})
	}
	return as, nil
}

// requests returns what HTTP requests a listener answers besides those for WebSockets.
func (n *natives) requests(l *config.Listener) ([]netloop.Protocol, error) {
	if !l.Speaks(config.Dispatch) {
		return nil, nil
	}
	srv, err := n.dispatchOf(l)
	if err != nil {
		return nil, err
	}
	match := dispatch.MatchHTTP
	if l.Sniff { // there are others
		match = dispatch.Match
	}
	return []netloop.Protocol{{Name: config.Dispatch, Match: match, NewHandler: srv.NewHandler}}, nil
}

func countDispatch(f *center.Front, st dispatch.Stats) {
	f.Received["get"] += st.Gets + st.NoAddress
	f.Received["status"] += st.Statuses
	f.Received["other"] += st.Unknown
	f.Received["refused"] += st.Refused
	f.Sent["addresses"] += st.Gets
	f.Sent["no_address"] += st.NoAddress
	f.Closed["malformed"] += st.Malformed
	f.Closed["timeout"] += st.Timeouts
}
