package storetest

import (
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// loadSession calls Store.LoadSession and waits for the result.
func loadSession(t *testing.T, st broker.Store, key broker.SessionKey) *broker.SessionRecord {
	t.Helper()
	type result struct {
		r   *broker.SessionRecord
		err error
	}
	c := make(chan result, 2) // room for a forbidden second call
	st.LoadSession(key, func(r *broker.SessionRecord, err error) { c <- result{r, err} })
	got := <-c
	if got.err != nil {
		t.Fatalf("LoadSession(%v): got error %v, want nil", key, got.err)
	}
	return got.r
}

// load calls Store.Load and waits for the result.
func load(t *testing.T, st broker.Store, key broker.SessionKey, after uint64, limit int) ([]broker.Entry, bool) {
	t.Helper()
	type result struct {
		es   []broker.Entry
		more bool
		err  error
	}
	c := make(chan result, 2)
	st.Load(key, after, limit, func(es []broker.Entry, more bool, err error) { c <- result{es, more, err} })
	got := <-c
	if got.err != nil {
		t.Fatalf("Load(%v, %d, %d): got error %v, want nil", key, after, limit, got.err)
	}
	return got.es, got.more
}

// seqs returns the Seqs of what Load returns.
func seqs(t *testing.T, st broker.Store, key broker.SessionKey, after uint64, limit int) ([]uint64, bool) {
	t.Helper()
	es, more := load(t, st, key, after, limit)
	got := make([]uint64, len(es))
	for i, e := range es {
		got[i] = e.Seq
	}
	return got, more
}

// commits counts what Commits are told.
type commits struct {
	mu   sync.Mutex
	cond sync.Cond
	told map[uint64][]error // by Seq
}

func newCommits() *commits {
	c := &commits{told: make(map[uint64][]error)}
	c.cond.L = &c.mu
	return c
}

// commit is the Commit of one Append.
type commit struct {
	c   *commits
	seq uint64
}

// Committed implements broker.Commit.
func (c commit) Committed(err error) {
	c.c.mu.Lock()
	defer c.c.mu.Unlock()
	c.c.told[c.seq] = append(c.c.told[c.seq], err)
	c.c.cond.Broadcast()
}

func (c *commits) of(seq uint64) broker.Commit { return commit{c, seq} }

// wait returns what the Commit of seq has been told, once it has.
func (c *commits) wait(seq uint64) []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.told[seq]) == 0 {
		c.cond.Wait()
	}
	return c.told[seq]
}

// check fails unless the Commits of all Seqs from 1 to last were told once that all is well.
func (c *commits) check(t *testing.T, last uint64) {
	t.Helper()
	for seq := uint64(1); seq <= last; seq++ {
		if got := c.wait(seq); len(got) != 1 || got[0] != nil {
			t.Errorf("commit of %d: got %v, want one nil", seq, got)
		}
	}
}

// message returns a message that is like no other.
func message(topic, payload string) *broker.Message {
	return &broker.Message{TopicName: topic, Payload: []byte(payload), QoS: 1}
}

// appendAll appends entries 1 to n.
func appendAll(st broker.Store, key broker.SessionKey, n uint64, c *commits) {
	for seq := uint64(1); seq <= n; seq++ {
		st.Append(key, broker.Entry{Seq: seq, Message: message("t", "p"), QoS: 1}, c.of(seq))
	}
}
