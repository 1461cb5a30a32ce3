package limits

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/internal/reload"
)

// maxListSize is the greatest size of a file of addresses, in bytes: some three million.
const maxListSize = 64 << 20

// AddressList lets addresses in, or keeps them out. It has two files, of one address or CIDR on each line; what
// is behind a '#' is a comment. The smallest network that an address is in decides, so that either list can make
// exceptions to the other; one that is in both is denied. An address that is in none is allowed, unless there is a file of
// what is allowed: then that is all.
type AddressList struct {
	allowFile, denyFile string // empty is none

	current atomic.Pointer[prefixes]

	mu  sync.Mutex // held while reading
	sum [sha256.Size]byte
}

// OpenAddressList reads the files; an empty path is no file. The error names the bad lines.
func OpenAddressList(allowFile, denyFile string) (*AddressList, error) {
	l := &AddressList{allowFile: allowFile, denyFile: denyFile}
	if _, err := l.Reload(); err != nil {
		return nil, err
	}
	return l, nil
}

// Allowed tells whether an address may connect. The zero Addr, of a Unix socket, may. It does not block or allocate.
func (l *AddressList) Allowed(addr netip.Addr) bool {
	return !addr.IsValid() || l.current.Load().has(addr)
}

// Len returns how many networks are allowed and denied.
func (l *AddressList) Len() (allowed, denied int) {
	p := l.current.Load()
	return p.allowed, len(p.allow) - p.allowed
}

// Reload reads the files, and tells whether something is new in them. After an error the old lists stay.
func (l *AddressList) Reload() (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &prefixes{allow: make(map[netip.Prefix]bool), closed: l.allowFile != ""}
	sum := sha256.New()
	for _, f := range []struct {
		path  string
		allow bool
	}{{l.allowFile, true}, {l.denyFile, false}} {
		if f.path == "" {
			continue
		}
		data, err := reload.ReadFile(f.path, maxListSize)
		if err != nil {
			return false, fmt.Errorf("read address list: %w", err)
		}
		list, err := readNetworks(data)
		if err != nil {
			return false, fmt.Errorf("%s: %w", f.path, err)
		}
		for _, n := range list {
			p.add(n, f.allow)
		}
		one := sha256.Sum256(data)
		sum.Write(one[:])
	}
	for _, allow := range p.allow {
		if allow {
			p.allowed++
		}
	}
	now := [sha256.Size]byte(sum.Sum(nil))
	changed = l.current.Load() == nil || now != l.sum
	l.current.Store(p)
	l.sum = now
	return changed, nil
}

// Run reloads the files every so often until ctx ends. What is wrong with them is logged once, until it is something else.
func (l *AddressList) Run(ctx context.Context, every time.Duration, log *slog.Logger) {
	reload.Run(ctx, every, func() error {
		_, err := l.Reload()
		return err
	}, func(err error) { log.Error("cannot read an address list, the old one stays", "error", err) })
}
