package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/limits"
)

// doorman decides which connections are let in at all.
type doorman struct {
	list      *limits.AddressList // nil lets in from everywhere
	admission *limits.Admission   // nil lets in any number
	start     time.Time
}

// newDoorman returns who keeps the limits of c; nil if there are none.
func newDoorman(c *config.Limits) (*doorman, error) {
	d := &doorman{start: time.Now()}
	var err error
	if c.AllowFile != "" || c.DenyFile != "" {
		if d.list, err = limits.OpenAddressList(c.AllowFile, c.DenyFile); err != nil {
			return nil, fmt.Errorf("limits: %w", err)
		}
	}
	if c.MaxConnections > 0 || c.MaxPerAddress > 0 || c.ConnectRate > 0 || c.AddressRate > 0 {
		d.admission, err = limits.NewAdmission(limits.AdmissionConfig{
			MaxConnections: c.MaxConnections, MaxPerAddress: c.MaxPerAddress,
			Rate: float64(c.ConnectRate), AddressRate: float64(c.AddressRate),
		})
		if err != nil {
			return nil, fmt.Errorf("limits: %w", err)
		}
	}
	if d.list == nil && d.admission == nil {
		return nil, nil
	}
	return d, nil
}

// admit returns what a listener asks about each connection. A Unix socket has no address: it counts for the node alone.
func (d *doorman) admit(listener string) func(netip.Addr) (release func(), ok bool) {
	if d == nil {
		return nil
	}
	return func(addr netip.Addr) (func(), bool) {
		if d.list != nil && addr.IsValid() && !d.list.Allowed(addr) {
			return nil, false
		}
		if d.admission == nil {
			return nil, true
		}
		release, err := d.admission.Admit(time.Since(d.start), listener, addr)
		return release, err == nil
	}
}

// run reads the lists again when they change, until ctx ends.
func (d *doorman) run(ctx context.Context, log *slog.Logger) {
	if d != nil && d.list != nil {
		d.list.Run(ctx, authFilesEvery, log)
	}
}
