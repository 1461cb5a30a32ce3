package main

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/limits"
)

// newThrottle returns what keeps the rates of c at which clients may publish; nil if there are none.
func newThrottle(c *config.Config) (broker.Throttle, error) {
	cfg := limits.ThrottleConfig{Default: ratesOf(c, ""), Apps: make(map[string]limits.AppRates, len(c.Apps))} // no App is called ""
	for name := range c.Apps {
		cfg.Apps[name] = ratesOf(c, name)
	}
	t, err := limits.NewThrottle(cfg)
	switch {
	case err != nil:
		return nil, fmt.Errorf("limits: %w", err)
	case t == nil:
		return nil, nil
	}
	return t, nil
}

// ratesOf is how fast the clients of an App may publish.
func ratesOf(c *config.Config, app string) limits.AppRates {
	l := c.LimitsOf(app)
	return limits.AppRates{
		Client: limits.RateConfig{Messages: float64(l.ClientMessages), Bytes: float64(l.ClientBytes)},
		App:    limits.RateConfig{Messages: float64(l.Messages), Bytes: float64(l.Bytes)},
	}
}

// appLimits returns what bounds an App, by name.
func appLimits(c *config.Config) func(app string) broker.AppLimits {
	return func(app string) broker.AppLimits {
		l := c.LimitsOf(app)
		return broker.AppLimits{
			MaxConnections: l.MaxConnections, MaxSubscriptions: l.MaxSubscriptions, MaxRetained: l.MaxRetained,
			MaxQueuedMessages: l.MaxQueuedMessages, MaxQueuedBytes: int(l.MaxQueuedBytes),
		}
	}
}
