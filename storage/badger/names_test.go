package badger

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestLongNames uses Client Identifiers, Topic Names and Apps that do not fit into a key.
func TestLongNames(t *testing.T) {
	dir := t.TempDir()
	s := openForTest(t, Options{Dir: dir})
	var names []string
	for _, n := range []int{maxName - 2, maxName - 1, maxName, 65534, 65535} {
		names = append(names, strings.Repeat("x", n), strings.Repeat("x", n-1)+"y")
	}
	for _, n := range names {
		s.SaveSession(broker.SessionKey{App: "a", ClientID: n}, &broker.SessionRecord{Expiry: uint32(len(n))}, nil)
		m := text(n)
		m.TopicName = n
		s.SetRetained("a", n, m, nil)
	}
	flush(t, s)
	closeStore(t, s)
	s = openForTest(t, Options{Dir: dir})
	defer closeStore(t, s)
	var got []string
	err := s.Sessions(func(k broker.SessionKey, r *broker.SessionRecord) {
		got = append(got, k.ClientID)
		if k.App != "a" || int(r.Expiry) != len(k.ClientID) {
			t.Errorf("Sessions: got %q with expiry %d, want %d", k.App, r.Expiry, len(k.ClientID))
		}
	})
	slices.Sort(names)
	if slices.Sort(got); err != nil || !slices.Equal(got, names) {
		t.Errorf("Sessions: got %d names, %v, want %d", len(got), err, len(names))
	}
	got = nil
	err = s.RetainedMessages(func(app string, m *broker.Message) {
		if got = append(got, m.TopicName); app != "a" || string(m.Payload) != m.TopicName {
			t.Errorf("RetainedMessages: got App %q and %d bytes of payload, want %d", app, len(m.Payload), len(m.TopicName))
		}
	})
	if slices.Sort(got); err != nil || !slices.Equal(got, names) {
		t.Errorf("RetainedMessages: got %d names, %v, want %d", len(got), err, len(names))
	}
	checkLongNames(t, s, names)
}

// checkLongNames loads what is stored under each name, and deletes it.
func checkLongNames(t *testing.T, s *Store, names []string) {
	t.Helper()
	ms := make(chan []*broker.Message, 1)
	s.LoadRetained("a", names, func(got []*broker.Message, err error) { ms <- got })
	for i, m := range <-ms {
		if m == nil || m.TopicName != names[i] {
			t.Errorf("LoadRetained of %d bytes: got %v, want it", len(names[i]), m)
		}
	}
	for _, n := range names {
		key := broker.SessionKey{App: "a", ClientID: n}
		r := make(chan *broker.SessionRecord, 1)
		s.LoadSession(key, func(got *broker.SessionRecord, err error) { r <- got })
		if got := <-r; got == nil {
			t.Errorf("LoadSession of %d bytes: got none, want one", len(n))
		}
		s.DeleteSession(key, 0, nil)
		s.SetRetained("a", n, nil, nil)
	}
	if got := keys(t, s); len(got) != 0 {
		t.Errorf("keys when all is deleted: got %v, want none", got)
	}
	refused := newResult()
	s.AppendLog(strings.Repeat("x", maxName+1), shared("m"), refused)
	if err := <-refused; err == nil {
		t.Error("AppendLog of an App with a long name: got nil, want an error")
	}
}
