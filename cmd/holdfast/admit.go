package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/limits"
)

// doorman decides which connections are let in at all.
type doorman struct {
	list      *limits.AddressList // nil lets in from everywhere
	admission *limits.Admission   // nil lets in any number
	start     time.Time
	all       bool            // the admission is asked about connections of every listener
	limited   map[string]bool // the listeners that have limits of their own
	unlisted  atomic.Uint64   // connections from where nobody is let in
}

// refusals are the reasons for which connections are refused, as the metrics have them.
var refusals = map[limits.Refused]string{
	limits.NodeFull: "node_full", limits.ListenerFull: "listener_full", limits.AddressFull: "address_full",
	limits.NodeRate: "node_rate", limits.ListenerRate: "listener_rate", limits.AddressRate: "address_rate", limits.TableFull: "table_full",
}

// newDoorman returns who keeps the limits of c, and of the listeners; nil if there are none.
func newDoorman(c *config.Limits, listeners []opened) (*doorman, error) {
	d := &doorman{start: time.Now(), limited: make(map[string]bool)}
	d.all = limitsConnections(c)
	own := make(map[string]limits.ListenerConfig)
	for _, ln := range listeners {
		if w := ln.want; w.MaxConnections > 0 || w.ConnectRate > 0 {
			d.limited[ln.url()] = true
			own[ln.url()] = limits.ListenerConfig{MaxConnections: w.MaxConnections, Rate: float64(w.ConnectRate)}
		}
	}
	var err error
	if c.AllowFile != "" || c.DenyFile != "" {
		if d.list, err = limits.OpenAddressList(c.AllowFile, c.DenyFile); err != nil {
			return nil, fmt.Errorf("limits: %w", err)
		}
	}
	if d.all || len(own) > 0 {
		ac := admissionConfig(c)
		ac.Listeners = own
		if d.admission, err = limits.NewAdmission(ac); err != nil {
			return nil, fmt.Errorf("limits: %w", err)
		}
	}
	if d.list == nil && d.admission == nil {
		return nil, nil
	}
	return d, nil
}

// limitsConnections tells whether c has limits that hold for connections of every listener.
func limitsConnections(c *config.Limits) bool {
	return c.MaxConnections > 0 || c.MaxPerAddress > 0 || c.ConnectRate > 0 || c.AddressRate > 0
}

// admissionConfig is what c says about connections of every listener.
func admissionConfig(c *config.Limits) limits.AdmissionConfig {
	return limits.AdmissionConfig{
		MaxConnections: c.MaxConnections, MaxPerAddress: c.MaxPerAddress, Rate: float64(c.ConnectRate), AddressRate: float64(c.AddressRate),
	}
}

var errUncounted = errors.New("connections are not counted, since there was no such limit at the start")

// set puts the limits of c into force, except for the files. With an error all is as before.
func (d *doorman) set(c *config.Limits) error {
	switch {
	case d != nil && d.all:
		return d.admission.Set(admissionConfig(c))
	case limitsConnections(c):
		return errUncounted
	}
	return nil
}

// admit returns what a listener asks about each connection; nil is nothing. A Unix socket has no address: it counts for
// node and listener alone.
func (d *doorman) admit(listener string) func(netip.Addr) (release func(), ok bool) {
	if d == nil || d.list == nil && !d.all && !d.limited[listener] {
		return nil
	}
	return func(addr netip.Addr) (func(), bool) {
		if d.list != nil && addr.IsValid() && !d.list.Allowed(addr) {
			d.unlisted.Add(1)
			return nil, false
		}
		if !d.all && !d.limited[listener] {
			return nil, true
		}
		release, err := d.admission.Admit(time.Since(d.start), listener, addr)
		return release, err == nil
	}
}

// counts is what the metrics show.
func (d *doorman) counts() center.Door {
	refused := make(map[string]uint64, len(refusals)+1)
	for _, reason := range refusals { // all from the start, at 0
		refused[reason] = 0
	}
	refused["address_list"] = 0
	if d != nil {
		refused["address_list"] = d.unlisted.Load()
	}
	if d != nil && d.admission != nil {
		for why, n := range d.admission.Stats().Refused {
			refused[refusals[why]] = n
		}
	}
	return center.Door{Refused: refused}
}

// run reads the lists again when they change, until ctx ends.
func (d *doorman) run(ctx context.Context, log *slog.Logger) {
	if d != nil && d.list != nil {
		d.list.Run(ctx, authFilesEvery, log)
	}
}
