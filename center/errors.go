package center

import (
	"encoding/json"
	"net/http"
)

// Error is the body of every answer of 400 and above.
type Error struct {
	Code    int    `json:"code"`  // the HTTP status and two digits of its own; never reused or changed
	Status  int    `json:"http"`  // the HTTP status
	Message string `json:"error"` // for people; may change
	Link    string `json:"link"`  // where the code is explained
}

const errorLink = "https://github.com/holdfast-mqtt/holdfast/blob/main/docs/operations.md#errors-of-the-http-api"

// The catalogue. docs/operations.md explains each code; a test compares.
var (
	errParameter    = Error{40001, http.StatusBadRequest, "unknown parameter, or not a value of it", errorLink}
	errForeign      = Error{40301, http.StatusForbidden, "not for web pages, or for this name of a host: see api_hosts", errorLink}
	errNotFound     = Error{40401, http.StatusNotFound, "no such path", errorLink}
	errNoStore      = Error{40402, http.StatusNotFound, "this node keeps its data in memory: it has no durable store", errorLink}
	errNotConnected = Error{40403, http.StatusNotFound, "no client of that Client Identifier is connected in the App", errorLink}
	errNoApp        = Error{40404, http.StatusNotFound, "no App of that name has had a client since the node started", errorLink}
	errMethod       = Error{40501, http.StatusMethodNotAllowed, "method not allowed on this path", errorLink}
	errBusy         = Error{40901, http.StatusConflict, "the same is being done for another caller", errorLink}
	errStore        = Error{50001, http.StatusInternalServerError, "the store has failed", errorLink}
	errStarting     = Error{50301, http.StatusServiceUnavailable, "starting: listeners are not up yet", errorLink}
	errDraining     = Error{50302, http.StatusServiceUnavailable, "draining: the process is about to end", errorLink}
	errOverload     = Error{50303, http.StatusServiceUnavailable, "overloaded: new clients had better go elsewhere", errorLink}
)

// catalogue lists every Error this package answers with.
var catalogue = []Error{
	errParameter, errForeign, errNotFound, errNoStore, errNotConnected, errNoApp, errMethod, errBusy, errStore, errStarting, errDraining, errOverload,
}

func writeError(w http.ResponseWriter, e Error) { writeJSON(w, e.Status, e) }

// writeJSON answers with v. An error of the write is the caller's: its connection is gone.
func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
