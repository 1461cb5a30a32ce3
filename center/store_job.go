package center

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// job is a kind of long request. There is one of each at a time.
type job int

const (
	usageJob job = iota
	checkJob
	backupJob
	jobs
)

// storeAPI is the part of a Server that shows its Store.
type storeAPI struct {
	store    atomic.Pointer[Store] // nil before SetStore
	running  [jobs]atomic.Bool
	draining context.Context // ends with state Draining; lives as long as the Server
	drain    context.CancelFunc
}

// SetStore has the API show st from now on; nil means that there is no durable store. It is called before
// the state becomes Ready.
func (s *Server) SetStore(st Store) {
	if st == nil {
		s.stores.store.Store(nil)
		return
	}
	s.stores.store.Store(&st)
}

// storeFor returns the Store, or nil after it has answered that there is none.
func (s *Server) storeFor(w http.ResponseWriter) Store {
	switch State(s.state.Load()) {
	case Starting:
		writeError(w, errStarting)
		return nil
	case Draining:
		writeError(w, errDraining)
		return nil
	}
	p := s.stores.store.Load()
	if p == nil {
		writeError(w, errNoStore)
		return nil
	}
	return *p
}

// longWriter is a ResponseWriter for an answer that takes longer than others may: the caller has
// writeTimeout for each piece, not for the whole. When its context ends, a write that waits is given up.
type longWriter struct {
	http.ResponseWriter
	ctx     context.Context // of the request, or the end of the process
	control *http.ResponseController

	mu    sync.Mutex // guards the write deadline
	ended bool
}

// begin starts a long request. It returns false after it has answered that another one is being served. When end is
// called the request is over.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, j job) (lw *longWriter, end func(), ok bool) {
	if !s.stores.running[j].CompareAndSwap(false, true) {
		writeError(w, errBusy)
		return nil, nil, false
	}
	ctx, cancel := context.WithCancel(r.Context())
	lw = &longWriter{ResponseWriter: w, ctx: ctx, control: http.NewResponseController(w)}
	stopDrain := context.AfterFunc(s.stores.draining, cancel)
	stopWrites := context.AfterFunc(ctx, func() { lw.setDeadline(time.Unix(1, 0), true) })
	return lw, func() {
		stopWrites()
		lw.setDeadline(time.Now().Add(writeTimeout), true)
		stopDrain()
		cancel()
		s.stores.running[j].Store(false)
	}, true
}

// setDeadline sets the write deadline, unless one was set for good.
func (l *longWriter) setDeadline(t time.Time, forGood bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended { // an error means that it is no connection
		_ = l.control.SetWriteDeadline(t)
	}
	l.ended = l.ended || forGood
}

// Write implements io.Writer.
func (l *longWriter) Write(p []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	l.setDeadline(time.Now().Add(writeTimeout), false)
	return l.ResponseWriter.Write(p)
}

// flush has the caller get what was written.
func (l *longWriter) flush() {
	l.setDeadline(time.Now().Add(writeTimeout), false)
	_ = l.control.Flush() // its error is the next write's
}
