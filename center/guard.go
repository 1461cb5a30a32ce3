package center

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard keeps web pages out of an API that has no authentication: a browser sends requests of theirs from wherever it runs.
type guard struct {
	pages *http.CrossOriginProtection
	hosts map[string]bool // names by which the API may be asked for, in lower case; nil is any, but for what is local
}

func newGuard(hosts []string) *guard {
	g := &guard{pages: http.NewCrossOriginProtection()}
	if len(hosts) > 0 {
		g.hosts = make(map[string]bool, len(hosts))
	}
	for _, name := range hosts {
		g.hosts[hostOf(name)] = true
	}
	return g
}

// all keeps out who asks for another host than those that are configured. A page may have its own host's name point at the
// node's address: then its browser takes the API for its own site, and the Host header is all that tells.
func (g *guard) all(h http.Handler) http.Handler {
	if g.hosts == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.isNamed(r.Host) {
			writeError(w, errForeign)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// local keeps web pages out of what only people and programs are to see. A page in a browser on this machine can send
// requests to loopback addresses: its scripts may not send such as change or cost anything, and may not read answers by
// having their own host's name point at a loopback address, whether or not hosts are configured.
func (g *guard) local(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.isOfPage(r) || cameByLoopback(r) && !g.isNamed(r.Host) {
			writeError(w, errForeign)
			return
		}
		h(w, r)
	})
}

// isOfPage tells whether a page of another origin has sent the request, as far as its browser says so.
func (g *guard) isOfPage(r *http.Request) bool {
	asked := *r
	asked.Method = http.MethodPost // what is only read, and thus let through, costs: a backup, or to count all keys
	return g.pages.Check(&asked) != nil
}

// isNamed tells whether a Host header names the API, rather than somebody else's host.
func (g *guard) isNamed(host string) bool {
	name := hostOf(host)
	return namesNoHost(name) || g.hosts[name]
}

// cameByLoopback tells whether the caller has connected to a loopback address.
func cameByLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	ap, err := netip.ParseAddrPort(addr.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// hostOf is the host in a Host header, without a port, in lower case.
func hostOf(header string) string {
	host := header
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// namesNoHost tells whether a host is an address or localhost, and not the name of some host. Without any, the caller is no
// browser: a health check that speaks HTTP/1.0.
func namesNoHost(host string) bool {
	if host == "" || host == "localhost" {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}
