package center

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// storeRoutes adds the paths below /v1/store.
func (s *Server) storeRoutes(mux *http.ServeMux) {
	guard := s.door.local
	mux.Handle("GET /v1/store/stats", guard(s.storeStats))
	mux.Handle("GET /v1/store/backup", guard(s.storeBackup))
	mux.Handle("POST /v1/store/check", guard(s.storeCheck))
	refuseMethod(mux, "/v1/store/stats", "GET, HEAD")
	refuseMethod(mux, "/v1/store/backup", "GET, HEAD")
	refuseMethod(mux, "/v1/store/check", "POST")
}

// storeStats answers with the figures. With ?usage=true all keys are counted, which takes its time.
func (s *Server) storeStats(w http.ResponseWriter, r *http.Request) {
	counting := false
	for name, values := range r.URL.Query() {
		b, err := strconv.ParseBool(values[0])
		if name != "usage" || err != nil || len(values) > 1 {
			writeError(w, errParameter)
			return
		}
		counting = b
	}
	st := s.storeFor(w)
	if st == nil {
		return
	}
	report := StoreReport{}
	if counting && r.Method != http.MethodHead {
		lw, end, ok := s.begin(w, r, usageJob)
		if !ok {
			return
		}
		defer end()
		u, err := st.Usage(lw.ctx)
		if err != nil {
			s.storeFailed(w, "usage", err)
			return
		}
		report.Usage = &u
		lw.setDeadline(time.Now().Add(writeTimeout), false)
	}
	activity := st.Stats()
	report.Activity = &activity
	writeJSON(w, http.StatusOK, report)
}

// storeFailed answers that the store does not do what it was asked.
func (s *Server) storeFailed(w http.ResponseWriter, what string, err error) {
	if s.stores.draining.Err() != nil {
		writeError(w, errDraining)
		return
	}
	s.log.Warn("store_request_failed", "operation", what, "error", err)
	e := errStore
	e.Message += ": " + err.Error()
	writeError(w, e)
}

// storeBackup streams a backup. One that can't be completed is broken off, so that no caller takes it for whole.
func (s *Server) storeBackup(w http.ResponseWriter, r *http.Request) {
	st := s.storeFor(w)
	if st == nil {
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodHead {
		h.Set("Content-Type", "application/octet-stream")
		return
	}
	lw, end, ok := s.begin(w, r, backupJob)
	if !ok {
		return
	}
	defer end()
	began, body := time.Now(), &countingWriter{w: lw}
	h.Set("Content-Type", "application/octet-stream")
	err := st.Backup(lw.ctx, body)
	switch {
	case err == nil:
		s.log.Info("backup_sent", "bytes", body.n, "took", time.Since(began))
	case body.n == 0:
		s.storeFailed(w, "backup", err)
	default:
		s.log.Warn("backup_broken_off", "bytes", body.n, "error", err)
		panic(http.ErrAbortHandler)
	}
}

// countingWriter counts what is written.
type countingWriter struct {
	w *longWriter
	n int64
}

// Write implements io.Writer.
func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// storeCheck streams what a check finds, as lines of JSON.
func (s *Server) storeCheck(w http.ResponseWriter, r *http.Request) {
	st := s.storeFor(w)
	if st == nil {
		return
	}
	lw, end, ok := s.begin(w, r, checkJob)
	if !ok {
		return
	}
	defer end()
	h := w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	lw.flush()
	lines := json.NewEncoder(lw)
	put := func(l CheckLine) {
		_ = lines.Encode(l) // the caller has gone: its context has ended, or is about to
		lw.flush()
	}
	result, err := st.Check(lw.ctx,
		func(keys uint64) { put(CheckLine{Keys: keys}) },
		func(f StoreFault) { put(CheckLine{Fault: &f}) })
	if err != nil {
		s.log.Warn("store_request_failed", "operation", "check", "error", err)
		put(CheckLine{Error: err.Error()})
		return
	}
	put(CheckLine{Result: &result})
}
