package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var logTests = []test{
	{"log", testLog},
	{"logs apart", testLogsApart},
	{"log bounds", testLogBounds},
}

func testLog(t *testing.T, st broker.Store) {
	c := newCommits()
	if got := st.LogEnd("a"); got != 0 {
		t.Errorf("LogEnd of a log that was never used: got %d, want 0", got)
	}
	if es, more := loadLog(t, st, "a", 0, 10, unlimited); len(es) != 0 || more {
		t.Errorf("log that was never used: got %d entries, more %t, want none", len(es), more)
	}
	var want []broker.Entry
	for i := range 100 {
		m := sharedMessage("broadcast/a", fmt.Sprint(i))
		if i == 0 {
			m.QoS, m.Retain, m.Properties = 2, true, []byte{1, 2}
			m.Expires = time.Now().Add(time.Hour).Truncate(time.Second)
			m.Published = 1_800_000_000_123
		}
		seq := st.AppendLog("a", m, c.next())
		if got := st.LogEnd("a"); got != seq {
			t.Errorf("LogEnd: got %d, want %d", got, seq)
		}
		if i > 0 && seq <= want[i-1].Log {
			t.Fatalf("AppendLog: got place %d after %d, want a larger one", seq, want[i-1].Log)
		}
		want = append(want, broker.Entry{Log: seq, Message: m})
	}
	for _, test := range []struct{ n, limit, maxBytes int }{
		{0, 100, unlimited}, {0, 1000, unlimited}, {0, 99, unlimited}, {50, 10, unlimited}, {90, 10, unlimited}, {99, 10, unlimited},
		{100, 10, unlimited}, {0, 100, 1}, {10, 100, 1000},
	} {
		after := uint64(0)
		if test.n > 0 {
			after = want[test.n-1].Log
		}
		got, more := loadLog(t, st, "a", after, test.limit, test.maxBytes)
		checkLogPage(t, fmt.Sprintf("LoadLog after the first %d, limit %d, %d bytes", test.n, test.limit, test.maxBytes),
			got, more, want[test.n:], test.limit, test.maxBytes)
	}
	if es, more := loadLog(t, st, "a", 1<<64-1, 10, unlimited); len(es) != 0 || more {
		t.Errorf("LoadLog after the largest place: got %d entries, more %t, want none", len(es), more)
	}
	c.wait(t)
}

// checkLogPage is checkPage for entries of a log, of which no more than Log and Message are said.
func checkLogPage(t *testing.T, what string, got []broker.Entry, more bool, all []broker.Entry, limit, maxBytes int) {
	t.Helper()
	got = slices.Clone(got)
	for i := range got {
		if got[i].Log == 0 {
			t.Errorf("%s: got no place, want one", what)
		}
		got[i] = broker.Entry{Seq: got[i].Seq, Log: got[i].Log, Message: got[i].Message}
	}
	checkPage(t, what, got, more, all, limit, maxBytes)
}

func testLogsApart(t *testing.T, st broker.Store) {
	apps := []string{"a", "", "ab", "b", "a\x00", "\x01a"}
	last := make(map[string]uint64)
	m := func(app string, i int) *broker.Message { return sharedMessage("t", fmt.Sprint(app, i)) }
	for i := range 10 {
		for _, app := range apps {
			last[app] = st.AppendLog(app, m(app, i), nil)
		}
	}
	for _, app := range apps {
		es, more := loadLog(t, st, app, 0, 100, unlimited)
		if len(es) != 10 || more || st.LogEnd(app) != last[app] || es[9].Log != last[app] {
			t.Fatalf("log of %q: got %d entries, more %t, end %d, want 10 entries, end %d", app, len(es), more, st.LogEnd(app), last[app])
		}
		for i := range es {
			if d := messageDifference(es[i].Message, m(app, i)); d != "" {
				t.Errorf("log of %q: entry %d: %s", app, i, d)
			}
		}
	}
}

// logMessages is how many messages a log holds. It may be some more for a while.
const logMessages = 1000

func testLogBounds(t *testing.T, st broker.Store) {
	const n = 3 * logMessages
	c := newCommits()
	var places []uint64
	st.AppendLog("other", sharedMessage("t", "stays"), c.next())
	for i := range n {
		places = append(places, st.AppendLog("a", sharedMessage("t", fmt.Sprint(i)), c.next()))
	}
	c.wait(t)
	es, more := loadLog(t, st, "a", 0, n, unlimited)
	if len(es) < logMessages || len(es) > logMessages*11/10 || more {
		t.Fatalf("log after %d messages: got %d, more %t, want about %d", n, len(es), more, logMessages)
	}
	left := n - len(es)
	for i, e := range es {
		if e.Log != places[left+i] || string(e.Message.Payload) != fmt.Sprint(left+i) {
			t.Fatalf("log after %d messages: entry %d: got place %d, %q, want place %d", n, i, e.Log, e.Message.Payload, places[left+i])
		}
	}
	for _, after := range []uint64{1, places[n/2], places[left] - 1} {
		first := slices.IndexFunc(es, func(e broker.Entry) bool { return e.Log > after })
		got, more := loadLog(t, st, "a", after, 10, unlimited)
		checkLogPage(t, fmt.Sprintf("LoadLog after %d", after), got, more, es[first:], 10, unlimited)
	}
	if got := st.LogEnd("a"); got != places[n-1] {
		t.Errorf("LogEnd: got %d, want %d", got, places[n-1])
	}
	if es, _ := loadLog(t, st, "other", 0, 10, unlimited); len(es) != 1 {
		t.Errorf("log of another App: got %d entries, want 1", len(es))
	}
}
