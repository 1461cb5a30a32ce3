package badger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// LoadSession implements broker.Store.
func (s *Store) LoadSession(key broker.SessionKey, done func(*broker.SessionRecord, error)) {
	var r *broker.SessionRecord
	o := op{x: &opExtra{what: kindSession, names: []string{key.App, key.ClientID}}}
	s.read(o, "load session", func(snap *snapshot) (err error) {
		r, err = s.loadSession(snap.txn, key)
		return err
	}, func(err error) {
		if err != nil {
			r = nil
		}
		done(r, err)
	})
}

func (s *Store) loadSession(txn *bdb.Txn, key broker.SessionKey) (*broker.SessionRecord, error) {
	k := sessionKey(key)
	value, err := get(txn, k)
	if value == nil || err != nil {
		return nil, err
	}
	_, r, err := s.clock.record(k, value)
	if err != nil {
		s.corrupt(k, err)
		return nil, nil
	}
	if s.expired(r) {
		return nil, nil
	}
	return r, s.describe(txn, r)
}

// expired tells whether the Session of r is.
func (s *Store) expired(r *broker.SessionRecord) bool {
	end := r.EndsAt()
	return end != 0 && end <= s.clock.now()
}

// describe fills in what a record tells of its mailbox. Entries are looked for from the head on: before that
// there is nothing but what was deleted, which takes as long to pass over.
func (s *Store) describe(txn *bdb.Txn, r *broker.SessionRecord) error {
	it := iterate(txn, mailboxPrefix(r.Mailbox))
	defer it.Close()
	first := entryKey(r.Mailbox, r.Head)
	for it.Rewind(); it.Valid(); it.Next() {
		if bytes.Compare(it.Item().Key(), first) >= 0 {
			break
		}
		if kind := it.Item().Key()[mailboxPrefixLen]; kind == mailboxEntry { // one that should not be there
			break
		}
		if err := s.describeKey(r, it.Item()); err != nil {
			return err
		}
	}
	for it.Seek(first); it.Valid(); it.Next() {
		if err := s.describeKey(r, it.Item()); err != nil {
			return err
		}
	}
	return nil
}

// describeKey takes in one key of the mailbox.
func (s *Store) describeKey(r *broker.SessionRecord, item *bdb.Item) error {
	mb, kind, rest, err := splitMailbox(item.Key())
	switch {
	case err != nil:
		s.corrupt(item.Key(), err)
		return nil
	case kind == mailboxReceipt:
		return s.value(item, func(b []byte) error { return addReceipt(r, broker.PacketID(binary.BigEndian.Uint16(rest)), b) })
	case kind == mailboxPart:
		s.parted.Store(mb, nil)
		return s.value(item, func(b []byte) error { return addPart(r, broker.PacketID(binary.BigEndian.Uint16(rest)), b) })
	case kind == mailboxCursor:
		return s.value(item, func(b []byte) (err error) { r.Cursor, err = decodeNumber(b); return err })
	}
	r.Next = max(r.Next, binary.BigEndian.Uint64(rest)+1)
	return s.value(item, func(b []byte) error {
		e, err := decodeEntry(b)
		if err == nil {
			r.Count++
			r.Bytes += e.size
		}
		return err
	})
}

// Load implements broker.Store.
func (s *Store) Load(mb broker.Mailbox, after uint64, limit, maxBytes int, done func([]broker.Entry, bool, error)) {
	p := page{s: s, limit: limit, maxBytes: maxBytes}
	s.read(op{mb: mb}, "load", func(snap *snapshot) error {
		if after == math.MaxUint64 {
			return nil
		}
		return p.read(snap.txn, entryKey(mb, 0)[:entryKeyLen-8], after+1, p.entry)
	}, func(err error) {
		if err != nil {
			p.entries, p.more = nil, false
		}
		done(p.entries, p.more, err)
	})
}

// LoadLog implements broker.Store.
func (s *Store) LoadLog(app string, after uint64, limit, maxBytes int, done func([]broker.Entry, bool, error)) {
	p := page{s: s, limit: limit, maxBytes: maxBytes}
	o := op{x: &opExtra{what: kindLog, names: []string{app}}}
	s.read(o, "load log", func(snap *snapshot) error {
		if after == math.MaxUint64 || len(app) > maxName {
			return nil
		}
		return p.read(snap.txn, logPrefix(app), after+1, p.logged)
	}, func(err error) {
		if err != nil {
			p.entries, p.more = nil, false
		}
		done(p.entries, p.more, err)
	})
}

// page collects entries that are read together.
type page struct {
	s               *Store
	limit, maxBytes int
	entries         []broker.Entry
	bytes           int
	more            bool
}

// errPageFull ends a page before the value at hand.
var errPageFull = errors.New("page is full")

// read calls add for the keys that begin with prefix and go on with numbers from first on, until the page is full.
func (p *page) read(txn *bdb.Txn, prefix []byte, first uint64, add func(txn *bdb.Txn, number uint64, value []byte) error) error {
	it := iterate(txn, prefix)
	defer it.Close()
	for it.Seek(binary.BigEndian.AppendUint64(slices.Clip(prefix), first)); it.Valid(); it.Next() {
		if len(p.entries) >= p.limit {
			p.more = true
			return nil
		}
		item := it.Item()
		number := binary.BigEndian.Uint64(item.Key()[len(prefix):])
		err := p.s.value(item, func(b []byte) error { return add(txn, number, b) })
		if errors.Is(err, errPageFull) {
			p.more = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fits tells whether a message of that size may be added.
func (p *page) fits(size int) bool { return len(p.entries) == 0 || p.bytes+size <= p.maxBytes }

// entry adds an entry of a mailbox.
func (p *page) entry(txn *bdb.Txn, seq uint64, value []byte) error {
	e, err := decodeEntry(value)
	if err != nil {
		return err
	}
	if !p.fits(e.size) {
		return errPageFull
	}
	var m *broker.Message
	if e.body != 0 {
		m, err = p.s.message(txn, e.body)
	} else {
		m, err = p.s.clock.message(append([]byte(nil), e.rest...))
	}
	if err != nil {
		return err
	}
	p.entries = append(p.entries, e.entry(seq, m))
	p.bytes += e.size
	return nil
}

// logged adds a message of a log.
func (p *page) logged(txn *bdb.Txn, place uint64, value []byte) error {
	id, size, err := decodeReference(value)
	if err != nil {
		return err
	}
	if !p.fits(size) {
		return errPageFull
	}
	m, err := p.s.message(txn, id)
	if err != nil {
		return err
	}
	p.entries = append(p.entries, broker.Entry{Log: place, Message: m})
	p.bytes += size
	return nil
}

// message returns the message that is stored as a body.
func (s *Store) message(txn *bdb.Txn, id uint64) (*broker.Message, error) {
	if m := s.cache.get(id); m != nil {
		return m, nil
	}
	value, err := get(txn, bodyKey(id))
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, fmt.Errorf("body %d is missing: %w", id, errCorrupt)
	}
	m, err := s.clock.message(value)
	if err != nil {
		return nil, fmt.Errorf("body %d: %w", id, err)
	}
	m.Body = new(broker.Body)
	m.Body.ID.Store(id)
	return s.cache.put(m), nil
}

// LoadRetained implements broker.Store.
func (s *Store) LoadRetained(app string, names []string, done func([]*broker.Message, error)) {
	ms := make([]*broker.Message, len(names))
	o := op{x: &opExtra{what: kindRetained, names: append([]string{app}, names...)}}
	s.read(o, "load retained", func(snap *snapshot) error {
		for i, name := range names {
			key := retainedKey(app, name)
			value, err := get(snap.txn, key)
			if err != nil {
				return err
			}
			if value == nil {
				continue
			}
			if _, ms[i], err = s.retained(key, value); err != nil {
				s.corrupt(key, err)
			}
		}
		return nil
	}, func(err error) { done(ms, err) })
}

// retained decodes a retained message.
func (s *Store) retained(key, value []byte) (app string, m *broker.Message, err error) {
	if key[0] == kindLongRetained {
		d := decoder{b: value}
		app = d.string()
		d.bytes() // the Topic Name, which the message has too
		if d.bad {
			return "", nil, errCorrupt
		}
		value = d.b
	} else if app, _, err = splitName(key); err != nil {
		return "", nil, err
	}
	m, err = s.clock.message(value)
	return app, m, err
}

// get returns a copy of a value, nil without an error if there is none. An empty value is not nil.
func get(txn *bdb.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if errors.Is(err, bdb.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return item.ValueCopy([]byte{})
}

// value calls f with an item's value, which is valid during the call. That it cannot be read or is corrupt is noted,
// and nil returned: the item is left out.
func (s *Store) value(item *bdb.Item, f func([]byte) error) error {
	err := guard(func() error { return item.Value(f) })
	if err == nil || errors.Is(err, errPageFull) || errors.Is(err, errStopped) {
		return err
	}
	s.corrupt(item.Key(), err)
	return nil
}

// iterate starts at the first key with a prefix. Values are read when they are asked for.
func iterate(txn *bdb.Txn, prefix []byte) *bdb.Iterator {
	return txn.NewIterator(bdb.IteratorOptions{Prefix: prefix})
}
