package badger

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/v1.backup anew: only before version 1 of the layout is released")

// TestLayout1 opens what a program that knew version 1 of the layout has stored.
func TestLayout1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which it is always the same day
		const file = "testdata/v1.backup"
		if *rewrite {
			s := openForTest(t, Options{Dir: t.TempDir()})
			fill(t, s, 1)
			b := dump(t, s)
			closeStore(t, s)
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "data")
		if err := Restore(t.Context(), dir, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		s := openForTest(t, Options{Dir: dir})
		defer closeStore(t, s)
		r, err := s.Check(t.Context(), func(f Fault) { t.Errorf("fault: %x: %v", f.Key, f.Err) })
		if want := [...]int64{20, 20, 40, 20, 20, 1, 20, 20}; err != nil || counts(r.Usage) != want {
			t.Errorf("Check: got %v, %v, want %v", counts(r.Usage), err, want)
		}
		n := 0
		err = s.Sessions(func(_ broker.SessionKey, rec *broker.SessionRecord) {
			n++
			es := loadAll(t, s, rec.Mailbox)
			if len(es) != 2 || string(es[0].Message.Payload) != "shared" || es[0].Group != "$share/g/f" || len(es[0].SubscriptionIDs) != 2 {
				t.Errorf("mailbox %d: got %+v, want two entries, the first one shared", rec.Mailbox, es)
			}
			if string(rec.Will.Message.Payload) != "will" {
				t.Errorf("Will: got %+v", rec.Will)
			}
		})
		if err != nil || n != 20 {
			t.Errorf("Sessions: got %d, %v, want 20", n, err)
		}
		if got := len(loadLog(t, s, "a", 0)); got != 20 {
			t.Errorf("log: got %d messages, want 20", got)
		}
	})
}
