package main

import (
	"log/slog"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// TestMemoryStoreBounds has a node without a disk keep no more broadcasts than storage.log_messages and storage.log_bytes say.
func TestMemoryStoreBounds(t *testing.T) {
	c := config.Default()
	c.Data, c.Storage.LogMessages = config.InMemory, 2
	st, _, err := openStore(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("openStore: got error %v, want nil", err)
	}
	for range 3 {
		st.AppendLog("a", &broker.Message{TopicName: "t", Body: new(broker.Body)}, nil)
	}
	st.LoadLog("a", 0, 10, 1<<20, func(es []broker.Entry, _ bool, err error) {
		if err != nil || len(es) != 2 {
			t.Errorf("LoadLog: got %d messages, error %v, want 2, nil", len(es), err)
		}
	})
}
