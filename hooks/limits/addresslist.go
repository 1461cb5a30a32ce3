package limits

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"log/slog"
	"net/netip"
	"os"
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

	mu    sync.Mutex // held while reading
	sum   [sha256.Size]byte
	looks []reload.Look // of what is current
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

// Reload reads the files if they have changed, and tells whether something is new in them. After an error the old lists stay.
func (l *AddressList) Reload() (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	files := []addressFile{{l.allowFile, true}, {l.denyFile, false}}
	looks, same, err := l.lookLocked(files)
	if same || err != nil {
		return false, err
	}
	p := &prefixes{allow: make(map[netip.Prefix]bool), closed: l.allowFile != ""}
	sum := sha256.New()
	for _, f := range files {
		if err := f.read(p, sum); err != nil {
			return false, err
		}
	}
	for _, allow := range p.allow {
		if allow {
			p.allowed++
		}
	}
	now := [sha256.Size]byte(sum.Sum(nil))
	changed = l.current.Load() == nil || now != l.sum
	l.current.Store(p)
	l.sum, l.looks = now, looks
	return changed, nil
}

// addressFile is one of the files; an empty path is none.
type addressFile struct {
	path  string
	allow bool
}

// lookLocked looks at the files, and tells whether they are those that have been read.
func (l *AddressList) lookLocked(files []addressFile) (looks []reload.Look, same bool, err error) {
	looks, same = make([]reload.Look, len(files)), l.looks != nil
	for i, f := range files {
		if f.path == "" {
			continue
		}
		info, err := os.Stat(f.path)
		if err != nil {
			return nil, false, fmt.Errorf("read address list: %w", err)
		}
		same = same && l.looks[i].Is(info)
		looks[i] = reload.LookAt(info)
	}
	return looks, same, nil
}

// read adds the networks of a file to p, and what it holds to sum.
func (f addressFile) read(p *prefixes, sum hash.Hash) error {
	if f.path == "" {
		return nil
	}
	data, err := reload.ReadFile(f.path, maxListSize)
	if err != nil {
		return fmt.Errorf("read address list: %w", err)
	}
	list, err := readNetworks(data)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	for _, n := range list {
		p.add(n, f.allow)
	}
	one := sha256.Sum256(data)
	sum.Write(one[:])
	return nil
}

// Run reloads the files every so often until ctx ends. What is wrong with them is logged once, until it is something else.
func (l *AddressList) Run(ctx context.Context, every time.Duration, log *slog.Logger) {
	reload.Run(ctx, every, func() error {
		_, err := l.Reload()
		return err
	}, func(err error) { log.Error("cannot read an address list, the old one stays", "error", err) })
}
