package center

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guardLocal keeps web pages out of what only people and programs of the machine are to see. A page in a browser on
// this machine can send requests to loopback addresses: its scripts may not send such as change or cost
// anything, and may not read answers by having their own host's name point at a loopback address.
func guardLocal(h http.HandlerFunc) http.Handler {
	pages := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pages.Check(r) != nil || cameByLoopback(r) && !namesNoHost(r.Host) {
			writeError(w, errForeign)
			return
		}
		h(w, r)
	})
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

// namesNoHost tells whether a Host header is an address or localhost, and not the name of some host.
func namesNoHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}
