package badger

import (
	"sync"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// logs holds what is in the Apps' logs of broadcasts, but not the messages.
type logs struct {
	mu    sync.Mutex
	byApp map[string]*appLog
}

// appLog is the log of one App.
type appLog struct {
	end   uint64
	items []logItem // in order of place
	bytes int64
}

type logItem struct {
	place, body uint64
	size        int
}

// LogEnd implements broker.Store.
func (s *Store) LogEnd(app string) uint64 {
	s.logs.mu.Lock()
	defer s.logs.mu.Unlock()
	if l := s.logs.byApp[app]; l != nil {
		return l.end
	}
	return 0
}

// AppendLog implements broker.Store. A message that is refused gets a place too, which stays empty.
func (s *Store) AppendLog(app string, m *broker.Message, c broker.Commit) uint64 {
	o := op{kind: opLog, cost: costOf(m.Size()), msg: m, c: c, x: &opExtra{what: kindLog, names: []string{app}}}
	o.body = s.bodies.hold(m.Body)
	s.logs.mu.Lock()
	defer s.logs.mu.Unlock()
	l := s.logs.app(app)
	o.seq = s.newNumber()
	l.end = o.seq
	evicted := l.excess(m.Size(), s.opts.LogMessages, s.opts.LogBytes)
	o.x.evicted = l.items[:evicted:evicted]
	if len(app) > maxName {
		s.q.reject(c, errNameTooLong)
		s.drop(o.body.id)
		return o.seq
	}
	if !s.q.push(&o, true) {
		s.drop(o.body.id)
		return o.seq
	}
	for _, i := range o.x.evicted {
		l.bytes -= int64(i.size)
	}
	l.items = append(l.items[evicted:], logItem{o.seq, o.body.id, m.Size()})
	l.bytes += int64(m.Size())
	return o.seq
}

// excess is how many messages must leave for one of that size.
func (l *appLog) excess(size, maxMessages int, maxBytes int64) int {
	n, bytes := 0, l.bytes+int64(size)
	for n < len(l.items) && (len(l.items)-n >= maxMessages || bytes > maxBytes) {
		bytes -= int64(l.items[n].size)
		n++
	}
	return n
}

func (l *logs) app(name string) *appLog {
	a := l.byApp[name]
	if a == nil {
		a = new(appLog)
		l.byApp[name] = a
	}
	return a
}

// openLogs reads at the start what is in the logs.
func (s *Store) openLogs(txn *bdb.Txn) error {
	s.logs.byApp = make(map[string]*appLog)
	err := s.each(txn, []byte{kindLog}, func(key, value []byte, _ *bdb.Item) error {
		app, place, err := splitLog(key)
		if err != nil {
			return err
		}
		body, size, err := decodeReference(value)
		if err != nil {
			return err
		}
		l := s.logs.app(app)
		l.items = append(l.items, logItem{place, body, size})
		l.bytes += int64(size)
		l.end = max(l.end, place)
		return nil
	})
	if err != nil {
		return err
	}
	return s.each(txn, metaKey(metaLogEnd, ""), func(key, value []byte, _ *bdb.Item) error {
		end, err := decodeNumber(value)
		if err != nil {
			return err
		}
		l := s.logs.app(string(key[2:]))
		l.end = max(l.end, end)
		return nil
	})
}

// each calls f with every key with a prefix. key and value are valid during the call. What f says is corrupt
// is noted and left out.
func (s *Store) each(txn *bdb.Txn, prefix []byte, f func(key, value []byte, item *bdb.Item) error) error {
	it := iterate(txn, prefix)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		err := s.value(item, func(value []byte) error { return f(item.Key(), value, item) })
		if err != nil {
			return err
		}
	}
	return nil
}
