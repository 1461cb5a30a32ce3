package limits

import (
	"errors"
	"math"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

func newAdmission(t testing.TB, cfg AdmissionConfig) *Admission {
	t.Helper()
	a, err := NewAdmission(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestAdmissionCounts(t *testing.T) {
	type try struct {
		listener string
		addr     netip.Addr
		want     Refused
	}
	for _, tt := range []struct {
		name  string
		cfg   AdmissionConfig
		tries []try
	}{
		{"no limits", AdmissionConfig{}, []try{{"l", ip("10.0.0.1"), 0}, {"l", ip("10.0.0.1"), 0}, {"l", netip.Addr{}, 0}}},
		{"node", AdmissionConfig{MaxConnections: 2}, []try{{"l", ip("10.0.0.1"), 0}, {"m", netip.Addr{}, 0}, {"l", ip("10.0.0.2"), NodeFull}}},
		{"listener", AdmissionConfig{Listeners: map[string]ListenerConfig{"l": {MaxConnections: 1}}}, []try{
			{"l", ip("10.0.0.1"), 0}, {"l", ip("10.0.0.2"), ListenerFull}, {"m", ip("10.0.0.2"), 0}, {"m", ip("10.0.0.2"), 0}}},
		{"address", AdmissionConfig{MaxPerAddress: 1}, []try{
			{"l", ip("10.0.0.1"), 0}, {"m", ip("::ffff:10.0.0.1"), AddressFull}, {"l", ip("10.0.0.2"), 0},
			{"l", ip("2001:db8::1"), 0}, {"l", ip("2001:db8::2"), AddressFull}, {"l", ip("2001:db8:0:1::1"), 0},
			{"l", netip.Addr{}, 0}, {"l", netip.Addr{}, 0}}},
		{"all addresses in use", AdmissionConfig{MaxPerAddress: 5, MaxAddresses: 1}, []try{{"l", ip("10.0.0.1"), 0}, {"l", ip("10.0.0.2"), TableFull}, {"l", ip("10.0.0.1"), 0}}},
	} {
		a := newAdmission(t, tt.cfg)
		var releases []func()
		for i, try := range tt.tries {
			release, err := a.Admit(0, try.listener, try.addr)
			if (try.want == 0) != (err == nil) || err != nil && !errors.Is(err, try.want) || (release == nil) != (err != nil) {
				t.Errorf("%s: step %d: got %v, want %v", tt.name, i, err, try.want)
			}
			if try.want != 0 && a.Stats().Refused[try.want] == 0 {
				t.Errorf("%s: step %d: the refusal is not counted", tt.name, i)
			}
			if release != nil {
				releases = append(releases, release)
			}
		}
		if got := a.Stats().Connections; got != len(releases) {
			t.Errorf("%s: got %d connections, want %d", tt.name, got, len(releases))
		}
		for _, release := range releases {
			release()
			release() // does nothing
		}
		if got := a.Stats(); got.Connections != 0 || got.Listeners["l"] != 0 {
			t.Errorf("%s: got %+v in the end, want none", tt.name, got)
		}
		if _, err := a.Admit(0, tt.tries[0].listener, tt.tries[0].addr); err != nil {
			t.Errorf("%s: got %v after all were released", tt.name, err)
		}
	}
}

// A listener's own rate is kept besides the node's; what it refuses uses up neither.
func TestAdmissionListenerRate(t *testing.T) {
	a := newAdmission(t, AdmissionConfig{Rate: 3, Listeners: map[string]ListenerConfig{"l": {Rate: 1, Burst: 2}, "m": {Rate: 0.5}}})
	for i, tt := range []struct {
		at       time.Duration
		listener string
		want     Refused
	}{
		{0, "l", 0}, {0, "l", 0}, {0, "l", ListenerRate}, {0, "l", ListenerRate}, {0, "m", 0}, {0, "other", NodeRate},
		{time.Second, "l", 0}, {time.Second, "l", ListenerRate}, {time.Second, "m", ListenerRate}, {time.Second, "other", 0}, {2 * time.Second, "m", 0},
	} {
		if _, err := a.Admit(tt.at, tt.listener, ip("10.0.0.1")); (tt.want == 0) != (err == nil) || err != nil && !errors.Is(err, tt.want) {
			t.Errorf("step %d: got %v, want %v", i, err, tt.want)
		}
	}
	if got := a.Stats().Listeners; !reflect.DeepEqual(got, map[string]int{"l": 3, "m": 2}) {
		t.Errorf("got %v connections", got)
	}
}

func TestAdmissionRates(t *testing.T) {
	const s = time.Second
	a := newAdmission(t, AdmissionConfig{Rate: 10, Burst: 4, AddressRate: 1, AddressBurst: 2})
	for i, tt := range []struct {
		at   time.Duration
		addr string
		want error
	}{
		{0, "10.0.0.1", nil}, {0, "10.0.0.1", nil}, {0, "10.0.0.1", AddressRate}, {0, "10.0.0.1", AddressRate},
		{0, "10.0.0.2", nil}, {0, "10.0.0.3", nil}, {0, "10.0.0.4", NodeRate}, // what was refused did not count
		{100 * time.Millisecond, "10.0.0.4", nil}, {100 * time.Millisecond, "10.0.0.5", NodeRate},
		{s - 1, "10.0.0.1", AddressRate}, {s + 2, "10.0.0.1", nil}, {s + 2, "10.0.0.1", AddressRate},
		{time.Hour, "10.0.0.1", nil}, {time.Hour, "10.0.0.1", nil}, {time.Hour, "10.0.0.1", AddressRate},
	} {
		if _, err := a.Admit(tt.at, "l", ip(tt.addr)); !errors.Is(err, tt.want) {
			t.Errorf("step %d: got %v, want %v", i, err, tt.want)
		}
	}
}

// Addresses are forgotten once they are not connected and have not come too often of late; if there are too many, before that.
func TestAdmissionForgets(t *testing.T) {
	a := newAdmission(t, AdmissionConfig{AddressRate: 1, AddressBurst: 5, MaxAddresses: 3})
	come := func(at time.Duration, addr string) func() {
		t.Helper()
		release, err := a.Admit(at, "l", ip(addr))
		if err != nil {
			t.Fatal(err)
		}
		return release
	}
	check := func(addresses int, forgotten uint64) {
		t.Helper()
		if st := a.Stats(); st.Addresses != addresses || st.Forgotten != forgotten {
			t.Errorf("got %d addresses, %d forgotten, want %d, %d", st.Addresses, st.Forgotten, addresses, forgotten)
		}
	}
	stays := come(0, "10.0.0.1")
	come(0, "10.0.0.2")()
	come(0, "10.0.0.3")()
	check(3, 0)
	come(0, "10.0.0.4")() // in the place of 2
	check(3, 1)
	come(0, "10.0.0.3")() // known still, and the last to be forgotten now
	come(0, "10.0.0.5")()
	check(3, 2)
	come(10*time.Second, "10.0.0.6")() // the others' time is over
	check(2, 2)
	stays()
	come(20*time.Second, "10.0.0.7")()
	check(1, 2)
}

func TestNewAdmissionErrors(t *testing.T) {
	for _, cfg := range []AdmissionConfig{{MaxConnections: -1}, {MaxPerAddress: -1}, {MaxAddresses: -1}, {Rate: -1}, {AddressRate: math.NaN()},
		{Burst: -1}, {Listeners: map[string]ListenerConfig{"l": {MaxConnections: -1}}}, {Listeners: map[string]ListenerConfig{"l": {Rate: -1}}}} {
		if _, err := NewAdmission(cfg); err == nil {
			t.Errorf("%+v: got no error", cfg)
		}
	}
}

// TestAdmissionModel does random things, and compares with counts of all that is open.
func TestAdmissionModel(t *testing.T) {
	rnd := randtest.New(t)
	cfg := AdmissionConfig{MaxConnections: 40, Listeners: map[string]ListenerConfig{"a": {MaxConnections: 20}}, MaxPerAddress: 4, AddressRate: 8, AddressBurst: 8, Rate: 75, MaxAddresses: 12}
	a := newAdmission(t, cfg)
	type open struct {
		listener string
		addr     netip.Addr
		release  func()
	}
	var all []open
	var now time.Duration
	for i := range 20_000 {
		releases := 1 + 3*(i/300%2) // of 5: more and fewer connections in turn
		now += time.Duration(rnd.IntN(20)) * time.Millisecond
		if len(all) > 0 && rnd.IntN(5) < releases {
			i := rnd.IntN(len(all))
			all[i].release()
			all = append(all[:i], all[i+1:]...)
			continue
		}
		o := open{listener: string(rune('a' + rnd.IntN(2))), addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(rnd.IntN(14))})}
		perListener, perAddress, addresses := 0, 0, make(map[netip.Addr]bool)
		for _, other := range all {
			addresses[other.addr] = true
			if other.listener == o.listener {
				perListener++
			}
			if other.addr == o.addr {
				perAddress++
			}
		}
		var err error
		o.release, err = a.Admit(now, o.listener, o.addr)
		for _, c := range []struct {
			why  Refused
			must bool
		}{
			{NodeFull, len(all) == cfg.MaxConnections},
			{ListenerFull, o.listener == "a" && perListener == cfg.Listeners["a"].MaxConnections},
			{AddressFull, perAddress == cfg.MaxPerAddress},
			{TableFull, !addresses[o.addr] && len(addresses) == cfg.MaxAddresses},
		} {
			if c.must && err == nil || errors.Is(err, c.why) && !c.must {
				t.Fatalf("got %v with %d connections, %d of the listener, %d of the address, %d addresses", err, len(all), perListener, perAddress, len(addresses))
			}
		}
		if err == nil {
			all = append(all, o)
		}
		if st := a.Stats(); st.Connections != len(all) || st.Addresses > cfg.MaxAddresses {
			t.Fatalf("got %+v, want %d connections", st, len(all))
		}
	}
	for _, why := range []Refused{NodeFull, ListenerFull, AddressFull, TableFull} {
		if a.Stats().Refused[why] == 0 {
			t.Errorf("got nothing refused because %v: the test tests less than it should", why)
		}
	}
}

func TestAdmissionConcurrently(t *testing.T) {
	a := newAdmission(t, AdmissionConfig{
		MaxConnections: 50, MaxPerAddress: 10, MaxAddresses: 100, Listeners: map[string]ListenerConfig{"l": {MaxConnections: 45}},
	})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				release, err := a.Admit(time.Duration(i), "l", netip.AddrFrom4([4]byte{10, 0, byte(g % 2), byte(i % 40)}))
				if err != nil {
					continue
				}
				_ = a.Stats()
				release()
			}
		})
	}
	wg.Wait()
	if st := a.Stats(); st.Connections != 0 || st.Listeners["l"] != 0 || st.Addresses > 100 {
		t.Errorf("got %+v, want none", st)
	}
}

func TestRefusedSaysWhy(t *testing.T) {
	seen := make(map[string]bool)
	for r := NodeFull; r < refusals; r++ {
		if text := r.Error(); text == Refused(0).Error() || seen[text] {
			t.Errorf("%d: got %q", r, text)
		} else {
			seen[text] = true
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	a := newAdmission(b, AdmissionConfig{MaxConnections: 1000, MaxPerAddress: 10, AddressRate: 1e9, Rate: 1e9})
	addr := ip("203.0.113.7")
	b.ReportAllocs()
	var now time.Duration
	for b.Loop() {
		now += time.Microsecond
		release, err := a.Admit(now, "l", addr)
		if err != nil {
			b.Fatal(err)
		}
		release()
	}
}

// TestAdmissionSet changes limits while there are connections: they stay and count, also where there is no limit for a while.
func TestAdmissionSet(t *testing.T) {
	a := newAdmission(t, AdmissionConfig{MaxConnections: 3, MaxPerAddress: 2, Listeners: map[string]ListenerConfig{"l": {MaxConnections: 5}}})
	var releases []func()
	admit := func(addr string, want Refused) {
		t.Helper()
		release, err := a.Admit(time.Hour, "l", ip(addr))
		if err == nil {
			releases = append(releases, release)
		}
		if (want == 0) != (err == nil) || err != nil && !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", addr, err, want)
		}
	}
	set := func(cfg AdmissionConfig) {
		t.Helper()
		if err := a.Set(cfg); err != nil {
			t.Fatal(err)
		}
	}
	admit("10.0.0.1", 0)
	admit("10.0.0.1", 0)
	admit("10.0.0.1", AddressFull)
	set(AdmissionConfig{MaxConnections: 1, MaxPerAddress: 3})
	admit("10.0.0.2", NodeFull) // there are two, who stay
	set(AdmissionConfig{})
	admit("10.0.0.1", 0)
	admit("10.0.0.2", 0)
	set(AdmissionConfig{MaxConnections: 10, MaxPerAddress: 3})
	admit("10.0.0.1", AddressFull) // the one of between counts
	admit("10.0.0.3", 0)
	admit("10.0.0.4", ListenerFull) // which is as it was
	releases[0]()
	admit("10.0.0.1", 0)
	releases[1]()
	set(AdmissionConfig{Rate: 1, AddressRate: 1, MaxAddresses: 2})
	admit("10.0.0.5", TableFull)
	set(AdmissionConfig{Rate: 1, AddressRate: 1})
	admit("10.0.0.5", 0)
	releases[2]()
	admit("10.0.0.6", NodeRate)
	for _, bad := range []AdmissionConfig{{MaxConnections: -1}, {MaxPerAddress: -1}, {Rate: -1}, {AddressRate: math.NaN()}} {
		if err := a.Set(bad); err == nil {
			t.Errorf("%+v: got no error", bad)
		}
	}
	admit("10.0.0.6", NodeRate) // as before
	for _, release := range releases {
		release()
	}
	if got := a.Stats(); got.Connections != 0 || got.Listeners["l"] != 0 {
		t.Errorf("got %+v, want nobody left", got)
	}
	whole := newAdmission(t, AdmissionConfig{MaxConnections: 1})
	if err := whole.Set(AdmissionConfig{MaxPerAddress: 1}); !errors.Is(err, ErrNotCounted) {
		t.Errorf("a limit by address that is new: got %v, want %v", err, ErrNotCounted)
	}
	if err := whole.Set(AdmissionConfig{MaxConnections: 2, Rate: 5}); err != nil {
		t.Errorf("a rate that is new: got %v, want none", err)
	}
}
