package badger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// receiptsOf returns the receipts that LoadSession finds.
func receiptsOf(t *testing.T, s *Store, key broker.SessionKey) ([]broker.PacketID, map[broker.PacketID]broker.PartialReceipt) {
	t.Helper()
	got := make(chan *broker.SessionRecord, 1)
	s.LoadSession(key, func(r *broker.SessionRecord, err error) {
		if err != nil {
			t.Errorf("LoadSession: got %v, want nil", err)
		}
		got <- r
	})
	r := <-got
	if r == nil {
		t.Fatal("LoadSession: got no record")
	}
	return r.Received, r.Partial
}

// TestReceiptParts stores a receipt in parts, and looks at what is left of them on disk: after a restart, in a backup, when it is
// complete, removed, or its mailbox ends.
func TestReceiptParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Dir: t.TempDir()}
		s := openForTest(t, o)
		key, mb := broker.SessionKey{App: "a", ClientID: "c"}, s.NewMailbox()
		s.SaveSession(key, &broker.SessionRecord{Mailbox: mb, Expiry: broker.NeverExpires}, nil)
		put(t, s, mb, math.MaxUint32, text("m"))
		add := func(id broker.PacketID, n int) {
			for part := range n {
				s.AddPartialReceipt(mb, id, part, broker.PartialReceipt{Print: 9, Given: []broker.Mailbox{broker.Mailbox(part)}}, nil)
			}
			flush(t, s)
		}
		wantKeys := func(what string, n int) {
			t.Helper()
			if got := keys(t, s)[kindMailbox]; got != n {
				t.Errorf("%s: got %d keys of the mailbox, want %d", what, got, n)
			}
		}
		check := func(what string) {
			t.Helper()
			received, partial := receiptsOf(t, s, key)
			if p := partial[7]; len(received) != 0 || len(partial) != 1 || p.Print != 9 || !slices.Equal(p.Given, []broker.Mailbox{0, 1, 2, 3}) {
				t.Errorf("%s: got receipts %v and %v, want one that names 0 to 3", what, received, partial)
			}
			r, err := s.Check(t.Context(), func(f Fault) { t.Errorf("%s: fault: %x: %v", what, f.Key, f.Err) })
			if err != nil || r.Receipts.Count != 1 || r.Entries.Count != 1 {
				t.Errorf("%s: Check: got %+v, %v, want one receipt, one entry", what, r, err)
			}
		}
		add(7, 4)
		check("stored")
		closeStore(t, s)
		s = openForTest(t, o)
		check("opened again")
		backup := dump(t, s)
		closeStore(t, s)
		o.Dir = filepath.Join(t.TempDir(), "restored")
		if err := Restore(t.Context(), o.Dir, bytes.NewReader(backup)); err != nil {
			t.Fatal(err)
		}
		s = openForTest(t, o)
		check("restored")
		wantKeys("restored", 1+4)
		add(7, 2)
		wantKeys("fewer parts", 1+2)
		s.AddReceipt(mb, 7, nil)
		flush(t, s)
		wantKeys("complete", 1+1)
		add(7, 3)
		s.RemoveReceipt(mb, 7, nil)
		flush(t, s)
		wantKeys("removed", 1)
		add(7, 3)
		add(65535, 3)
		wantKeys("two", 1+6)
		s.DeleteSession(key, mb, nil)
		flush(t, s)
		<-time.After(2 * pokeEvery)
		wantKeys("ended", 0)
		closeStore(t, s)
	})
}

// TestReceiptLeftovers reads parts in a state that only a transaction which was torn may leave, or a part 0 that was refused.
func TestReceiptLeftovers(t *testing.T) {
	value := func(print uint64, given ...byte) []byte {
		return append(binary.BigEndian.AppendUint64(nil, print), given...)
	}
	for _, tt := range []struct {
		name  string
		parts [][]byte // 0 first; nil is none
		want  string
	}{
		{"complete", [][]byte{{}, value(1, 2)}, "[1] map[]"},
		{"of another message", [][]byte{value(1, 2), value(2, 3), value(1, 4)}, "[] map[1:{1 [2 4]}]"},
		{"without the first", [][]byte{nil, value(1, 2), value(1, 3), value(2, 4)}, "[] map[1:{1 [2 3]}]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := openForTest(t, Options{Dir: t.TempDir()})
			defer closeStore(t, s)
			key, mb := broker.SessionKey{App: "a", ClientID: "c"}, s.NewMailbox()
			s.SaveSession(key, &broker.SessionRecord{Mailbox: mb, Expiry: broker.NeverExpires}, nil)
			for part, v := range tt.parts {
				if v != nil {
					s.q.push(&op{kind: opPut, cost: opCost, mb: mb, x: &opExtra{key: partKey(mb, 1, part), value: v}}, false)
				}
			}
			received, partial := receiptsOf(t, s, key)
			if got := fmt.Sprint(received, partial); got != tt.want {
				t.Errorf("%s: got receipts %s, want %s", tt.name, got, tt.want)
			}
			s.RemoveReceipt(mb, 1, nil)
			flush(t, s)
			if got := keys(t, s)[kindMailbox]; got != 0 {
				t.Errorf("%s, removed: got %d keys of the mailbox, want none", tt.name, got)
			}
		})
	}
}
