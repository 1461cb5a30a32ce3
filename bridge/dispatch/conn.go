package dispatch

import (
	"bufio"
	"bytes"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// Bounds of a request.
const (
	maxRequest  = 8 << 10 // bytes, with its body
	maxUser     = 256     // bytes of uid
	requestTime = 10 * time.Second
)

// conn is a connection, on which one request comes.
type conn struct {
	srv  *Server
	done bool // it is being closed
	need int  // bytes of the request, once its header has come
}

// OnOpen implements netloop.Handler.
func (c *conn) OnOpen(nc *netloop.Conn) { nc.SetTimer(requestTime) }

// OnData implements netloop.Handler. What has come stays with netloop until the request is whole.
func (c *conn) OnData(nc *netloop.Conn, data []byte) (consumed int) {
	if c.done {
		return len(data)
	}
	r, whole, err := c.read(data)
	switch {
	case err != nil:
		c.srv.stats.malformed.Add(1)
		c.srv.stats.refused.Add(1)
		c.close(nc, badArguments, errMalformed)
	case !whole:
		return 0
	default:
		c.close(nc, c.srv.answer(&r), errAnswered)
	}
	return len(data)
}

// close writes an answer, if it is not empty, and closes the connection when it is out.
func (c *conn) close(nc *netloop.Conn, answer string, why error) {
	c.done = true
	if answer != "" {
		nc.Write(nc.Loop(), []byte(answer))
	}
	nc.Close(why)
}

// OnWritable implements netloop.Handler.
func (c *conn) OnWritable(*netloop.Conn) {}

// OnTimer implements netloop.Handler.
func (c *conn) OnTimer(nc *netloop.Conn) {
	if !c.done {
		c.srv.stats.timeouts.Add(1)
		c.close(nc, "", errNoRequest)
	}
}

// OnShutdown implements netloop.Handler.
func (c *conn) OnShutdown(nc *netloop.Conn) { c.close(nc, "", netloop.ErrShutdown) }

// OnClose implements netloop.Handler.
func (c *conn) OnClose(*netloop.Conn, error) { c.done = true }

// request is what matters of a request.
type request struct {
	method, path string
	query, form  string // form is what a POST has in its body
}

var (
	errTooLong  = errors.New("request is too long")
	errEncoding = errors.New("body has no length")
)

// read looks for the request in what has come. whole is false while it is not complete. The header is looked at when it has come, and
// again when the body has, not for each piece of that.
func (c *conn) read(b []byte) (r request, whole bool, err error) {
	if len(b) < c.need {
		return r, false, nil
	}
	r, c.need, err = read(b)
	return r, err == nil && c.need > 0 && c.need <= len(b), err
}

// read looks for a request at the beginning of b. size is how long it is, with its body; 0 while that is not known. r is empty while it is
// not complete.
func read(b []byte) (r request, size int, err error) {
	end := bytes.Index(b[:min(len(b), maxRequest)], []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) >= maxRequest {
			err = errTooLong
		}
		return r, 0, err
	}
	end += 4
	h, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(b[:end]), 512))
	switch {
	case err != nil:
		return r, 0, err
	case h.ContentLength < 0:
		return r, 0, errEncoding
	case h.ContentLength > int64(maxRequest-end):
		return r, 0, errTooLong
	}
	if size = end + int(h.ContentLength); size > len(b) {
		return r, size, nil
	}
	r = request{method: h.Method, path: h.URL.Path, query: h.URL.RawQuery}
	contentType, _, _ := strings.Cut(h.Header.Get("Content-Type"), ";")
	if strings.EqualFold(strings.TrimSpace(contentType), "application/x-www-form-urlencoded") {
		r.form = string(b[end:size])
	}
	return r, size, nil
}

// answer is the whole response to a request.
func (srv *Server) answer(r *request) string {
	st := &srv.stats
	var a string
	switch r.path {
	case "/get":
		a = srv.get(r)
	case "/status.php":
		st.statuses.Add(1)
		a = srv.status(r)
	default:
		st.unknown.Add(1)
		a = unknownPath
	}
	if r.method == http.MethodHead { // it is told all but the body
		return a[:strings.Index(a, "\r\n\r\n")+4]
	}
	return a
}

// status is the response to a request for /status.php.
func (srv *Server) status(r *request) string {
	switch {
	case r.method != http.MethodGet && r.method != http.MethodHead:
		srv.stats.refused.Add(1)
		return badMethod
	case srv.draining.Load() || !srv.ready():
		return statusFail
	}
	return statusOK
}

// get is the response to a request for addresses.
func (srv *Server) get(r *request) string {
	st := &srv.stats
	if r.method != http.MethodGet && r.method != http.MethodPost {
		st.refused.Add(1)
		return badMethod
	}
	q, ok := parse(r)
	if !ok {
		st.refused.Add(1)
		return badArguments
	}
	lists, kind := &srv.all, withPort
	if _, special := srv.users[q.Get("uid")]; special {
		lists = &srv.special
	}
	if strings.EqualFold(q.Get("mobiletype"), "ios") {
		kind = hostsOnly
	}
	a := lists[kind].next()
	if a == "" {
		st.noAddress.Add(1)
		return noAddress
	}
	st.gets.Add(1)
	return a
}

// parse reads the parameters, all of which may be missing. A form wins over the query. random, which is there to defeat caches, and
// what is unknown is not looked at.
func parse(r *request) (q url.Values, ok bool) {
	q, err := url.ParseQuery(r.query)
	form, err2 := url.ParseQuery(r.form)
	if err != nil || err2 != nil {
		return nil, false
	}
	maps.Copy(q, form)
	if id := q.Get("appid"); id != "" {
		if _, err := strconv.ParseUint(id, 10, 16); err != nil {
			return nil, false
		}
	}
	return q, len(q.Get("uid")) <= maxUser
}
