package broker_test

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

// lateStore is a Store that takes its time, can be held, and can fail.
type lateStore struct {
	*storetest.Faulty
	disk *memory.Store
}

func newLateStore(t testing.TB, seed uint64) *lateStore {
	disk := memory.New()
	return &lateStore{Faulty: storetest.NewFaulty(t, disk, seed), disk: disk}
}

// mailbox returns what is on disk for a client.
func (st *lateStore) mailbox(clientID string) []broker.Entry {
	r := st.Record(broker.SessionKey{App: broker.DefaultApp, ClientID: clientID})
	if r == nil {
		return nil
	}
	return st.Entries(r.Mailbox)
}

// sessions returns how many records there are on disk.
func (st *lateStore) sessions() int { return records(st.disk) }

// records returns how many Sessions a Store holds.
func records(st broker.Store) int {
	n := 0
	if err := st.Sessions(func(broker.SessionKey, *broker.SessionRecord) { n++ }); err != nil {
		panic(err)
	}
	return n
}
