package limits

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// prefixes are networks, some allowed and some denied. They do not change once they are made.
type prefixes struct {
	allow   map[netip.Prefix]bool // false is denied
	bits4   []int                 // lengths of IPv4 prefixes that there are, the longest first
	bits6   []int
	closed  bool // who is in none of them is denied
	allowed int  // how many are
}

// add adds a network. One that is both allowed and denied is denied.
func (p *prefixes) add(n netip.Prefix, allow bool) {
	old, known := p.allow[n]
	p.allow[n] = allow && (!known || old)
	lengths := &p.bits6
	if n.Addr().Is4() {
		lengths = &p.bits4
	}
	if i, found := slices.BinarySearchFunc(*lengths, n.Bits(), func(have, want int) int { return want - have }); !found {
		*lengths = slices.Insert(*lengths, i, n.Bits())
	}
}

// has tells whether an address is allowed: by the smallest network that it is in. It takes one
// look-up for each length of prefix that there is.
func (p *prefixes) has(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	lengths := p.bits6
	if addr.Is4() {
		lengths = p.bits4
	}
	for _, bits := range lengths {
		n, err := addr.Prefix(bits)
		if err != nil {
			continue
		}
		if allow, ok := p.allow[n]; ok {
			return allow
		}
	}
	return !p.closed
}

var errNetwork = errors.New("want an address or CIDR, with no bits set behind the prefix")

// readNetworks reads one network a line; what is behind '#' is a comment. The error names the first lines with faults.
func readNetworks(data []byte) ([]netip.Prefix, error) {
	const maxFaults = 20
	var list []netip.Prefix
	var faults []error
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text, _, _ := strings.Cut(string(line), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := parseNetwork(text)
		if err == nil {
			list = append(list, p)
			continue
		}
		if faults = append(faults, fmt.Errorf("line %d: %w", n, err)); len(faults) == maxFaults {
			break
		}
	}
	return list, errors.Join(faults...)
}

func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, errNetwork
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p != p.Masked() || p.Addr().Is4In6() {
		return netip.Prefix{}, errNetwork
	}
	return p, nil
}
