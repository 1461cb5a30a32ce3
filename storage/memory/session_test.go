package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// TestExpiredSession lets a Session sleep until it has ended, and looks at what is left of it.
func TestExpiredSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		key, mb := broker.SessionKey{App: "a", ClientID: "c"}, st.NewMailbox()
		st.Append(mb, &broker.Entry{Seq: 1, Message: &broker.Message{TopicName: "t"}}, nil)
		st.SaveSession(key, &broker.SessionRecord{Mailbox: mb, Expiry: 60, SleptAt: time.Now().UnixMilli()}, nil)
		for _, want := range []bool{true, false} {
			time.Sleep(60*time.Second - time.Millisecond)
			st.LoadSession(key, func(r *broker.SessionRecord, err error) {
				if got := r != nil; got != want || err != nil {
					t.Errorf("got record: %t, error %v, want record: %t", got, err, want)
				}
			})
		}
		if got := st.Mailboxes(); got != 0 {
			t.Errorf("mailboxes of a Session that has ended: got %d, want 0", got)
		}
	})
}

// TestEmptyMailboxCostsNothing has all of a mailbox leave.
func TestEmptyMailboxCostsNothing(t *testing.T) {
	st := memory.New()
	for range 100 {
		mb := st.NewMailbox()
		e := &broker.Entry{Seq: 1, Message: &broker.Message{TopicName: "t"}}
		st.Append(mb, e, nil)
		st.AddReceipt(mb, 1, nil)
		st.Released(mb, 1, nil)
		st.Remove(mb, 1, nil)
		if got := st.Mailboxes(); got != 1 {
			t.Fatalf("mailboxes with a receipt: got %d, want 1", got)
		}
		st.RemoveReceipt(mb, 1, nil)
		st.Released(mb, 1, nil)
		if got := st.Mailboxes(); got != 0 {
			t.Fatalf("mailboxes: got %d, want 0", got)
		}
	}
}
