package netloop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ErrProxyHeader wraps what is wrong with the PROXY header of a trusted peer.
var ErrProxyHeader = errors.New("netloop: bad PROXY header")

const (
	// maxProxyV1 is the longest header of version 1, by its specification.
	maxProxyV1 = 107
	// maxProxyV2 is the longest header of version 2 that is read, TLVs included.
	maxProxyV2 = 2 << 10
	// proxyV2Fixed is the size of what every header of version 2 has.
	proxyV2Fixed = 16
	proxyV2Magic = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV1Magic = "PROXY "
)

// parseProxy looks for a PROXY header, version 1 or 2, at the beginning of b.
// It returns whom the header names, nil if it names nobody because the proxy
// speaks for itself, and the header's size, 0 while it is not complete.
func parseProxy(b []byte) (remote net.Addr, size int, err error) {
	switch {
	case beginsLike(b, proxyV1Magic):
		return parseProxyV1(b)
	case beginsLike(b, proxyV2Magic):
		return parseProxyV2(b)
	}
	return nil, 0, badProxy("there is none")
}

func badProxy(what string) error { return fmt.Errorf("%w: %s", ErrProxyHeader, what) }

// beginsLike tells whether b begins with magic, as far as it goes.
func beginsLike(b []byte, magic string) bool {
	n := min(len(b), len(magic))
	return string(b[:n]) == magic[:n]
}

// parseProxyV1 takes PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT CRLF, or
// PROXY UNKNOWN and anything up to CRLF.
func parseProxyV1(b []byte) (net.Addr, int, error) {
	end := bytes.Index(b[:min(len(b), maxProxyV1)], []byte("\r\n"))
	if end < 0 {
		if len(b) >= maxProxyV1 {
			return nil, 0, badProxy("version 1 is too long")
		}
		return nil, 0, nil
	}
	size := end + 2
	line := string(b[:end])
	if line == "PROXY UNKNOWN" || strings.HasPrefix(line, "PROXY UNKNOWN ") {
		return nil, size, nil
	}
	parts := strings.Split(line, " ")
	if len(parts) != 6 || parts[1] != "TCP4" && parts[1] != "TCP6" {
		return nil, 0, badProxy("version 1 has other fields")
	}
	source, err := proxyV1Addr(parts[2], parts[4], parts[1] == "TCP4")
	if err != nil {
		return nil, 0, err
	}
	if _, err := proxyV1Addr(parts[3], parts[5], parts[1] == "TCP4"); err != nil {
		return nil, 0, err
	}
	return net.TCPAddrFromAddrPort(source), size, nil
}

func proxyV1Addr(host, port string, v4 bool) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Is4() != v4 || addr.Zone() != "" {
		return netip.AddrPort{}, badProxy("version 1 has a bad address")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port != strconv.FormatUint(n, 10) {
		return netip.AddrPort{}, badProxy("version 1 has a bad port")
	}
	return netip.AddrPortFrom(addr, uint16(n)), nil
}

// parseProxyV2 takes
//
//	magic 12 | version 2 and command 1 | family and transport 1 | length 2 |
//	source address | destination address | source port 2 | destination port 2 | TLVs
//
// integers big-endian. TLVs are skipped.
func parseProxyV2(b []byte) (net.Addr, int, error) {
	if len(b) < proxyV2Fixed {
		return nil, 0, nil
	}
	command, family := b[12], b[13]
	size := proxyV2Fixed + int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case command != 0x20 && command != 0x21:
		return nil, 0, badProxy("unknown version or command")
	case size > maxProxyV2:
		return nil, 0, badProxy("version 2 is too long")
	case len(b) < size:
		return nil, 0, nil
	case command == 0x20: // LOCAL: a health check of the proxy's own
		return nil, size, nil
	}
	addrs := b[proxyV2Fixed:size]
	var remote net.Addr
	var need int
	switch family {
	case 0x00: // unspecified: use the socket's
		return nil, size, nil
	case 0x11: // TCP over IPv4
		if need = 12; len(addrs) >= need {
			remote = tcpAddr(addrs[:4], addrs[8:])
		}
	case 0x21: // TCP over IPv6
		if need = 36; len(addrs) >= need {
			remote = tcpAddr(addrs[:16], addrs[32:])
		}
	case 0x31: // a Unix stream socket
		if need = 216; len(addrs) >= need {
			name, _, _ := bytes.Cut(addrs[:108], []byte{0})
			remote = &net.UnixAddr{Name: string(name), Net: "unix"}
		}
	default:
		return nil, 0, badProxy("family or transport is not of a stream")
	}
	if remote == nil {
		return nil, 0, badProxy(fmt.Sprintf("version 2 has %d bytes of addresses, want %d", len(addrs), need))
	}
	return remote, size, nil
}

func tcpAddr(ip, port []byte) net.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, binary.BigEndian.Uint16(port)))
}
