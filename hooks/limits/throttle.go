package limits

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// AppRates are how fast the clients of an App may publish.
type AppRates struct {
	Client RateConfig // each connection
	App    RateConfig // all of them together
}

// ThrottleConfig says how fast clients may publish.
type ThrottleConfig struct {
	Default AppRates
	Apps    map[string]AppRates // those of Apps that have others, by name
}

// Throttle is a broker.Throttle. It is for any number of goroutines.
type Throttle struct {
	// static
	def  appRates
	apps map[string]appRates

	mu     sync.Mutex
	levels map[string]*sharedMeter // by App, of those that have a rate; guarded by mu
}

type appRates struct{ client, app *Rate }

// sharedMeter is a Meter of an App, for all its clients at once.
type sharedMeter struct{ messages, bytes atomic.Int64 }

var _ broker.Throttle = (*Throttle)(nil)

// NewThrottle returns a Throttle; nil if nothing has a limit. The errors are NewRate's.
func NewThrottle(cfg ThrottleConfig) (*Throttle, error) {
	t := &Throttle{apps: make(map[string]appRates), levels: make(map[string]*sharedMeter)}
	var err error
	if t.def, err = newAppRates(cfg.Default); err != nil {
		return nil, err
	}
	limited := t.def != appRates{}
	for name, rates := range maps.All(cfg.Apps) {
		r, err := newAppRates(rates)
		if err != nil {
			return nil, fmt.Errorf("app %q: %w", name, err)
		}
		t.apps[name] = r
		limited = limited || r != appRates{}
	}
	if !limited {
		return nil, nil
	}
	return t, nil
}

func newAppRates(r AppRates) (appRates, error) {
	client, err1 := NewRate(r.Client)
	app, err2 := NewRate(r.App)
	return appRates{client.orNil(), app.orNil()}, errors.Join(err1, err2)
}

// orNil is nil instead of a Rate without limits.
func (r *Rate) orNil() *Rate {
	if r == nil || *r == (Rate{}) {
		return nil
	}
	return r
}

// Pace implements broker.Throttle.
func (t *Throttle) Pace(app, _ string) broker.Pace {
	r, own := t.apps[app]
	if !own {
		r = t.def
	}
	if r == (appRates{}) {
		return nil
	}
	p := &pace{appRates: r}
	if r.app != nil {
		p.shared = t.level(app)
	}
	return p
}

// level returns the Meter of an App.
func (t *Throttle) level(app string) *sharedMeter {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.levels[app]
	if m == nil {
		m = new(sharedMeter)
		t.levels[app] = m
	}
	return m
}

// pace is how fast one connection has published. It implements broker.Pace.
type pace struct {
	appRates
	own    Meter
	shared *sharedMeter // nil if the App has no rate
}

// Publish implements broker.Pace.
func (p *pace) Publish(now time.Duration, bytes int) (wait time.Duration) {
	wait = p.client.Take(&p.own, now, 1, bytes)
	if p.shared != nil {
		wait = max(wait,
			p.app.messages.takeShared(&p.shared.messages, now, 1),
			p.app.bytes.takeShared(&p.shared.bytes, now, bytes))
	}
	return wait
}

// takeShared is take, from a bucket that others take from at the same time. Their clocks may differ a little.
func (b bucket) takeShared(full *atomic.Int64, now time.Duration, n int) (wait time.Duration) {
	for {
		old := full.Load()
		level := time.Duration(old)
		wait = b.take(&level, now, n)
		if full.CompareAndSwap(old, int64(level)) {
			return wait
		}
	}
}
