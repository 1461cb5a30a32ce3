package main

import (
	"context"
	"log/slog"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/storage/badger"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// openStore opens what keeps Sessions and messages. It may take some seconds.
func openStore(c *config.Config, log *slog.Logger) (broker.Store, error) {
	if c.Data == config.InMemory {
		return memory.New(), nil
	}
	return badger.Open(context.Background(), badger.Options{Dir: c.Data, Logger: log})
}

// restore has b take in what the Store holds.
func restore(b *broker.Broker, log *slog.Logger) error {
	n := 0
	err := b.Restore(func(records int) {
		n = records
		log.Info("restoring", "records", n)
	})
	return err
}
