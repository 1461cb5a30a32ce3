package center

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Clients are a node's, as the API deals with them: a *broker.Broker. Its method may be called from several goroutines.
type Clients interface {
	// Kick ends a client's connection; see broker.Broker.
	Kick(app, clientID string, endSession bool) error
}

// Kicked is the answer of /v1/clients/kick.
type Kicked struct {
	App          string `json:"app"`
	ClientID     string `json:"client_id"`
	SessionEnded bool   `json:"session_ended"` // with the connection
}

// SetClients has the API deal with c from now on. It is called before the state becomes Ready.
func (s *Server) SetClients(c Clients) { s.clients.Store(&c) }

func (s *Server) clientRoutes(mux *http.ServeMux) {
	mux.Handle("POST /v1/clients/kick", s.door.local(s.kick))
	refuseMethod(mux, "/v1/clients/kick", "POST")
}

// kick ends the connection of a client.
func (s *Server) kick(w http.ResponseWriter, r *http.Request) {
	k, err := kickOf(r)
	if err != nil {
		e := errParameter
		e.Message = err.Error()
		writeError(w, e)
		return
	}
	switch State(s.state.Load()) {
	case Starting:
		writeError(w, errStarting)
		return
	case Draining:
		writeError(w, errDraining)
		return
	}
	err = (*s.clients.Load()).Kick(k.App, k.ClientID, k.SessionEnded)
	switch {
	case errors.Is(err, broker.ErrNoApp):
		writeError(w, errNoApp)
		return
	case err != nil:
		writeError(w, errNotConnected)
		return
	}
	s.log.Info("client_kicked", "app", k.App, "client_id", k.ClientID, "session_ended", k.SessionEnded, "caller", r.RemoteAddr)
	writeJSON(w, http.StatusOK, k)
}

// kickOf is what a request asks for.
func kickOf(r *http.Request) (k Kicked, err error) {
	k.App = broker.DefaultApp
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return k, errors.New("the query cannot be read: " + err.Error())
	}
	for name, values := range query {
		switch v := values[0]; {
		case len(values) > 1:
			return k, errors.New("parameter " + strconv.Quote(name) + " is there more than once")
		case name == "app":
			k.App = v
		case name == "client_id":
			k.ClientID = v
		case name == "end_session":
			if k.SessionEnded, err = strconv.ParseBool(v); err != nil {
				return k, errors.New("end_session is true or false")
			}
		default:
			return k, errors.New("unknown parameter " + strconv.Quote(name))
		}
	}
	if k.ClientID == "" {
		return k, errors.New("client_id is missing")
	}
	return k, nil
}
