package limits

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func TestThrottle(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	th, err := NewThrottle(ThrottleConfig{
		Default: AppRates{Client: RateConfig{Messages: 10, MessageBurst: 1}, App: RateConfig{Messages: 20, MessageBurst: 2, Bytes: 1000}},
		Apps:    map[string]AppRates{"free": {}, "bytes": {Client: RateConfig{Bytes: 100}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := th.Pace("free", "c"); p != nil {
		t.Errorf("an App without limits: got %v, want none", p)
	}
	a, b, other := th.Pace("a", "1"), th.Pace("a", "2"), th.Pace("other", "1")
	own := th.Pace("bytes", "1")
	for i, tt := range []struct {
		p interface {
			Publish(time.Duration, int) time.Duration
		}
		at    time.Duration
		bytes int
		want  time.Duration
	}{
		{a, 0, 1, 0},
		{b, 0, 1, 0},
		{a, 0, 1, 100 * ms},      // its own rate is the slower
		{b, 50 * ms, 1, 50 * ms}, // one is back in the App's bucket, and this is another
		{other, 50 * ms, 1, 0},
		{other, 150 * ms, 2000, s}, // what its App may send in bytes
		{own, 0, 100, 0},
		{own, s, 200, s},
		{b, 10 * s, 1, 0},
	} {
		if got := tt.p.Publish(tt.at, tt.bytes); got.Round(ms) != tt.want {
			t.Errorf("step %d: got a pause of %v, want %v", i, got, tt.want)
		}
	}
}

func TestNewThrottle(t *testing.T) {
	th, err := NewThrottle(ThrottleConfig{Apps: map[string]AppRates{"a": {}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, app := range []string{"a", "b"} {
		if p := th.Pace(app, "c"); p != nil {
			t.Errorf("no limits: got %v for App %s, want none", p, app)
		}
	}
	for _, bad := range []AppRates{{Client: RateConfig{Messages: -1}}, {App: RateConfig{Bytes: math.NaN()}}} {
		if _, err := NewThrottle(ThrottleConfig{Default: bad}); err == nil {
			t.Errorf("%+v: got no error", bad)
		}
		if _, err := NewThrottle(ThrottleConfig{Apps: map[string]AppRates{"a": bad}}); err == nil {
			t.Errorf("%+v, of an App: got no error", bad)
		}
	}
}

// All connections of an App that publish at once count, and none twice.
func TestThrottleAtOnce(t *testing.T) {
	const clients, each = 8, 1000
	th, err := NewThrottle(ThrottleConfig{Default: AppRates{App: RateConfig{Messages: 1000, MessageBurst: clients * each / 2}}})
	if err != nil {
		t.Fatal(err)
	}
	var free atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			p := th.Pace("a", "c")
			for range each {
				if p.Publish(0, 1) == 0 {
					free.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := free.Load(); got != clients*each/2 {
		t.Errorf("%d messages were free, want %d", got, clients*each/2)
	}
	if got, want := th.Pace("a", "c").Publish(0, 1), clients*each/2*time.Millisecond+time.Millisecond; got != want {
		t.Errorf("got a pause of %v then, want %v", got, want)
	}
}

// Other rates hold for those who are connected from their next message on, and what they have published before counts.
func TestThrottleSet(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	slow := AppRates{Client: RateConfig{Messages: 10, MessageBurst: 1}}
	th, err := NewThrottle(ThrottleConfig{Default: slow})
	if err != nil {
		t.Fatal(err)
	}
	set := func(cfg ThrottleConfig) {
		t.Helper()
		if err := th.Set(cfg); err != nil {
			t.Fatal(err)
		}
	}
	a, b := th.Pace("a", "1"), th.Pace("b", "1")
	want := func(p broker.Pace, at, want time.Duration) {
		t.Helper()
		if got := p.Publish(at, 1); got.Round(ms) != want {
			t.Errorf("at %v: got a pause of %v, want %v", at, got, want)
		}
	}
	want(a, 0, 0)
	want(a, 0, 100*ms)
	set(ThrottleConfig{Default: AppRates{Client: RateConfig{Messages: 1, MessageBurst: 1}}})
	want(a, 100*ms, 100*ms) // what is left of before
	want(b, 100*ms, 0)
	want(b, 100*ms, s)
	set(ThrottleConfig{Default: slow, Apps: map[string]AppRates{"a": {}, "c": {App: RateConfig{Messages: 1, MessageBurst: 1}}}})
	want(a, 200*ms, 0) // has no limit now
	want(a, 200*ms, 0)
	if p := th.Pace("a", "2"); p != nil {
		t.Errorf("got %v for a newcomer, want none", p)
	}
	c := th.Pace("c", "1")
	want(c, 0, 0)
	want(th.Pace("c", "2"), 0, s)
	if err := th.Set(ThrottleConfig{Default: AppRates{Client: RateConfig{Messages: -1}}}); err == nil {
		t.Error("a negative rate: got no error")
	}
	if err := th.Set(ThrottleConfig{Apps: map[string]AppRates{"a": {Client: RateConfig{Bytes: -1}}}}); err == nil {
		t.Error("a negative rate of an App: got no error")
	}
	want(c, s, s) // as before: its App owes one
	set(ThrottleConfig{Default: AppRates{App: RateConfig{Messages: 1000}}})
	want(c, 3*s, 0)
}

// Rates change while many publish: each message is paced by the ones or the others.
func TestThrottleSetAtOnce(t *testing.T) {
	of := func(n float64) ThrottleConfig {
		return ThrottleConfig{Default: AppRates{Client: RateConfig{Messages: n, MessageBurst: 1}, App: RateConfig{Bytes: n}}}
	}
	th, err := NewThrottle(of(10))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			p := th.Pace("a", "c")
			for range 1000 {
				if got := p.Publish(0, 0); got < 0 || got > time.Hour {
					t.Errorf("got a pause of %v", got)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 1000 {
			if err := th.Set(of(float64(i%2*90 + 10))); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}
