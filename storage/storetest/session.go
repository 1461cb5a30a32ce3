package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

var sessionTests = []test{
	{"record", testRecord},
	{"record missing", testRecordMissing},
	{"record is copied", testRecordCopied},
	{"record and mailbox", testRecordAndMailbox},
	{"sessions", testSessions},
	{"expired session", testExpired},
	{"keys apart", testKeysApart},
	{"longest names", testLongestNames},
	{"mailbox numbers", testMailboxNumbers},
}

var sessionKey = broker.SessionKey{App: "a", ClientID: "c"}

func testRecordMissing(t *testing.T, st broker.Store) {
	if got := loadSession(t, st, broker.SessionKey{App: "a", ClientID: "nobody"}); got != nil {
		t.Errorf("LoadSession of nobody: got %+v, want nil", got)
	}
}

// fullRecord returns a record with nothing left out.
func fullRecord() *broker.SessionRecord {
	return &broker.SessionRecord{
		Mailbox: 1 << 40, Expiry: broker.NeverExpires, KeepFor: 77, Mail: true, SleptAt: 1_700_000_000_123,
		Subscriptions: []broker.Subscribe{
			{TopicFilter: "a/+/ü", ID: 268_435_455, Options: topic.NewOptions(2, true, true, 2)},
			{TopicFilter: "$share/g/#"},
			{TopicFilter: "", ID: 1, Options: topic.NewOptions(0, false, true, 1)},
		},
		Next: 1<<63 + 1, Head: 1 << 62, Sent: 1<<62 + 5, DropBefore: 1<<62 + 7, Fruitless: 255,
		Will: &broker.Will{
			Message: &broker.Message{TopicName: "will/ü", Payload: []byte{0, 255}, QoS: 2, Retain: true, Properties: []byte{9, 8}},
			Delay:   (1<<32 - 1) * time.Second, Expiry: (1<<32 - 2) * time.Second,
		},
		WillAt: 1_700_000_009_999,
	}
}

// namedRecord is a record and what it shows.
type namedRecord struct {
	name string
	r    broker.SessionRecord
}

func namedRecords() []namedRecord {
	return []namedRecord{
		{"least", broker.SessionRecord{Expiry: 1, Next: 1}},
		{"all", *fullRecord()},
		{"Will only", broker.SessionRecord{Expiry: 60, Will: &broker.Will{Message: &broker.Message{TopicName: "t"}}}},
		{"subscriptions only", broker.SessionRecord{Expiry: 60, Subscriptions: []broker.Subscribe{{TopicFilter: "t"}}}},
		{"places only", broker.SessionRecord{Expiry: 1, Next: 5, Head: 1, Sent: 4, DropBefore: 3, Mailbox: 9}},
		{"sleeping", broker.SessionRecord{Expiry: 1 << 31, SleptAt: time.Now().UnixMilli(), WillAt: 1, Fruitless: 1}},
		{"replaced by less", broker.SessionRecord{Expiry: 60, Next: 1}},
	}
}

func testRecord(t *testing.T, st broker.Store) {
	c := newCommits()
	for _, n := range namedRecords() {
		r := n.r
		st.SaveSession(sessionKey, &r, c.next())
		if d := recordDifference(loadSession(t, st, sessionKey), &n.r); d != "" {
			t.Errorf("%s: %s", n.name, d)
		}
	}
	c.wait(t)
	st.DeleteSession(sessionKey, 0, c.next())
	st.SaveSession(sessionKey, fullRecord(), nil)
	if d := recordDifference(loadSession(t, st, sessionKey), fullRecord()); d != "" {
		t.Errorf("saved after a delete: %s", d)
	}
	c.wait(t)
}

// testRecordCopied changes a record after it was given to the Store, or has come from it.
func testRecordCopied(t *testing.T, st broker.Store) {
	spoil := func(r *broker.SessionRecord) {
		clear(r.Subscriptions)
		*r.Will = broker.Will{}
		*r = broker.SessionRecord{}
	}
	r := fullRecord()
	st.SaveSession(sessionKey, r, nil)
	spoil(r)
	got := loadSession(t, st, sessionKey)
	if d := recordDifference(got, fullRecord()); d != "" {
		t.Fatalf("record that was changed after SaveSession: %s", d)
	}
	spoil(got)
	if d := recordDifference(loadSession(t, st, sessionKey), fullRecord()); d != "" {
		t.Errorf("record that was changed after LoadSession: %s", d)
	}
}

// testRecordAndMailbox looks at what LoadSession finds in the mailbox.
func testRecordAndMailbox(t *testing.T, st broker.Store) {
	mb, other := st.NewMailbox(), st.NewMailbox()
	appendTo(st, other, 1, message("t", "not counted"), nil)
	st.SetCursor(other, 99)
	st.AddReceipt(other, 99, nil)
	var want found
	check := func(what string) {
		t.Helper()
		got := loadSession(t, st, sessionKey)
		if got == nil {
			t.Fatalf("%s: got no record", what)
		}
		if d := foundDifference(got, want); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
	// What is found is not taken from the record that is saved.
	wrong := &broker.SessionRecord{Mailbox: mb, Expiry: 9, Received: []broker.PacketID{7}, Cursor: 7, Count: 7, Bytes: 7}
	st.SaveSession(sessionKey, wrong, nil)
	check("empty mailbox")
	m, long := message("topic", "payload"), sharedMessage("topic", string(make([]byte, 10_000)))
	m.Properties = []byte{1, 2, 3}
	appendTo(st, mb, 1, m, nil)
	appendTo(st, mb, 2, long, nil)
	appendTo(st, mb, 3, m, nil)
	want.count, want.bytes = 3, 2*m.Size()+long.Size()
	check("three entries")
	st.AddReceipt(mb, 5, nil)
	st.SetCursor(mb, 1<<40)
	want.received, want.cursor = []broker.PacketID{5}, 1<<40
	check("receipt and cursor")
	st.Remove(mb, 2, long.Body)
	want.count, want.bytes = 2, 2*m.Size()
	st.SaveSession(sessionKey, &broker.SessionRecord{Mailbox: mb, Expiry: 8}, nil)
	check("saved again")
	st.SaveSession(sessionKey, &broker.SessionRecord{Mailbox: st.NewMailbox(), Expiry: 8}, nil)
	want = found{}
	check("saved with another mailbox")
}

func testSessions(t *testing.T, st broker.Store) {
	c := newCommits()
	want := make(map[broker.SessionKey]*broker.SessionRecord)
	for i, n := range namedRecords() {
		for _, app := range []string{"a", "b", ""} {
			key := broker.SessionKey{App: app, ClientID: fmt.Sprint("c", i)}
			r := n.r
			r.Mailbox = st.NewMailbox()
			want[key] = &r
			st.SaveSession(key, &broker.SessionRecord{Expiry: 1}, c.next()) // replaced
			st.SaveSession(key, &r, c.next())
			appendTo(st, r.Mailbox, 1, message("t", "p"), c.next())
			st.AddReceipt(r.Mailbox, 1, c.next())
		}
	}
	gone := broker.SessionKey{App: "a", ClientID: "gone"}
	st.SaveSession(gone, fullRecord(), c.next())
	st.DeleteSession(gone, 0, c.next())
	ended := &broker.SessionRecord{Expiry: 60, SleptAt: time.Now().Add(-time.Hour).UnixMilli()}
	st.SaveSession(broker.SessionKey{App: "a", ClientID: "ended"}, ended, c.next())
	c.wait(t)
	checkSessions(t, st, want)
}

// checkSessions compares what Sessions tells with what there is.
func checkSessions(t *testing.T, st broker.Store, want map[broker.SessionKey]*broker.SessionRecord) {
	t.Helper()
	seen := make(map[broker.SessionKey]bool)
	err := st.Sessions(func(key broker.SessionKey, r *broker.SessionRecord) {
		if d := recordDifference(r, want[key]); d != "" {
			t.Errorf("Sessions: record of %.80q: %s", key, d)
		}
		if seen[key] {
			t.Errorf("Sessions: %.80q came twice", key)
		}
		seen[key] = true
		if d := foundDifference(r, found{}); d != "" { // this is left out
			t.Errorf("Sessions: record of %.80q: %s", key, d)
		}
	})
	if err != nil {
		t.Errorf("Sessions: got error %v, want nil", err)
	}
	for key := range want {
		if !seen[key] {
			t.Errorf("Sessions: %.80q did not come", key)
		}
	}
}

func testExpired(t *testing.T, st broker.Store) {
	ago := time.Now().Add(-time.Hour).UnixMilli()
	for _, c := range []struct {
		name string
		r    broker.SessionRecord
		want bool
	}{
		{"slept too long", broker.SessionRecord{Expiry: 60, SleptAt: ago}, false},
		{"slept a little too long", broker.SessionRecord{Expiry: 3599, SleptAt: ago}, false},
		{"may sleep longer", broker.SessionRecord{Expiry: 7200, SleptAt: ago}, true},
		{"may sleep for ever", broker.SessionRecord{Expiry: broker.NeverExpires, SleptAt: 1}, true},
		{"may sleep very long", broker.SessionRecord{Expiry: broker.NeverExpires - 1, SleptAt: ago}, true},
		{"awake", broker.SessionRecord{Expiry: 1}, true},
	} {
		key := broker.SessionKey{App: "a", ClientID: c.name}
		c.r.Mailbox = st.NewMailbox()
		st.SaveSession(key, &broker.SessionRecord{Expiry: 1, Mailbox: c.r.Mailbox}, nil)
		st.SaveSession(key, &c.r, nil)
		if got := loadSession(t, st, key); (got != nil) != c.want {
			t.Errorf("%s: got record: %t, want record: %t", c.name, got != nil, c.want)
		}
		next := broker.SessionRecord{Expiry: 1, Mailbox: st.NewMailbox()}
		st.SaveSession(key, &next, nil)
		if d := recordDifference(loadSession(t, st, key), &next); d != "" {
			t.Errorf("%s: the next Session: %s", c.name, d)
		}
	}
}

// testKeysApart uses keys that an implementation could confuse.
func testKeysApart(t *testing.T, st broker.Store) {
	keys := []broker.SessionKey{
		{App: "a", ClientID: "bc"}, {App: "ab", ClientID: "c"}, {App: "", ClientID: "abc"}, {App: "abc"},
		{App: "a/b", ClientID: "c"}, {App: "a", ClientID: "b/c"}, {App: "a\x00b", ClientID: "c"}, {App: "a", ClientID: "\x00bc"},
		{App: "a", ClientID: "b"}, {App: "a", ClientID: "bcd"}, {App: "a", ClientID: "\xff"}, {App: "a", ClientID: "b\xff\xff\xff\xff\xff\xff\xff\xff\xff"},
		{App: "\x01a", ClientID: "bc"}, {App: string(make([]byte, 300)), ClientID: "c"}, {App: "a", ClientID: string(make([]byte, 1000))},
	}
	for i, key := range keys {
		st.SaveSession(key, &broker.SessionRecord{Expiry: uint32(i + 1)}, nil)
		st.SetRetained(key.App, key.ClientID+"t", message(key.ClientID+"t", fmt.Sprint(i)), nil)
	}
	check := func(i int) {
		t.Helper()
		if r := loadSession(t, st, keys[i]); r == nil || r.Expiry != uint32(i+1) {
			t.Errorf("record of %.40q: got %+v, want expiry %d", keys[i], r, i+1)
		}
		name := keys[i].ClientID + "t"
		if d := messageDifference(loadRetained(t, st, keys[i].App, name)[0], message(name, fmt.Sprint(i))); d != "" {
			t.Errorf("retained message of %.40q: %s", keys[i], d)
		}
	}
	for i := range keys {
		check(i)
	}
	for gone := range keys {
		st.DeleteSession(keys[gone], 0, nil)
		st.SetRetained(keys[gone].App, keys[gone].ClientID+"t", nil, nil)
		if r := loadSession(t, st, keys[gone]); r != nil {
			t.Errorf("record of %.40q after delete: got %+v, want nil", keys[gone], r)
		}
		if m := loadRetained(t, st, keys[gone].App, keys[gone].ClientID+"t")[0]; m != nil {
			t.Errorf("retained message of %.40q after delete: got one, want none", keys[gone])
		}
		for i := gone + 1; i < len(keys); i++ {
			check(i)
		}
	}
}

// testLongestNames uses Client Identifiers and Topic Names as long as MQTT lets them be.
func testLongestNames(t *testing.T, st broker.Store) {
	c := newCommits()
	long := strings.Repeat("x", topic.MaxLen-1)
	for i, last := range []string{"a", "b"} { // no more than the end differs
		name := long + last
		st.SaveSession(broker.SessionKey{App: "a", ClientID: name}, &broker.SessionRecord{
			Expiry: uint32(i + 1), Subscriptions: []broker.Subscribe{{TopicFilter: name}},
		}, c.next())
		st.SetRetained("a", name, message(name, last), c.next())
	}
	c.wait(t)
	want := make(map[broker.SessionKey]*broker.SessionRecord)
	for i, last := range []string{"a", "b"} {
		name := long + last
		key := broker.SessionKey{App: "a", ClientID: name}
		want[key] = &broker.SessionRecord{Expiry: uint32(i + 1), Subscriptions: []broker.Subscribe{{TopicFilter: name}}}
		if d := recordDifference(loadSession(t, st, key), want[key]); d != "" {
			t.Errorf("record of the Client Identifier that ends in %s: %.200s", last, d)
		}
		if d := messageDifference(loadRetained(t, st, "a", name)[0], message(name, last)); d != "" {
			t.Errorf("retained message of the Topic Name that ends in %s: %.200s", last, d)
		}
	}
	checkSessions(t, st, want)
}

func testMailboxNumbers(t *testing.T, st broker.Store) {
	var mu sync.Mutex
	seen := make(map[broker.Mailbox]bool)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				mb := st.NewMailbox()
				mu.Lock()
				if mb == 0 || seen[mb] {
					t.Errorf("NewMailbox: got %d, seen before: %t, want a new one", mb, seen[mb])
				}
				seen[mb] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}
