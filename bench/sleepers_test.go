package bench

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asleep returns options of sleepers against f.
func asleep(t *testing.T, f *fake) Options {
	t.Helper()
	o := small(Sleepers, f.start(t, "tcp", "127.0.0.1:0"))
	o.Drain = 100 * time.Millisecond
	return o
}

func TestSleepers(t *testing.T) {
	f := &fake{}
	o := asleep(t, f)
	o.PIDs, o.DataDir = []int{os.Getpid()}, t.TempDir()
	r := checkRun(t, o)
	s := r.Sleepers
	if s.Sessions != o.Clients || s.Acknowledged != 4 || s.Published != 4 || s.AckLatency.Samples != 4 {
		t.Errorf("got %+v, want %d Sessions and 4 messages, timed", *s, o.Clients)
	}
	if s.WakeSeconds <= 0 || r.Messages.Received != uint64(4*o.Clients) || s.RSSAsleep <= 0 {
		t.Errorf("got %+v, %+v, want all woken and memory measured", *s, *r.Messages)
	}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"sleeping Session", "4 message(s), 4 acknowledged", "PUBACK latency", "data directory", "woken", "acknowledged but lost  0"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got %s, want %q in it", b.String(), want)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.away) != 0 {
		t.Errorf("got %d Sessions left, want none", len(f.away))
	}
	if want := 3*o.Clients + 1; len(f.clean) != want {
		t.Errorf("got %d CONNECTs, want %d: each client to subscribe, to wake and to be removed, and the publisher", len(f.clean), want)
	}
}

func TestSleepersLeftAsleep(t *testing.T) {
	f := &fake{}
	o := asleep(t, f)
	o.Wake, o.KeepSessions, o.PIDs = false, true, []int{os.Getpid()}
	r, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Messages != nil || r.Sleepers.WakeSeconds != 0 || r.Sleepers.Acknowledged != 4 {
		t.Errorf("got %+v, %+v, want messages sent and nobody woken", r.Messages, r.Sleepers)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, s := range f.away {
		if len(s.queue) != 4 {
			t.Errorf("%s: got %d messages waiting, want 4", id, len(s.queue))
		}
	}
	if len(f.away) != o.Clients {
		t.Errorf("got %d Sessions left, want %d", len(f.away), o.Clients)
	}
	if err := r.WriteText(new(strings.Builder)); err != nil {
		t.Error(err)
	}
}

// TestSleepersAccounting checks that a broker which does wrong is told from one that
// does not.
func TestSleepersAccounting(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		fate                 fate
		received, lost, dups uint64
	}{
		{"loses one", fate{}, 60, 20, 0},
		{"delivers one twice", fate{copies: 2}, 80, 0, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{fate: func(n int) fate { return tt.fate.or(n != 2) }}
			r, err := Run(t.Context(), asleep(t, f), nil)
			if err != nil {
				t.Fatal(err)
			}
			if s := r.Messages; s.Received != tt.received || s.Lost != tt.lost || s.Duplicates != tt.dups {
				t.Errorf("got %d received, %d lost, %d duplicates, want %d, %d, %d", s.Received, s.Lost, s.Duplicates, tt.received, tt.lost, tt.dups)
			}
		})
	}
}

func TestSleepersFaults(t *testing.T) {
	for _, tt := range []struct {
		name string
		fake *fake
		set  func(*Options)
		is   error
		want string
	}{
		{"forgets Sessions", &fake{forgets: true}, func(*Options) {}, ErrSessionLost, "Session Present is 0"},
		{"acknowledges nothing", &fake{fate: func(int) fate { return fate{noAck: true} }},
			func(o *Options) { o.ConnectTimeout = 100 * time.Millisecond }, ErrStalled, "0 of 4 messages acknowledged"},
		{"no such directory", &fake{}, func(o *Options) { o.DataDir = "/does/not/exist" }, os.ErrNotExist, "data directory"},
		{"no such process", &fake{}, func(o *Options) { o.PIDs = []int{1 << 30} }, os.ErrNotExist, "measure process"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := asleep(t, tt.fake)
			tt.set(&o)
			if _, err := Run(t.Context(), o, nil); !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %v with %q", err, tt.is, tt.want)
			}
		})
	}
}

func TestParseIO(t *testing.T) {
	for _, tt := range []struct {
		io   string
		want int64 // 0: an error
	}{
		{"rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 9\n", 4096},
		{"write_bytes: x\n", 0},
		{"cancelled_write_bytes: 9\n", 0},
	} {
		got, err := parseIO([]byte(tt.io))
		if got != tt.want || (err != nil) != (tt.want == 0) {
			t.Errorf("%q: got %d, %v, want %d", tt.io, got, err, tt.want)
		}
	}
}

func TestReadWritten(t *testing.T) {
	dir := t.TempDir()
	before, err := readWritten([]int{os.Getpid()}, dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// A sparse file: of 1 MiB, 64 KiB are written.
	for _, do := range []func() error{
		func() error { return f.Truncate(1 << 20) },
		func() error { _, err := f.Write(make([]byte, 64<<10)); return err },
		f.Sync,
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	after, err := readWritten([]int{os.Getpid()}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := after.directory - before.directory; got < 64<<10 || got >= 1<<20 {
		t.Errorf("got the directory grown by %d bytes, want those that were written, 65536 or a little more", got)
	}
	if after.system < before.system {
		t.Errorf("got %d bytes written after %d, want no less", after.system, before.system)
	}
}
