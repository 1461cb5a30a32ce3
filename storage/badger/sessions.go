package badger

import (
	bdb "github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Sessions implements broker.Store. Records of Sessions that have expired are left out, and so are corrupt ones.
// f keeps what it is given.
func (s *Store) Sessions(f func(key broker.SessionKey, r *broker.SessionRecord)) error {
	return s.whole("sessions", func(txn *bdb.Txn) error {
		for _, kind := range []byte{kindSession, kindLongSession} {
			err := s.each(txn, []byte{kind}, func(key, value []byte, _ *bdb.Item) error {
				if value[min(1, len(value)-1)]&recordWill != 0 {
					value = append([]byte(nil), value...) // the Will lies in it
				}
				k, r, err := s.clock.record(key, value)
				if err == nil && !s.expired(r) {
					f(k, r)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// RetainedMessages implements broker.Store. Corrupt messages are left out.
func (s *Store) RetainedMessages(f func(app string, m *broker.Message)) error {
	return s.whole("retained messages", func(txn *bdb.Txn) error {
		for _, kind := range []byte{kindRetained, kindLongRetained} {
			err := s.each(txn, []byte{kind}, func(key, value []byte, _ *bdb.Item) error {
				app, m, err := s.retained(key, append([]byte(nil), value...))
				if err == nil {
					f(app, m)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// whole runs a walk over much of the database. It sees all writes handed over before.
func (s *Store) whole(what string, walk func(*bdb.Txn) error) error {
	result := make(chan error, 1)
	s.read(op{}, what, func(snap *snapshot) error { return walk(snap.txn) }, func(err error) { result <- err })
	return <-result
}
