package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// openStore opens what keeps Sessions and messages, which may take some seconds. d is the same as st if it is on
// disk, else nil.
func openStore(c *config.Config, log *slog.Logger) (st broker.Store, d *disk, err error) {
	if c.Data == config.InMemory {
		m := memory.New()
		m.BoundLogs(c.Storage.LogMessages, int64(c.Storage.LogBytes))
		return m, nil, nil
	}
	if d, err = openDisk(context.Background(), c, log); err != nil {
		return nil, nil, err
	}
	return d.store, d, nil
}

// restore has b take in what the data directory holds, and logs how far that is.
func restore(b *broker.Broker, data string, log *slog.Logger) error {
	began := time.Now()
	err := b.Restore(func(records int) {
		log.Info("restoring", "records", records, "took", time.Since(began).Round(time.Millisecond))
	})
	if err != nil {
		return fmt.Errorf("restore from data directory %s: %w", data, err)
	}
	if data != config.InMemory {
		st := b.Stats()
		log.Info("restored", "dir", data, "sessions", st.Sessions, "subscriptions", st.Subscriptions, "retained", st.Retained,
			"took", time.Since(began).Round(time.Millisecond))
	}
	return nil
}
