package badger

import (
	"bytes"
	"errors"
	"testing"
)

func TestVerifyBackup(t *testing.T) {
	s := openForTest(t, Options{Dir: t.TempDir()})
	put(t, s, s.NewMailbox(), 1, shared("m"))
	backup := dump(t, s)
	closeStore(t, s)
	if keys, err := VerifyBackup(bytes.NewReader(backup)); err != nil || keys < 2 {
		t.Errorf("whole: got %d, %v, want the entry, its body and no error", keys, err)
	}
	for _, n := range []int{0, 1, len(backup) / 2, len(backup) - 1} {
		if _, err := VerifyBackup(bytes.NewReader(backup[:n])); !errors.Is(err, ErrBackup) {
			t.Errorf("the first %d of %d bytes: got %v, want %v", n, len(backup), err, ErrBackup)
		}
	}
	backup[len(backup)/2] ^= 1
	if _, err := VerifyBackup(bytes.NewReader(backup)); !errors.Is(err, ErrBackup) {
		t.Errorf("one bit changed: got %v, want %v", err, ErrBackup)
	}
}
