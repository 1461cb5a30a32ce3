package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// model is a naive Store of one Session.
type model struct {
	key     broker.SessionKey
	record  *broker.SessionRecord
	entries []broker.Entry
	next    uint64
	commits *commits
}

func newModel(key broker.SessionKey) *model {
	return &model{key: key, next: 1, commits: newCommits()}
}

// step does one random operation on both.
func (m *model) step(t *testing.T, st broker.Store, r *rand.Rand) {
	switch p := r.IntN(100); {
	case p < 45:
		m.append(st, r)
	case p < 80:
		m.remove(st, r)
	case p < 86:
		m.update(st, r)
	case p < 96:
		m.load(t, st, uint64(r.Int64N(int64(m.next)+2)), 1+r.IntN(20))
	case p < 98:
		m.record = &broker.SessionRecord{Expiry: r.Uint32(), NextSeq: m.next}
		kept := *m.record
		st.SaveSession(m.key, &kept)
	case p < 99:
		m.loadRecord(t, st)
	case r.IntN(10) == 0:
		st.DeleteSession(m.key)
		m.record, m.entries = nil, nil // Seqs go on, so that Commits stay apart
	}
}

func (m *model) append(st broker.Store, r *rand.Rand) {
	e := broker.Entry{Seq: m.next, Message: message("t", fmt.Sprint(r.Uint64())), QoS: 1}
	m.entries = append(m.entries, e)
	st.Append(m.key, e, m.commits.of(m.next))
	m.next += 1 + uint64(r.IntN(2)*r.IntN(3)) // Seqs may have gaps
}

func (m *model) remove(st broker.Store, r *rand.Rand) {
	seq := uint64(r.Int64N(int64(m.next) + 2)) // most often unknown
	if n := len(m.entries); n > 0 && r.IntN(4) > 0 {
		seq = m.entries[min(r.IntN(n), r.IntN(n))].Seq // most often an old one
	}
	m.entries = slices.DeleteFunc(m.entries, func(e broker.Entry) bool { return e.Seq == seq })
	st.Remove(m.key, seq)
}

func (m *model) update(st broker.Store, r *rand.Rand) {
	e := broker.Entry{Seq: uint64(r.Int64N(int64(m.next) + 2))}
	e.Message, e.QoS, e.Released, e.PacketID = message("t", "updated"), 2, true, broker.PacketID(r.Uint32())
	for i := range m.entries {
		if m.entries[i].Seq == e.Seq {
			m.entries[i] = e
		}
	}
	st.Update(m.key, e)
}

func (m *model) load(t *testing.T, st broker.Store, after uint64, limit int) {
	i := 0
	for i < len(m.entries) && m.entries[i].Seq <= after {
		i++
	}
	want := m.entries[i:min(len(m.entries), i+limit)]
	wantMore := i+limit < len(m.entries)
	got, more := load(t, st, m.key, after, limit)
	if len(got) != len(want) || more != wantMore {
		t.Fatalf("%v: Load after %d, limit %d: got %d entries, more %t, want %d, more %t", m.key, after, limit, len(got), more, len(want), wantMore)
	}
	for j := range want {
		if diff := difference(got[j], want[j]); diff != "" {
			t.Fatalf("%v: Load after %d: entry %d: %s", m.key, after, j, diff)
		}
	}
}

func (m *model) loadRecord(t *testing.T, st broker.Store) {
	got := loadSession(t, st, m.key)
	if (got == nil) != (m.record == nil) || got != nil && got.Expiry != m.record.Expiry {
		t.Fatalf("%v: LoadSession: got %+v, want %+v", m.key, got, m.record)
	}
}

// check compares all at the end. Every Append was told once.
func (m *model) check(t *testing.T, st broker.Store) {
	m.load(t, st, 0, len(m.entries)+1)
	m.loadRecord(t, st)
	m.commits.mu.Lock()
	appended := slices.Collect(func(yield func(uint64) bool) {
		for seq := range m.commits.told {
			if !yield(seq) {
				return
			}
		}
	})
	m.commits.mu.Unlock()
	for _, seq := range appended {
		if got := m.commits.wait(seq); len(got) != 1 || got[0] != nil {
			t.Errorf("%v: commit of %d: got %v, want one nil", m.key, seq, got)
		}
	}
	for _, e := range m.entries {
		m.commits.wait(e.Seq)
	}
}

func testRandom(t *testing.T, st broker.Store) {
	r := Rand(t)
	models := make([]*model, 5)
	for i := range models {
		models[i] = newModel(broker.SessionKey{App: "a", ClientID: fmt.Sprint("c", i)})
	}
	for range 5000 {
		models[r.IntN(len(models))].step(t, st, r)
	}
	for _, m := range models {
		m.check(t, st)
	}
}

// testConcurrent has one goroutine per Session, as the broker's locks see to.
func testConcurrent(t *testing.T, st broker.Store) {
	r := Rand(t)
	t.Run("sessions", func(t *testing.T) { // ends when its parallel tests have
		for i := range 8 {
			m := newModel(broker.SessionKey{App: "a", ClientID: fmt.Sprint("c", i)})
			own := rand.New(rand.NewPCG(r.Uint64(), 0))
			t.Run(m.key.ClientID, func(t *testing.T) {
				t.Parallel()
				for range 1000 {
					m.step(t, st, own)
				}
				m.check(t, st)
			})
		}
	})
}
