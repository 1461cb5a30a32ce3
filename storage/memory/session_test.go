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

// TestExpiredMessages fills mailboxes with messages that expire: of many none stay but those of QoS 2, whose exchange may have
// begun.
func TestExpiredMessages(t *testing.T) {
	for _, tt := range []struct{ messages, stay int }{{64, 64}, {65, 2}, {1000, 2}} {
		synctest.Test(t, func(t *testing.T) {
			st := memory.New()
			key, mb := broker.SessionKey{App: "a", ClientID: "c"}, st.NewMailbox()
			st.SaveSession(key, &broker.SessionRecord{Mailbox: mb, Expiry: broker.NeverExpires}, nil)
			for seq := 1; seq <= tt.messages; seq++ {
				e := &broker.Entry{Seq: uint64(seq), QoS: 1, Message: &broker.Message{TopicName: "t", Expires: time.Now().Add(time.Minute)}}
				switch seq {
				case 2:
					e.Message.Expires = time.Time{}
				case 3:
					e.QoS = 2
				}
				st.Append(mb, e, nil)
			}
			for _, want := range []int{tt.messages, tt.stay} {
				st.LoadSession(key, func(r *broker.SessionRecord, err error) {
					if err != nil || r.Count != want || r.Next != uint64(tt.messages+1) {
						t.Errorf("got %d messages, the next one %d, error %v, want %d, %d, nil", r.Count, r.Next, err, want, tt.messages+1)
					}
				})
				time.Sleep(time.Minute)
			}
			st.Load(mb, 0, 10_000, 1<<30, func(es []broker.Entry, _ bool, err error) {
				if err != nil || len(es) != tt.stay {
					t.Errorf("of %d messages %d stay, error %v, want %d", tt.messages, len(es), err, tt.stay)
				}
			})
		})
	}
}
