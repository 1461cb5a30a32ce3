package main

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	bdb "github.com/dgraph-io/badger/v4"
)

// damage makes one retained message unreadable and returns its key in hexadecimal.
func damage(t *testing.T, dir string) string {
	t.Helper()
	db, err := bdb.Open(bdb.DefaultOptions(dir).WithLogger(nil).WithMetricsEnabled(false))
	if err != nil {
		t.Fatal(err)
	}
	var key []byte
	err = db.Update(func(txn *bdb.Txn) error {
		it := txn.NewIterator(bdb.IteratorOptions{Prefix: []byte("r")})
		it.Rewind()
		key = it.Item().KeyCopy(nil)
		it.Close()
		return txn.Set(key, []byte{0xFF})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(key)
}

func TestStoreCheck(t *testing.T) {
	dir := fillData(t)
	for _, args := range [][]string{{"--data", dir}, {"--api", ""}} {
		if args[0] == "--api" {
			args[1] = startDurable(t, dir).api
		}
		code, stdout, stderr := run(t, "", append([]string{"store", "check"}, args...)...)
		if code != exitOK || !strings.Contains(stdout, " keys, 0 damaged, 0 unneeded\n") || stderr != "" {
			t.Errorf("check %q: got %d, %q, %q, want 0 damaged", args, code, stdout, stderr)
		}
	}
}

func TestStoreCheckFindsDamage(t *testing.T) {
	dir := fillData(t)
	key := damage(t, dir)
	for _, args := range [][]string{{"--data", dir}, {"--api", ""}} {
		if args[0] == "--api" {
			args[1] = startDurable(t, dir).api
		}
		code, stdout, stderr := run(t, "", append([]string{"store", "check"}, args...)...)
		if code != exitFailure || !strings.Contains(stdout, "damaged: "+key+": ") || !strings.Contains(stdout, " keys, 1 damaged, 0 unneeded\n") {
			t.Errorf("check %q: got %d, %q, %q, want the key %s", args, code, stdout, stderr, key)
		}
		code, stdout, _ = run(t, "", append([]string{"store", "check", "--format", "json"}, args...)...)
		var r checkReport
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatalf("check %q: %v in %q", args, err, stdout)
		}
		if code != exitFailure || r.Faults != 1 || len(r.Damaged) != 1 || r.Damaged[0].Key != key || r.Usage.Sessions.Count != 1 {
			t.Errorf("check %q: got %d, %+v, want the key %s", args, code, r, key)
		}
	}
}
