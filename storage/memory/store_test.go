package memory_test

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) broker.Store { return memory.New() })
}

// TestReopen goes on with the same Store after Close, as tests of the broker do.
func TestReopen(t *testing.T) {
	stores := make(map[string]*memory.Store)
	storetest.RunReopen(t, func(_ *testing.T, dir string) broker.Store {
		if stores[dir] == nil {
			stores[dir] = memory.New()
		}
		return stores[dir]
	})
}
