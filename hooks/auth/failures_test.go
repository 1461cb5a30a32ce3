package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFailures(FailuresConfig{Burst: 3, Every: time.Second, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
		addr := netip.MustParseAddr("203.0.113.7")
		for i := range 3 {
			if f.Blocked(addr) {
				t.Fatalf("blocked after %d failures, want 3", i)
			}
			f.Record(addr)
		}
		for _, tt := range []struct {
			addr string
			want bool
		}{{"203.0.113.7", true}, {"::ffff:203.0.113.7", true}, {"203.0.113.8", false}} {
			if got := f.Blocked(netip.MustParseAddr(tt.addr)); got != tt.want {
				t.Errorf("%s: got blocked %v, want %v", tt.addr, got, tt.want)
			}
		}
		<-time.After(time.Second - 1)
		if !f.Blocked(addr) {
			t.Error("got an attempt before a second was over")
		}
		<-time.After(1)
		if f.Blocked(addr) {
			t.Error("still blocked after a second")
		}
		f.Record(addr)
		if !f.Blocked(addr) {
			t.Error("got a second attempt in a second")
		}
		<-time.After(time.Hour)
		f.Record(addr)
		f.Record(addr)
		if f.Blocked(addr) {
			t.Error("blocked after two failures, long after others")
		}
	})
}

// Attempts that were under way when an address was blocked put it into debt, up to a bound.
func TestFailuresDebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFailures(FailuresConfig{Burst: 2, Every: time.Second})
		addr := netip.MustParseAddr("203.0.113.7")
		for range 1000 {
			f.Record(addr)
		}
		<-time.After(3*time.Second - 1)
		if !f.Blocked(addr) {
			t.Error("not blocked, though it was wrong far too often")
		}
		<-time.After(1)
		if f.Blocked(addr) {
			t.Error("the debt has no bound")
		}
	})
}

func TestFailuresOfIPv6CountByNetwork(t *testing.T) {
	f := NewFailures(FailuresConfig{Burst: 1, Every: time.Hour})
	f.Record(netip.MustParseAddr("2001:db8:0:1::1"))
	for addr, want := range map[string]bool{"2001:db8:0:1::2": true, "2001:db8:0:1:ffff::%eth0": true, "2001:db8:0:2::1": false} {
		if got := f.Blocked(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got blocked %v, want %v", addr, got, want)
		}
	}
}

func TestFailuresHaveNoLimitForSome(t *testing.T) {
	f := NewFailures(FailuresConfig{Burst: 1, Every: time.Hour, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	var none *Failures
	for _, addr := range []netip.Addr{{}, netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("::ffff:10.1.1.1")} {
		f.Record(addr)
		none.Record(addr)
		if f.Blocked(addr) || none.Blocked(addr) {
			t.Errorf("%v is blocked", addr)
		}
	}
	if got := f.Stats().Addresses; got != 0 {
		t.Errorf("got %d addresses, want 0", got)
	}
}

func TestFailuresAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFailures(FailuresConfig{Burst: 10, Every: time.Second, MaxAddresses: 8})
		worst := netip.MustParseAddr("192.0.2.1")
		for range 10 {
			f.Record(worst)
		}
		for i := range 100 {
			f.Record(netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", i)))
		}
		st := f.Stats()
		if st.Addresses != 8 || st.Evicted != 93 {
			t.Errorf("got %+v, want 8 addresses and 93 evicted", st)
		}
		if !f.Blocked(worst) {
			t.Error("the worst address was forgotten for others")
		}
		<-time.After(time.Hour)
		f.Record(netip.MustParseAddr("198.51.100.200"))
		if got := f.Stats(); got.Addresses != 8 || got.Evicted != 93 {
			t.Errorf("got %+v, want the place of one whose time was over", got)
		}
	})
}

func TestFailuresConcurrently(t *testing.T) {
	f := NewFailures(FailuresConfig{MaxAddresses: 16})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				addr := netip.AddrFrom4([4]byte{192, 0, byte(g), byte(i)})
				f.Record(addr)
				f.Blocked(addr)
			}
		})
	}
	wg.Wait()
	if got := f.Stats().Addresses; got != 16 {
		t.Errorf("got %d addresses, want 16", got)
	}
}

// Only what is the client's fault counts against its address.
func TestChainRecordsFailures(t *testing.T) {
	for _, tt := range []struct {
		name string
		hook broker.Authenticator
		want bool
	}{
		{"denied", says(broker.Deny, nil, nil), true},
		{"unknown", says(broker.Ignore, nil, nil), true},
		{"a bad token", says(broker.Deny, nil, fmt.Errorf("%w: expired", ErrToken)), true},
		{"allowed", says(broker.Allow, nil, nil), false},
		{"unavailable", says(broker.Deny, nil, fmt.Errorf("%w: no answer", ErrUnavailable)), false},
		{"gone", says(broker.Deny, nil, context.Canceled), false},
		{"late", says(broker.Deny, nil, context.DeadlineExceeded), false},
	} {
		c := NewChain(NewFailures(FailuresConfig{Burst: 1, Every: time.Hour}), Link{"l", tt.hook})
		_, _, _ = ask(t, c, withPassword("u", "p"))
		d, _, err := ask(t, c, withPassword("u", "p"))
		if got := errors.Is(err, ErrTooManyFailures); got != tt.want || got && d != broker.Deny {
			t.Errorf("%s: got %d, %v, want blocked %v", tt.name, d, err, tt.want)
		}
		if got := c.Stats().Blocked; got > 0 != tt.want {
			t.Errorf("%s: got %d blocked", tt.name, got)
		}
	}
}
