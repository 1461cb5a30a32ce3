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

// Throttle is a broker.Throttle whose rates may change. It is for any number of goroutines.
type Throttle struct {
	rates atomic.Pointer[rateSet]

	mu    sync.Mutex
	meter map[string]*sharedMeter // by App, of those in which somebody has had a rate; guarded by mu
}

// rateSet is all rates at one time. It does not change.
type rateSet struct {
	def  appRates
	apps map[string]appRates
}

type appRates struct{ client, app *Rate }

// sharedMeter is a Meter of an App, for all its clients at once.
type sharedMeter struct {
	throttle        *Throttle // static
	app             string    // static
	messages, bytes atomic.Int64
}

var _ broker.Throttle = (*Throttle)(nil)

// NewThrottle returns a Throttle. The errors are NewRate's.
func NewThrottle(cfg ThrottleConfig) (*Throttle, error) {
	t := &Throttle{meter: make(map[string]*sharedMeter)}
	return t, t.Set(cfg)
}

// Set puts other rates into force in place of those before. For a client that has a Pace they hold from its next message on; one that
// has none, since it had no limit when it connected, gets one when it connects again. What has been published before counts. With an error, which is NewRate's, all
// is as before.
func (t *Throttle) Set(cfg ThrottleConfig) error {
	def, err := newAppRates(cfg.Default)
	if err != nil {
		return err
	}
	set := &rateSet{def: def, apps: make(map[string]appRates, len(cfg.Apps))}
	for name, rates := range maps.All(cfg.Apps) {
		if set.apps[name], err = newAppRates(rates); err != nil {
			return fmt.Errorf("app %q: %w", name, err)
		}
	}
	t.rates.Store(set)
	return nil
}

// of returns the rates of an App.
func (s *rateSet) of(app string) appRates {
	if r, own := s.apps[app]; own {
		return r
	}
	return s.def
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
	set := t.rates.Load()
	r := set.of(app)
	if r == (appRates{}) {
		return nil
	}
	return &pace{set: set, appRates: r, shared: t.meterOf(app)}
}

// meterOf returns the Meter of an App.
func (t *Throttle) meterOf(app string) *sharedMeter {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.meter[app]
	if m == nil {
		m = &sharedMeter{throttle: t, app: app}
		t.meter[app] = m
	}
	return m
}

// pace is how fast one connection has published. It implements broker.Pace.
type pace struct {
	set      *rateSet // of which appRates are
	appRates          // in force for the connection
	own      Meter
	shared   *sharedMeter
}

// Publish implements broker.Pace.
func (p *pace) Publish(now time.Duration, bytes int) (wait time.Duration) {
	if set := p.shared.throttle.rates.Load(); set != p.set {
		p.set, p.appRates = set, set.of(p.shared.app)
	}
	wait = p.client.Take(&p.own, now, 1, bytes)
	if p.app != nil {
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
