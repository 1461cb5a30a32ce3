package main

import (
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/limits"
)

// ratesConfig is what c says about how fast clients may publish.
func ratesConfig(c *config.Config) limits.ThrottleConfig {
	cfg := limits.ThrottleConfig{Default: ratesOf(c, ""), Apps: make(map[string]limits.AppRates, len(c.Apps))} // no App is called ""
	for name := range c.Apps {
		cfg.Apps[name] = ratesOf(c, name)
	}
	return cfg
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
