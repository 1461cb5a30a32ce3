package limits

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

func newRate(t testing.TB, cfg RateConfig) *Rate {
	t.Helper()
	r, err := NewRate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRate(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	type take struct {
		at              time.Duration
		messages, bytes int
		want            time.Duration
	}
	for _, tt := range []struct {
		name  string
		cfg   RateConfig
		takes []take
	}{
		{"no limit", RateConfig{}, []take{{0, 1e9, 1e9, 0}}},
		{"a burst, then the rate", RateConfig{Messages: 10, MessageBurst: 2}, []take{
			{0, 1, 9e9, 0}, {0, 1, 0, 0}, {0, 1, 0, 100 * ms}, {0, 1, 0, 200 * ms}, {200 * ms, 1, 0, 100 * ms}, {s, 2, 0, 0}}},
		{"silence saves no more than a burst", RateConfig{Messages: 10, MessageBurst: 2}, []take{{time.Hour, 2, 0, 0}, {time.Hour, 1, 0, 100 * ms}}},
		{"the burst is the rate", RateConfig{Messages: 10}, []take{{0, 10, 0, 0}, {0, 1, 0, 100 * ms}}},
		{"the burst of a slow rate is one", RateConfig{Messages: 0.5}, []take{{0, 1, 0, 0}, {0, 1, 0, 2 * s}}},
		{"bytes", RateConfig{Bytes: 1000, ByteBurst: 500}, []take{{0, 1, 500, 0}, {0, 1, 100, 100 * ms}}},
		{"more at once than a burst", RateConfig{Bytes: 1000, ByteBurst: 500}, []take{{0, 1, 1500, s}}},
		{"the longer pause counts", RateConfig{Messages: 1, Bytes: 1000}, []take{{0, 2, 3000, 2 * s}, {10 * s, 3, 1500, 2 * s}}},
		{"nothing", RateConfig{Messages: 1}, []take{{0, 0, 0, 0}, {0, -5, 0, 0}, {0, 1, 0, 0}}},
		{"a debt is bounded", RateConfig{Messages: 1}, []take{{0, math.MaxInt, math.MaxInt, time.Hour}, {time.Hour, 1, 0, s}}},
		{"thirds of nanoseconds", RateConfig{Messages: 3}, []take{{0, 1, 0, 0}, {0, 1, 0, 0}, {0, 1, 0, 0}, {s, 3, 0, 0}, {s + 1, 1, 0, 333333332}}},
		{"hardly ever", RateConfig{Messages: 1e-300, MessageBurst: math.MaxInt}, []take{{0, 1, 0, 0}, {0, 1, 0, time.Hour}}},
		{"a clock that stands far", RateConfig{Messages: 3}, []take{{365 * 24 * time.Hour, 3, 0, 0}}},
	} {
		r := newRate(t, tt.cfg)
		var m Meter
		for i, k := range tt.takes {
			if got := r.Take(&m, k.at, k.messages, k.bytes); got != k.want {
				t.Errorf("%s: step %d: got a pause of %v, want %v", tt.name, i, got, k.want)
			}
		}
	}
	var none *Rate
	if got := none.Take(nil, 0, 1, 1); got != 0 {
		t.Errorf("got %v without a Rate, want 0", got)
	}
}

func TestNewRateErrors(t *testing.T) {
	for _, cfg := range []RateConfig{{Messages: -1}, {Bytes: math.NaN()}, {Messages: math.Inf(1)}, {Bytes: 2e9}, {Messages: 1, MessageBurst: -1}, {ByteBurst: -1}} {
		if _, err := NewRate(cfg); err == nil {
			t.Errorf("%+v: got no error", cfg)
		}
	}
}

// A client that pauses when it is told to gets its rate: no more over any time, and no less over a long one.
func TestRateOverTime(t *testing.T) {
	rnd := randtest.New(t)
	for range 50 {
		cfg := RateConfig{Messages: 0.1 + 1000*rnd.Float64(), MessageBurst: 1 + rnd.IntN(50)}
		r := newRate(t, cfg)
		var m Meter
		var now time.Duration
		sent := 0
		for range 2000 {
			n := 1 + rnd.IntN(3)
			before := float64(cfg.MessageBurst) + cfg.Messages*now.Seconds()
			if float64(sent) > before+0.01 {
				t.Fatalf("%+v: %d messages in %v, want %.1f at most", cfg, sent, now, before)
			}
			sent += n
			now += r.Take(&m, now, n, 0)
		}
		if least := cfg.Messages * now.Seconds(); float64(sent) < least-0.01 {
			t.Errorf("%+v: got %d messages in %v, want %.1f at least", cfg, sent, now, least)
		}
	}
}

func TestMeterIsSmall(t *testing.T) {
	if got := unsafe.Sizeof(Meter{}); got > 24 {
		t.Errorf("got %d bytes, want 24 at most", got)
	}
	r := newRate(t, RateConfig{Messages: 10, Bytes: 1000})
	var m Meter
	if got := testing.AllocsPerRun(100, func() { r.Take(&m, time.Second, 1, 100) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func BenchmarkRate(b *testing.B) {
	r := newRate(b, RateConfig{Messages: 1e6, Bytes: 5e8})
	var m Meter
	now := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		now += time.Microsecond
		r.Take(&m, now, 1, 100)
	}
}
