// Package center is the HTTP API of operators and, later, products. Today it has three paths, all GET
// or HEAD:
//
//	/healthz   200 while the process is alive
//	/readyz    200 while it accepts clients, else 503 and the reason as JSON
//	/metrics   the metrics in Prometheus' text format
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
}

// Server is the API. Its methods may be called from several goroutines.
type Server struct {
	// Static.
	http *http.Server

	state atomic.Int32 // a State
}

// New returns a Server in state Starting. It listens nowhere yet.
func New(c Config) *Server {
	s := &Server{}
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

// SetState changes what /readyz answers.
func (s *Server) SetState(state State) { s.state.Store(int32(state)) }

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
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", "GET, HEAD")
			writeError(w, errMethod)
		})
	}
	get("/healthz", http.HandlerFunc(healthz))
	get("/readyz", http.HandlerFunc(s.readyz))
	get("/metrics", promhttp.HandlerFor(c.Metrics, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: maxScrapes,
		Timeout:             readTimeout,
	}))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { writeError(w, errNotFound) })
	return mux
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	switch State(s.state.Load()) {
	case Ready:
		writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	case Draining:
		writeError(w, errDraining)
	default:
		writeError(w, errStarting)
	}
}
