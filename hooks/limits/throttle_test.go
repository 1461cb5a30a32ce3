package limits

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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
	if th, err := NewThrottle(ThrottleConfig{Apps: map[string]AppRates{"a": {}}}); th != nil || err != nil {
		t.Errorf("no limits: got %v, %v, want nil", th, err)
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
