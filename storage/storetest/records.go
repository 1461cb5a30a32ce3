package storetest

import (
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

func testRecordMissing(t *testing.T, st broker.Store) {
	if got := loadSession(t, st, broker.SessionKey{App: "a", ClientID: "nobody"}); got != nil {
		t.Errorf("LoadSession of nobody: got %+v, want nil", got)
	}
}

func testRecord(t *testing.T, st broker.Store) {
	key := broker.SessionKey{App: "a", ClientID: "c"}
	for _, c := range []struct {
		name string
		r    broker.SessionRecord
	}{
		{"least", broker.SessionRecord{Expiry: 1, NextSeq: 1}},
		{"all", broker.SessionRecord{
			Expiry: broker.NeverExpires,
			Subscriptions: []broker.Subscribe{
				{TopicFilter: "a/+/ü", ID: 268_435_455, Options: topic.NewOptions(2, true, true, 2)},
				{TopicFilter: "$share/g/#"},
			},
			Received: []broker.PacketID{1, 2, 65535},
			NextSeq:  1,
		}},
		{"replaced by less", broker.SessionRecord{Expiry: 60, NextSeq: 1}},
	} {
		r := c.r
		st.SaveSession(key, &r)
		got := loadSession(t, st, key)
		if got == nil {
			t.Fatalf("%s: got no record", c.name)
		}
		if got.Expiry != c.r.Expiry || !slices.Equal(got.Subscriptions, c.r.Subscriptions) ||
			!slices.Equal(got.Received, c.r.Received) || got.NextSeq < c.r.NextSeq {
			t.Errorf("%s: got %+v, want %+v", c.name, *got, c.r)
		}
	}
}

// testKeysApart uses keys that an implementation could confuse.
func testKeysApart(t *testing.T, st broker.Store) {
	keys := []broker.SessionKey{
		{App: "a", ClientID: "bc"}, {App: "ab", ClientID: "c"}, {App: "", ClientID: "abc"}, {App: "abc"},
		{App: "a/b", ClientID: "c"}, {App: "a", ClientID: "b/c"}, {App: "a\x00b", ClientID: "c"}, {App: "a", ClientID: "\x00bc"},
		{App: "a", ClientID: "b"}, {App: "a", ClientID: "bcd"}, {App: "a", ClientID: "\xff"}, {App: "a", ClientID: "b\xff\xff\xff\xff\xff\xff\xff\xff\xff"},
	}
	for i, key := range keys {
		st.SaveSession(key, &broker.SessionRecord{Expiry: uint32(i + 1)})
		st.Append(key, broker.Entry{Seq: uint64(i + 1), Message: message("t", "p")}, nil)
	}
	check := func(i int) {
		t.Helper()
		if r := loadSession(t, st, keys[i]); r == nil || r.Expiry != uint32(i+1) {
			t.Errorf("record of %q: got %+v, want expiry %d", keys[i], r, i+1)
		}
		if got, more := seqs(t, st, keys[i], 0, 10); !slices.Equal(got, []uint64{uint64(i + 1)}) || more {
			t.Errorf("mailbox of %q: got %v, more %t, want [%d]", keys[i], got, more, i+1)
		}
	}
	for i := range keys {
		check(i)
	}
	for gone := range keys {
		st.DeleteSession(keys[gone])
		if r := loadSession(t, st, keys[gone]); r != nil {
			t.Errorf("record of %q after delete: got %+v, want nil", keys[gone], r)
		}
		for i := gone + 1; i < len(keys); i++ {
			check(i)
		}
	}
}

func testDeleteSession(t *testing.T, st broker.Store) {
	key := broker.SessionKey{App: "a", ClientID: "c"}
	c := newCommits()
	st.DeleteSession(key) // of nobody
	appendAll(st, key, 20, c)
	st.SaveSession(key, &broker.SessionRecord{Expiry: 9})
	if got, _ := seqs(t, st, key, 0, 100); len(got) != 20 {
		t.Errorf("SaveSession touched the mailbox: got %d entries, want 20", len(got))
	}
	st.DeleteSession(key)
	if r := loadSession(t, st, key); r != nil {
		t.Errorf("record after delete: got %+v, want nil", r)
	}
	if got, more := seqs(t, st, key, 0, 100); len(got) != 0 || more {
		t.Errorf("mailbox after delete: got %v, more %t, want none", got, more)
	}
	// A Session that begins anew begins at Seq 1, and what was before stays away.
	c2 := newCommits()
	appendAll(st, key, 2, c2)
	c2.check(t, 2)
	if got, more := seqs(t, st, key, 0, 100); !slices.Equal(got, []uint64{1, 2}) || more {
		t.Errorf("mailbox of the next Session: got %v, more %t, want [1 2]", got, more)
	}
	for seq := uint64(1); seq <= 20; seq++ { // cancelled or safe, but told
		if got := c.wait(seq); len(got) != 1 {
			t.Errorf("commit of deleted entry %d: got %v, want one call", seq, got)
		}
	}
}

func testRetained(t *testing.T, st broker.Store) {
	c := newCommits()
	st.SetRetained("a", "t", message("t", "1"), c.of(1))
	st.SetRetained("a", "t", message("t", "2"), nil)
	st.SetRetained("a", "t", nil, c.of(2))
	st.SetRetained("a", "nothing", nil, nil)
	st.SetRetained("b", "t", message("t", "3"), c.of(3))
	c.check(t, 3)
}
