package memory

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestExpiredLeave adds Sessions and retained messages that expire, each under a name of its own, and never asks for them again. They
// must not stay for ever.
func TestExpiredLeave(t *testing.T) {
	now := time.Now()
	st := NewWithClock(func() time.Time { return now })
	const lasting, passing = 1000, 100_000
	for i := range lasting {
		st.SaveSession(broker.SessionKey{App: "a", ClientID: fmt.Sprint("lasting", i)}, &broker.SessionRecord{Mailbox: st.NewMailbox(), Expiry: 60}, nil)
		st.SetRetained("a", fmt.Sprint("lasting/", i), &broker.Message{Payload: []byte("m")}, nil)
	}
	for i := range passing {
		now = now.Add(time.Second)
		mb := st.NewMailbox()
		st.Append(mb, &broker.Entry{Seq: 1, Message: &broker.Message{TopicName: "t"}}, nil)
		st.SaveSession(broker.SessionKey{App: "a", ClientID: fmt.Sprint("c", i)}, &broker.SessionRecord{Mailbox: mb, Expiry: 60, SleptAt: now.UnixMilli()}, nil)
		st.SetRetained("a", fmt.Sprint("c/", i), &broker.Message{Payload: []byte("m"), Expires: now.Add(time.Minute)}, nil)
	}
	records := 0
	for i := range st.records {
		records += len(st.records[i].records)
	}
	const most = 2*(lasting+60) + smallMap*shards
	if records < lasting || records > most {
		t.Errorf("records: got %d, want between %d and %d", records, lasting, most)
	}
	if got := st.Mailboxes(); got > most {
		t.Errorf("mailboxes: got %d, want at most %d", got, most)
	}
	if got := len(st.retained.messages); got < lasting || got > most {
		t.Errorf("retained messages: got %d, want between %d and %d", got, lasting, most)
	}
}
