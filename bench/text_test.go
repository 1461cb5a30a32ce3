package bench

import (
	"os"
	"strings"
	"testing"
)

func TestResultWithProcess(t *testing.T) {
	url := (&fake{}).start(t, "tcp", "127.0.0.1:0")
	for _, m := range []Mode{Conn, P2P, Sparse, Durable} {
		o := small(m, url)
		o.PIDs = []int{os.Getpid()}
		r := checkRun(t, o)
		if r.Broker == nil || r.Broker.RSSBefore <= 0 || r.Broker.RSSAfter <= 0 {
			t.Fatalf("%s: got %+v, want the process's memory", m, r.Broker)
		}
		var b strings.Builder
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		want := []string{string(m), "connections", "broker memory", "generator"}
		if m != Conn {
			want = append(want, "deliveries", "acknowledged but lost  0", "µs a delivery")
		}
		if m == Durable {
			want = append(want, "PUBACK latency")
		}
		if m == Sparse {
			want = append(want, "generator lag")
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: got %s, want %q in it", m, b.String(), w)
			}
		}
	}
}

func TestLatencyString(t *testing.T) {
	for _, tt := range []struct {
		l    Latency
		want string
	}{
		{Latency{}, "p50 0s, p99 0s, p99.9 0s, max 0s (0 samples)"},
		{Latency{5, 12.34, 1234.5, 123456, 23456789}, "p50 12.3µs, p99 1.2345ms, p99.9 123.46ms, max 23.46s (5 samples)"},
	} {
		if got := tt.l.String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
