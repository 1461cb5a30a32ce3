package main

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/limits"
)

// newThrottle returns what keeps the rates of c at which clients may publish; nil if there are none.
func newThrottle(c *config.Config) (broker.Throttle, error) {
	l := &c.Limits
	t, err := limits.NewThrottle(limits.ThrottleConfig{Default: limits.AppRates{
		Client: limits.RateConfig{Messages: float64(l.ClientMessages), Bytes: float64(l.ClientBytes)},
		App:    limits.RateConfig{Messages: float64(l.AppMessages), Bytes: float64(l.AppBytes)},
	}})
	switch {
	case err != nil:
		return nil, fmt.Errorf("limits: %w", err)
	case t == nil:
		return nil, nil
	}
	return t, nil
}
