package main

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/holdfast-mqtt/holdfast/center"
)

func TestStoreStats(t *testing.T) {
	dir := fillData(t)
	code, stdout, stderr := run(t, "", "store", "stats", "--data", dir)
	for _, want := range []string{`(?m)^ *1 +\d+ B  Sessions$`, `(?m)^ *2 +\d+ B  messages in mailboxes$`, `(?m)^ *1 +\d+ B  retained messages$`} {
		if code != exitOK || stderr != "" || !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("stats: got %d, %q, %q, want a line like %s", code, stdout, stderr, want)
		}
	}
	stopped := statsJSON(t, "--data", dir)
	if stopped.Activity != nil {
		t.Errorf("of a stopped node: got activity %+v, want none", stopped.Activity)
	}
	d := startDurable(t, dir)
	mustPub(t, d.port, "-t", "door/sign", "-r", "-q", "1", "-m", "closed")
	running := statsJSON(t, "--api", d.api)
	if running.Activity == nil || running.Activity.Commits == 0 || len(running.Activity.CommitLatency) == 0 {
		t.Errorf("of a running node: got activity %+v, want commits", running.Activity)
	}
	for _, r := range []center.StoreReport{stopped, running} {
		u := r.Usage
		if u == nil {
			t.Fatal("got no usage")
		}
		if u.Sessions.Count != 1 || u.Entries.Count != 2 || u.Mailboxes != 1 || u.Retained.Bytes == 0 {
			t.Errorf("got usage %+v, want one Session, two messages in one mailbox, and retained ones", u)
		}
	}
	if code, stdout, _ := run(t, "", "store", "stats", "--api", d.api); code != exitOK || !regexp.MustCompile(`(?m)^ *\d+ +[\d.]+[mµ]?s each  commits since the start$`).MatchString(stdout) {
		t.Errorf("of a running node: got %d, %q, want its commits", code, stdout)
	}
}

func statsJSON(t *testing.T, args ...string) (r center.StoreReport) {
	t.Helper()
	code, stdout, stderr := run(t, "", append([]string{"store", "stats", "--format", "json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != exitOK {
		t.Fatalf("stats %q: got %d, %q, %q, %v, want JSON", args, code, stdout, stderr, err)
	}
	return r
}

func TestBinaryBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 5 << 30: "5.0 GiB", 1 << 50: "1024.0 TiB",
	} {
		if got := binaryBytes(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
