package memory

import (
	"slices"
	"sync"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Bounds of an App's log of broadcasts, unless BoundLogs sets others.
const (
	logMessages = 1000
	logBytes    = 64 << 20
)

type logs struct {
	mu          sync.Mutex
	byApp       map[string]*appLog
	maxMessages int
	maxBytes    int64
}

// appLog holds the messages at the places end-len(messages)+1 to end.
type appLog struct {
	end      uint64
	messages []*broker.Message
	bytes    int64
}

// BoundLogs bounds the log of broadcasts of each App by messages and by bytes, from its next message on. The last message is kept
// in any case. The defaults are 1000 and 64 MiB.
func (st *Store) BoundLogs(messages int, bytes int64) {
	st.logs.mu.Lock()
	defer st.logs.mu.Unlock()
	st.logs.maxMessages, st.logs.maxBytes = messages, bytes
}

// AppendLog implements broker.Store.
func (st *Store) AppendLog(app string, m *broker.Message, c broker.Commit) uint64 {
	st.logs.mu.Lock()
	l := st.logs.byApp[app]
	if l == nil {
		l = new(appLog)
		st.logs.byApp[app] = l
	}
	l.end++
	seq := l.end
	l.messages = append(l.messages, m)
	l.bytes += int64(m.Size())
	for n := len(l.messages); n > 1 && (n > st.logs.maxMessages || l.bytes > st.logs.maxBytes); n-- {
		l.bytes -= int64(l.messages[0].Size())
		l.messages[0] = nil
		l.messages = l.messages[1:]
	}
	st.logs.mu.Unlock()
	committed(c)
	return seq
}

// LogEnd implements broker.Store.
func (st *Store) LogEnd(app string) uint64 {
	st.logs.mu.Lock()
	defer st.logs.mu.Unlock()
	if l := st.logs.byApp[app]; l != nil {
		return l.end
	}
	return 0
}

// LoadLog implements broker.Store.
func (st *Store) LoadLog(app string, after uint64, limit, maxBytes int, done func([]broker.Entry, bool, error)) {
	first, ms, more := st.logPage(app, after, limit, maxBytes)
	es := make([]broker.Entry, len(ms))
	for i, m := range ms {
		es[i] = broker.Entry{Log: first + uint64(i), Message: m}
	}
	done(es, more, nil)
}

// logPage returns the place of the first message of a page, and the page.
func (st *Store) logPage(app string, after uint64, limit, maxBytes int) (first uint64, page []*broker.Message, more bool) {
	st.logs.mu.Lock()
	defer st.logs.mu.Unlock()
	l := st.logs.byApp[app]
	if l == nil || after >= l.end {
		return 0, nil, false
	}
	first = max(after, l.end-uint64(len(l.messages))) + 1
	rest := l.messages[uint64(len(l.messages))-(l.end-first+1):]
	n := fitting(len(rest), limit, maxBytes, func(i int) *broker.Message { return rest[i] })
	return first, slices.Clone(rest[:n]), n < len(rest)
}
