package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var mailboxKey = broker.SessionKey{App: "a", ClientID: "c"}

func testEntryRoundTrip(t *testing.T, st broker.Store) {
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	want := []broker.Entry{
		{Seq: 1, Message: &broker.Message{TopicName: "t"}, QoS: 1},
		{
			Seq: 5, QoS: 2, Retain: true, Released: true, PacketID: 65535, SubscriptionIDs: []uint32{1, 268_435_455},
			Message: &broker.Message{
				TopicName: "a/ü", Payload: bytes.Repeat([]byte{0, 255}, 5000), QoS: 2, Retain: true,
				Properties: []byte{1, 2, 3}, Expires: expires,
			},
		},
		{Seq: 1 << 40, Message: message("t", ""), QoS: 1},
	}
	for _, e := range want {
		st.Append(mailboxKey, e, nil)
	}
	got, more := load(t, st, mailboxKey, 0, 10)
	if len(got) != len(want) || more {
		t.Fatalf("got %d entries, more %t, want %d", len(got), more, len(want))
	}
	for i := range want {
		if diff := difference(got[i], want[i]); diff != "" {
			t.Errorf("entry %d: %s", want[i].Seq, diff)
		}
	}
}

// difference says how got differs from want; "" means not at all. What the broker
// sets afresh at each publish (QoS and Retain of the Message) may be lost.
func difference(got, want broker.Entry) string {
	g, w := got.Message, want.Message
	switch {
	case got.Seq != want.Seq, got.QoS != want.QoS, got.Retain != want.Retain, got.Released != want.Released,
		got.PacketID != want.PacketID, !slices.Equal(got.SubscriptionIDs, want.SubscriptionIDs):
		return fmt.Sprintf("got %+v, want %+v", got, want)
	case g == nil:
		return "got no message"
	case g.TopicName != w.TopicName, !bytes.Equal(g.Payload, w.Payload), !bytes.Equal(g.Properties, w.Properties),
		!g.Expires.Equal(w.Expires):
		return fmt.Sprintf("message: got %+v, want %+v", *g, *w)
	}
	return ""
}

func testPages(t *testing.T, st broker.Store) {
	const n = 300
	c := newCommits()
	appendAll(st, mailboxKey, n, c)
	for _, test := range []struct {
		after       uint64
		limit       int
		first, last uint64 // 0, 0: none
		more        bool
	}{
		{0, n, 1, n, false}, {0, n + 1, 1, n, false}, {0, n - 1, 1, n - 1, true}, {0, 1, 1, 1, true},
		{100, 50, 101, 150, true}, {n - 10, 10, n - 9, n, false}, {n - 10, 9, n - 9, n - 1, true},
		{n, 10, 0, 0, false}, {n + 100, 10, 0, 0, false}, {1<<64 - 1, 10, 0, 0, false},
	} {
		var want []uint64
		for seq := test.first; seq <= test.last && seq > 0; seq++ {
			want = append(want, seq)
		}
		got, more := seqs(t, st, mailboxKey, test.after, test.limit)
		if !slices.Equal(got, want) || more != test.more {
			t.Errorf("Load after %d, limit %d: got %v, more %t, want %v, more %t", test.after, test.limit, got, more, want, test.more)
		}
	}
	c.check(t, n)
}

func testRemove(t *testing.T, st broker.Store) {
	c := newCommits()
	st.Remove(mailboxKey, 1) // of nobody
	appendAll(st, mailboxKey, 10, c)
	for _, test := range []struct {
		seq  uint64
		want []uint64
	}{
		{5, []uint64{1, 2, 3, 4, 6, 7, 8, 9, 10}},
		{1, []uint64{2, 3, 4, 6, 7, 8, 9, 10}},
		{10, []uint64{2, 3, 4, 6, 7, 8, 9}},
		{5, []uint64{2, 3, 4, 6, 7, 8, 9}},
		{11, []uint64{2, 3, 4, 6, 7, 8, 9}},
		{3, []uint64{2, 4, 6, 7, 8, 9}},
		{2, []uint64{4, 6, 7, 8, 9}},
		{4, []uint64{6, 7, 8, 9}},
	} {
		st.Remove(mailboxKey, test.seq)
		if got, more := seqs(t, st, mailboxKey, 0, 100); !slices.Equal(got, test.want) || more {
			t.Errorf("after Remove(%d): got %v, more %t, want %v", test.seq, got, more, test.want)
		}
	}
	if got, more := seqs(t, st, mailboxKey, 5, 2); !slices.Equal(got, []uint64{6, 7}) || !more {
		t.Errorf("Load after a removed entry: got %v, more %t, want [6 7], more", got, more)
	}
	c.check(t, 10)
	for seq := uint64(6); seq <= 9; seq++ {
		st.Remove(mailboxKey, seq)
	}
	if got, more := seqs(t, st, mailboxKey, 0, 100); len(got) != 0 || more {
		t.Errorf("empty mailbox: got %v, more %t, want none", got, more)
	}
	st.Append(mailboxKey, broker.Entry{Seq: 11, Message: message("t", "p")}, c.of(11))
	if got, more := seqs(t, st, mailboxKey, 10, 100); !slices.Equal(got, []uint64{11}) || more {
		t.Errorf("mailbox that was empty: got %v, more %t, want [11]", got, more)
	}
}

func testUpdate(t *testing.T, st broker.Store) {
	c := newCommits()
	appendAll(st, mailboxKey, 3, c)
	want := broker.Entry{Seq: 2, Message: message("t", "p"), QoS: 2, Released: true, PacketID: 77}
	st.Update(mailboxKey, want)
	es, _ := load(t, st, mailboxKey, 1, 1)
	if len(es) != 1 {
		t.Fatalf("after Update: got %d entries, want 1", len(es))
	}
	if diff := difference(es[0], want); diff != "" {
		t.Errorf("after Update: %s", diff)
	}
	st.Remove(mailboxKey, 2)
	st.Update(mailboxKey, want)
	st.Update(mailboxKey, broker.Entry{Seq: 9, Message: message("t", "p")})
	st.Update(broker.SessionKey{App: "a", ClientID: "nobody"}, want)
	if got, _ := seqs(t, st, mailboxKey, 0, 9); !slices.Equal(got, []uint64{1, 3}) {
		t.Errorf("after Update of what is gone: got %v, want [1 3]", got)
	}
}

func testCommitOnce(t *testing.T, st broker.Store) {
	c := newCommits()
	const n = 200
	for seq := uint64(1); seq <= n; seq++ {
		st.Append(mailboxKey, broker.Entry{Seq: seq, Message: message("t", "p")}, c.of(seq))
		if seq%2 == 0 {
			st.Remove(mailboxKey, seq) // maybe before it is safe
		}
	}
	c.check(t, n)
	st.DeleteSession(mailboxKey)
	loadSession(t, st, mailboxKey)
	c.check(t, n)
}

func testCloseWaits(t *testing.T, st broker.Store) {
	c := newCommits()
	const n = 500
	appendAll(st, mailboxKey, n, c)
	if err := st.Close(); err != nil {
		t.Fatalf("Close: got %v, want nil", err)
	}
	c.mu.Lock()
	told := len(c.told)
	c.mu.Unlock()
	if told != n {
		t.Errorf("commits told when Close returned: got %d, want %d", told, n)
	}
	c.check(t, n)
}
