package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var retainedTests = []test{
	{"retained", testRetained},
	{"retained messages", testRetainedMessages},
	{"many retained", testManyRetained},
}

// retainedDifference is messageDifference for a retained message.
func retainedDifference(got, want *broker.Message) string {
	if d := messageDifference(got, want); d != "" || want == nil {
		return d
	}
	if got.Publisher != want.Publisher {
		return fmt.Sprintf("publisher: got %q, want %q", got.Publisher, want.Publisher)
	}
	return ""
}

func fullRetained(name string) *broker.Message {
	return &broker.Message{
		TopicName: name, Payload: []byte("a payload"), QoS: 2, Retain: true, Properties: []byte{1, 2, 3},
		Expires: time.Now().Add(time.Hour).Truncate(time.Second), Publisher: "who",
	}
}

func testRetained(t *testing.T, st broker.Store) {
	c := newCommits()
	check := func(what string, want ...*broker.Message) {
		t.Helper()
		got := loadRetained(t, st, "a", "t", "t/u", "nothing")
		for i := range got {
			if d := retainedDifference(got[i], want[i]); d != "" {
				t.Errorf("%s: message %d: %s", what, i, d)
			}
		}
	}
	check("none", nil, nil, nil)
	full := fullRetained("t/u")
	st.SetRetained("a", "t", message("t", "1"), c.next())
	st.SetRetained("a", "t/u", full, c.next())
	st.SetRetained("b", "nothing", message("nothing", "of another App"), c.next())
	check("set", message("t", "1"), full, nil)
	st.SetRetained("a", "t", message("t", "2"), c.next())
	check("replaced", message("t", "2"), full, nil)
	st.SetRetained("a", "t", nil, c.next())
	st.SetRetained("a", "nothing", nil, c.next())
	check("deleted", nil, full, nil)
	st.SetRetained("a", "t", message("t", "3"), nil)
	st.SetRetained("a", "t", nil, nil)
	st.SetRetained("a", "t", message("t", "4"), nil)
	large := message("t/u", strings.Repeat("x", 200_000))
	st.SetRetained("a", "t/u", large, nil)
	check("set again", message("t", "4"), large, nil)
	shared := sharedMessage("t", "owed to many as well")
	shared.Retain, shared.Publisher = true, "who"
	mb := st.NewMailbox()
	appendTo(st, mb, 1, shared, c.next())
	st.SetRetained("a", "t", shared, c.next())
	st.Remove(mb, 1, shared.Body)
	check("with a Body", shared, large, nil)
	c.wait(t)
	if got := loadRetained(t, st, "a"); len(got) != 0 {
		t.Errorf("LoadRetained of no names: got %d messages, want 0", len(got))
	}
	twice := loadRetained(t, st, "a", "t", "nothing", "t")
	for i, want := range []*broker.Message{shared, nil, shared} {
		if d := retainedDifference(twice[i], want); d != "" {
			t.Errorf("a name that is asked for twice: message %d: %s", i, d)
		}
	}
}

// retainedName names a retained message.
type retainedName struct{ app, name string }

func testRetainedMessages(t *testing.T, st broker.Store) {
	c := newCommits()
	want := make(map[retainedName]*broker.Message)
	for _, app := range []string{"a", "b", ""} {
		for i := range 20 {
			name := fmt.Sprint("t/", i)
			st.SetRetained(app, name, message(name, "replaced"), c.next())
			if i%5 == 0 {
				st.SetRetained(app, name, nil, c.next())
				continue
			}
			m := fullRetained(name)
			m.Payload = fmt.Append(nil, app, i)
			want[retainedName{app, name}] = m
			st.SetRetained(app, name, m, c.next())
		}
	}
	c.wait(t)
	checkRetainedMessages(t, st, want)
}

// checkRetainedMessages compares what RetainedMessages tells with what there is.
func checkRetainedMessages(t *testing.T, st broker.Store, want map[retainedName]*broker.Message) {
	t.Helper()
	seen := make(map[retainedName]bool)
	err := st.RetainedMessages(func(app string, m *broker.Message) {
		name := retainedName{app, m.TopicName}
		if d := retainedDifference(m, want[name]); d != "" {
			t.Errorf("RetainedMessages: %q: %s", name, d)
		}
		if seen[name] {
			t.Errorf("RetainedMessages: %q came twice", name)
		}
		seen[name] = true
	})
	if err != nil {
		t.Errorf("RetainedMessages: got error %v, want nil", err)
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("RetainedMessages: %q did not come", name)
		}
	}
}

func testManyRetained(t *testing.T, st broker.Store) {
	const n = 2000
	c := newCommits()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("t/", i)
		st.SetRetained("a", names[i], message(names[i], fmt.Sprint(i)), c.next())
	}
	for i, m := range loadRetained(t, st, "a", names...) {
		if d := retainedDifference(m, message(names[i], fmt.Sprint(i))); d != "" {
			t.Errorf("message %d: %s", i, d)
		}
	}
	c.wait(t)
}
