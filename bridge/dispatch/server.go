package dispatch

import (
	"errors"
	"sync/atomic"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Server answers requests. Its methods may be called from several goroutines.
type Server struct {
	ready    func() bool
	users    map[string]struct{}
	all      [2]*rotation // for clients that take HOST:PORT, and for those that take hosts only
	special  [2]*rotation // the same of users
	draining atomic.Bool
	stats    serverStats
}

// New makes a server, and all of its answers: with a SignKey that takes about a millisecond for each that is different, of at most 1,000 a list.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if len(cfg.Addresses) == 0 || len(cfg.Users) > 0 && len(cfg.UserAddresses) == 0 {
		return nil, errNoAddresses
	}
	srv := &Server{ready: cfg.Ready, users: make(map[string]struct{}, len(cfg.Users))}
	for _, u := range cfg.Users {
		srv.users[u] = struct{}{}
	}
	for _, l := range []struct {
		addresses []Address
		to        *[2]*rotation
	}{{cfg.Addresses, &srv.all}, {cfg.UserAddresses, &srv.special}} {
		if err := check(l.addresses); err != nil {
			return nil, err
		}
		for i := range l.to {
			var err error
			if l.to[i], err = newRotation(l.addresses, cfg.Answers, i == hostsOnly, cfg.SignKey); err != nil {
				return nil, err
			}
		}
	}
	return srv, nil
}

// Kinds of clients, as indices.
const (
	withPort = iota
	hostsOnly
)

// Drain has /status.php say fail from now on.
func (srv *Server) Drain() { srv.draining.Store(true) }

// NewHandler makes the handler of a connection. It fits netloop.ListenConfig and netloop.Protocol.
func (srv *Server) NewHandler(*netloop.Conn) netloop.Handler { return &conn{srv: srv} }

// beginnings are how requests begin that are for the dispatcher, up to what ends the path.
var beginnings = [...]string{"GET /get", "POST /get", "HEAD /get", "GET /status.php", "HEAD /status.php"}

// Match recognises, for netloop.Protocol, requests for the dispatcher's paths beside other HTTP requests.
func Match(prefix []byte) netloop.Match {
	m := netloop.MatchNo
	for _, b := range beginnings {
		switch {
		case len(prefix) <= len(b):
			if b[:len(prefix)] == string(prefix) {
				m = netloop.MatchMore
			}
		case string(prefix[:len(b)]) == b && (prefix[len(b)] == ' ' || prefix[len(b)] == '?'):
			return netloop.MatchYes
		}
	}
	return m
}

// MatchHTTP recognises any HTTP request, for a listener at which there is nothing else.
func MatchHTTP(prefix []byte) netloop.Match {
	m := netloop.MatchNo
	for _, method := range [...]string{"GET ", "POST ", "HEAD ", "OPTIONS ", "PUT ", "DELETE ", "PATCH "} {
		switch n := min(len(prefix), len(method)); {
		case string(prefix[:n]) != method[:n]:
		case n == len(method):
			return netloop.MatchYes
		default:
			m = netloop.MatchMore
		}
	}
	return m
}

type serverStats struct {
	gets, statuses, unknown, refused, noAddress, malformed, timeouts atomic.Uint64
}

// Stats are counters of a Server since it was made.
type Stats struct {
	Gets      uint64 // requests for addresses that were answered with some
	Statuses  uint64 // requests for /status.php
	Unknown   uint64 // requests for other paths
	Refused   uint64 // answered with errno 1 or 2
	NoAddress uint64 // answered with errno 3: no address has a port that the client can use
	Malformed uint64 // connections closed because what came is no request, or too long a one; they are in Refused, too
	Timeouts  uint64 // connections closed because no whole request came
}

// Stats returns the server's counters.
func (srv *Server) Stats() Stats {
	s := &srv.stats
	return Stats{
		Gets: s.gets.Load(), Statuses: s.statuses.Load(), Unknown: s.unknown.Load(), Refused: s.refused.Load(),
		NoAddress: s.noAddress.Load(), Malformed: s.malformed.Load(), Timeouts: s.timeouts.Load(),
	}
}

// Errors of /get, and the answers with them.
const (
	errnoArguments = 1
	errnoMethod    = 2
	errnoInternal  = 3
	errnoUnknown   = 404
)

var (
	none         = ""
	badArguments = respond(jsonType, encode(reply{Errno: errnoArguments, Errmsg: "bad arguments", Sign: &none}))
	badMethod    = respond(jsonType, encode(reply{Errno: errnoMethod, Errmsg: "bad method", Sign: &none}))
	noAddress    = respond(jsonType, encode(reply{Errno: errnoInternal, Errmsg: "no address for this client", Sign: &none}))
	unknownPath  = respond(jsonType, encode(reply{Errno: errnoUnknown, Errmsg: "page not found"}))
	statusOK     = respond(textType, "ok\n")
	statusFail   = respond(textType, "fail\n")
)

var (
	errAnswered  = errors.New("request is answered")
	errMalformed = errors.New("what has come is no request for the dispatcher")
	errNoRequest = errors.New("no whole request has come")
)
