// Package center is the HTTP API of operators and, later, products:
//
//	GET  /healthz           200 while the process is alive
//	GET  /readyz            200 while it accepts clients, else 503 and the reason as JSON
//	GET  /metrics           the metrics in Prometheus' text format
//	GET  /v1/store/stats    a StoreReport as JSON; with ?usage=true all that is stored is counted
//	POST /v1/store/check    a CheckLine of JSON for each event, the last one with the result
//	GET  /v1/store/backup   a backup; broken off if it can't be completed
//	POST /v1/clients/kick   ends the connection of a client, and answers with Kicked
//
// Everything else gets an [Error] as JSON. There is no authentication: `holdfast serve` listens on
// loopback only, unless it is told otherwise.
package center

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of what a caller may cost. There are few callers: a scraper, a supervisor, a person.
const (
	maxConnections    = 128
	maxHeaderBytes    = 16 << 10
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 60 * time.Second
	maxScrapes        = 4
)

// State is what /readyz answers from.
type State int32

// The states. The zero value is Starting.
const (
	Starting State = iota // listeners are not up yet
	Ready                 // clients are accepted
	Draining              // the process is about to end
)

// Config is what a Server needs.
type Config struct {
	Metrics prometheus.Gatherer // for /metrics; not nil
	Log     *slog.Logger        // not nil
	// Hosts are the names by which the API may be asked for, besides addresses and localhost. None is any name, except
	// for what is below /v1/ at a loopback address.
	Hosts []string
}

// Server is the API. Its methods may be called from several goroutines.
type Server struct {
	// Static.
	http *http.Server
	log  *slog.Logger
	door *guard

	stores  storeAPI
	clients atomic.Pointer[Clients]
	state   atomic.Int32 // a State
	load    atomic.Pointer[Load]
}

// New returns a Server in state Starting. It listens nowhere yet.
func New(c Config) *Server {
	s := &Server{log: c.Log, door: newGuard(c.Hosts)}
	s.stores.draining, s.stores.drain = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.routes(c),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// What net/http logs here is a caller's fault.
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// SetState changes what /readyz answers. Draining ends what is being done with the Store, and is for good.
func (s *Server) SetState(state State) {
	s.state.Store(int32(state))
	if state == Draining {
		s.stores.drain()
	}
}

// Handler returns the API for another server, or a test.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Serve answers on ln, which it closes in the end. It blocks until [Server.Shutdown], and returns nil
// then, or until ln fails.
func (s *Server) Serve(ln net.Listener) error {
	err := s.http.Serve(newLimitListener(ln, maxConnections))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown stops accepting and waits for the requests being answered, until ctx ends; then it closes
// their connections and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
	}
	return err
}

func (s *Server) routes(c Config) http.Handler {
	mux := http.NewServeMux()
	get := func(path string, h http.Handler) {
		mux.Handle("GET "+path, h) // HEAD as well
		refuseMethod(mux, path, "GET, HEAD")
	}
	get("/healthz", http.HandlerFunc(healthz))
	get("/readyz", http.HandlerFunc(s.readyz))
	get("/metrics", promhttp.HandlerFor(c.Metrics, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: maxScrapes,
		Timeout:             readTimeout,
	}))
	s.storeRoutes(mux)
	s.clientRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { writeError(w, errNotFound) })
	return s.door.all(mux)
}

// refuseMethod answers requests for path whose method has no handler.
func refuseMethod(mux *http.ServeMux, path, allow string) {
	mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allow)
		writeError(w, errMethod)
	})
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readiness is the answer of /readyz while clients are accepted.
type readiness struct {
	Status  string `json:"status"`
	Warning string `json:"warning,omitempty"` // what somebody should look after
}

// warning says what is wrong with a node that serves all the same. One whose disk is full is needed still: for
// QoS 0, and to give out what is stored, which makes room.
func (s *Server) warning() string {
	var all []string
	if p := s.stores.store.Load(); p != nil && (*p).Stats().Full {
		all = append(all, "store full: QoS 1 and 2 publishes are refused")
	}
	if l := s.loaded(); l.Level > 0 {
		all = append(all, "load is "+l.Name+": "+l.Cause)
	}
	return strings.Join(all, "; ")
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	switch State(s.state.Load()) {
	case Ready:
		if l := s.loaded(); l.Refusing {
			e := errOverload
			e.Message = "overloaded: load is " + l.Name + ", by " + l.Cause
			writeError(w, e)
			return
		}
		writeJSON(w, http.StatusOK, readiness{Status: "ready", Warning: s.warning()})
	case Draining:
		writeError(w, errDraining)
	default:
		writeError(w, errStarting)
	}
}
