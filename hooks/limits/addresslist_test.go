package limits

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writeList writes a file for a test; without text there is none.
func writeList(t *testing.T, dir, name, text string) string {
	t.Helper()
	if text == "" {
		return ""
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openLists(t *testing.T, allow, deny string) (*AddressList, error) {
	t.Helper()
	dir := t.TempDir()
	return OpenAddressList(writeList(t, dir, "allow", allow), writeList(t, dir, "deny", deny))
}

func TestAddressList(t *testing.T) {
	for _, tt := range []struct{ name, allow, deny, in, out string }{
		{"no files", "", "", "1.2.3.4 ::1", ""},
		{"allowed alone", "10.0.0.0/8\n2001:db8::/32", "", "10.1.2.3 ::ffff:10.1.2.3 2001:db8::1 2001:db8::1%eth0", "11.0.0.1 ::1 ::ffff:11.0.0.1"},
		{"an empty file allows nobody", "# none\n", "", "", "10.0.0.1 ::1"},
		{"denied alone", "", "10.0.0.0/8 # ours\n\n192.0.2.1\n::1", "11.0.0.1 192.0.2.2 ::2", "10.1.2.3 192.0.2.1 ::1"},
		{"an exception to what is denied", "0.0.0.0/0\n10.1.0.0/16\n10.2.3.4", "10.0.0.0/8", "10.1.2.3 10.2.3.4 11.0.0.1", "10.2.3.5 ::1"},
		{"an exception to what is allowed", "10.0.0.0/8", "10.1.0.0/16", "10.2.0.1", "10.1.0.1 11.0.0.1"},
		{"exceptions to exceptions", "10.0.0.0/8\n10.1.1.0/24", "10.1.0.0/16\n10.1.1.1", "10.2.0.1 10.1.1.2", "10.1.2.1 10.1.1.1"},
		{"in both", "10.0.0.0/8", "10.0.0.0/8", "", "10.0.0.1"},
		{"everything", "", "0.0.0.0/0\n::/0", "", "1.2.3.4 ::1"},
	} {
		l, err := openLists(t, tt.allow, tt.deny)
		if err != nil {
			t.Fatal(err)
		}
		for want, list := range map[bool]string{true: tt.in, false: tt.out} {
			for addr := range strings.FieldsSeq(list) {
				if got := l.Allowed(netip.MustParseAddr(addr)); got != want {
					t.Errorf("%s: %s: got %v, want %v", tt.name, addr, got, want)
				}
			}
		}
		if !l.Allowed(netip.Addr{}) {
			t.Errorf("%s: got a client on a Unix socket denied", tt.name)
		}
	}
}

func TestAddressListErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a name", "10.0.0.1\nlocalhost", "line 2: want an address or CIDR"},
		{"bits behind the prefix", "10.0.0.1/8", "line 1: want"},
		{"too long a prefix", "10.0.0.0/33", "line 1: want"},
		{"a zone", "fe80::1%eth0", "line 1: want"},
		{"IPv4 in IPv6", "::ffff:10.0.0.0/104", "line 1: want"},
		{"two on a line", "10.0.0.1 10.0.0.2", "line 1: want"},
		{"several", "x\n\ny", "line 3: want"},
		{"very many", strings.Repeat("x\n", 1000), "line 20: want"},
	} {
		for i, files := range [][2]string{{tt.text, ""}, {"", tt.text}} {
			l, err := openLists(t, files[0], files[1])
			if l != nil || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "line 21") {
				t.Errorf("%s, file %d: got %v, %v, want %q", tt.name, i, l, err, tt.want)
			}
		}
	}
	if _, err := OpenAddressList(t.TempDir()+"/none", ""); err == nil {
		t.Error("got no error for a file that is not there")
	}
}

func TestAddressListReload(t *testing.T) {
	dir := t.TempDir()
	deny := writeList(t, dir, "deny", "10.0.0.1")
	l, err := OpenAddressList("", deny)
	if err != nil {
		t.Fatal(err)
	}
	one, two := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	for _, step := range []struct {
		text         string
		changed, bad bool
		one, two     bool // allowed
	}{
		{"10.0.0.1", false, false, false, true},
		{"10.0.0.2", true, false, true, false},
		{"nonsense", false, true, true, false},
		{"10.0.0.0/30", true, false, false, false},
	} {
		writeList(t, dir, "deny", step.text)
		changed, err := l.Reload()
		if changed != step.changed || (err != nil) != step.bad || l.Allowed(one) != step.one || l.Allowed(two) != step.two {
			t.Errorf("%q: got %v, %v, allowed %v and %v", step.text, changed, err, l.Allowed(one), l.Allowed(two))
		}
	}
	if allowed, denied := l.Len(); allowed != 0 || denied != 1 {
		t.Errorf("got %d allowed, %d denied, want 0, 1", allowed, denied)
	}
}

// Files that have not changed are not read: a list of a million takes a second.
func TestAddressListThatStays(t *testing.T) {
	dir := t.TempDir()
	allow, deny := writeList(t, dir, "allow", "10.0.0.0/8"), writeList(t, dir, "deny", "10.0.0.1")
	old := time.Now().Add(-time.Hour)
	for _, path := range []string{allow, deny} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	l, err := OpenAddressList(allow, deny)
	if err != nil {
		t.Fatal(err)
	}
	before := l.current.Load()
	if changed, err := l.Reload(); changed || err != nil || l.current.Load() != before {
		t.Errorf("got changed %v, %v, read again %v, want nothing done", changed, err, l.current.Load() != before)
	}
	writeList(t, dir, "deny", "10.0.0.2")
	if changed, err := l.Reload(); !changed || err != nil || l.Allowed(netip.MustParseAddr("10.0.0.2")) {
		t.Errorf("got changed %v, %v, want the new list", changed, err)
	}
}

func TestAddressListRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		deny := writeList(t, dir, "deny", "10.0.0.1")
		l, err := OpenAddressList("", deny)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { l.Run(ctx, time.Second, slog.New(slog.NewTextHandler(&out, nil))) })
		for _, text := range []string{"10.0.0.2", "bad", "10.0.0.3"} {
			writeList(t, dir, "deny", text)
			<-time.After(10 * time.Second)
			synctest.Wait()
		}
		cancel()
		wg.Wait()
		if !l.Allowed(netip.MustParseAddr("10.0.0.2")) || l.Allowed(netip.MustParseAddr("10.0.0.3")) {
			t.Error("got an old list")
		}
		if got := strings.Count(out.String(), "\n"); got != 1 {
			t.Errorf("got %d lines %q, want 1", got, out.String())
		}
	})
}

// FuzzAddressList compares with a walk over all networks.
func FuzzAddressList(f *testing.F) {
	f.Add("10.0.0.0/8\n::/0", "10.1.0.0/16 # x\n2001:db8::1", "10.1.2.3")
	f.Add("0.0.0.0/0", "0.0.0.0/0", "::ffff:1.2.3.4")
	f.Fuzz(func(t *testing.T, allow, deny, address string) {
		addr, err := netip.ParseAddr(address)
		allowed, err1 := readNetworks([]byte(allow))
		denied, err2 := readNetworks([]byte(deny))
		if err != nil || err1 != nil || err2 != nil {
			return
		}
		p := &prefixes{allow: make(map[netip.Prefix]bool), closed: true}
		best, want := -1, false
		for _, list := range []struct {
			networks []netip.Prefix
			allow    bool
		}{{allowed, true}, {denied, false}} {
			for _, n := range list.networks {
				p.add(n, list.allow)
				if n.Contains(addr.Unmap().WithZone("")) && n.Bits() >= best {
					best, want = n.Bits(), list.allow
				}
			}
		}
		if got := p.has(addr); got != want {
			t.Errorf("%v with %v allowed, %v denied: got %v, want %v", addr, allowed, denied, got, want)
		}
	})
}

func BenchmarkAddressList(b *testing.B) {
	p := &prefixes{allow: make(map[netip.Prefix]bool)}
	for i := range 100_000 {
		p.add(netip.MustParsePrefix(fmt.Sprintf("%d.%d.%d.0/24", 1+i>>16, i>>8&255, i&255)), false)
	}
	p.add(netip.MustParsePrefix("10.0.0.0/8"), true)
	l := new(AddressList)
	l.current.Store(p)
	addr := netip.MustParseAddr("203.0.113.7")
	b.ReportAllocs()
	for b.Loop() {
		l.Allowed(addr)
	}
}
