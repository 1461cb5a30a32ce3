package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/storage/badger"
)

// Bounds of what a node may cost that does not answer as it should.
const (
	apiDialTimeout = 10 * time.Second
	maxErrorBytes  = 16 << 10
)

// apiTool is the store of a running node, through its API.
type apiTool struct {
	base   string // without a slash at its end
	client http.Client
}

// newAPITool returns the store behind an API's URL, or HOST:PORT.
func newAPITool(address string) (*apiTool, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("--api takes a URL, as in http://127.0.0.1:8088")
	}
	return &apiTool{
		base: strings.TrimSuffix(u.String(), "/"),
		client: http.Client{Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: apiDialTimeout}).DialContext,
		}},
	}, nil
}

// call sends a request. Whoever calls closes the answer's body.
func (t *apiTool) call(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, t.base+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := t.client.Do(req)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			err = fmt.Errorf("nothing listens on %s: is the node running, and is this its 'api'? Else name that with --api: %w", t.base, syscall.ECONNREFUSED)
		}
		return nil, fmt.Errorf("the node's API: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var e center.Error
	if json.NewDecoder(io.LimitReader(resp.Body, maxErrorBytes)).Decode(&e) != nil || e.Message == "" {
		return nil, fmt.Errorf("the node's API: %s", resp.Status)
	}
	return nil, fmt.Errorf("the node's API: %s (%d)", e.Message, e.Code)
}

// report implements storeTool.
func (t *apiTool) report(ctx context.Context, _ func(uint64)) (r center.StoreReport, err error) {
	resp, err := t.call(ctx, http.MethodGet, "/v1/store/stats?usage=true")
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		return r, fmt.Errorf("read the node's answer: %w", err)
	}
	return r, nil
}

// Check implements storeTool.
func (t *apiTool) Check(ctx context.Context, progress func(uint64), fault func(center.StoreFault)) (r center.StoreCheck, err error) {
	resp, err := t.call(ctx, http.MethodPost, "/v1/store/check")
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	whole := false
	for lines := json.NewDecoder(resp.Body); ; {
		var l center.CheckLine
		switch err := lines.Decode(&l); {
		case errors.Is(err, io.EOF) && whole: // not before: then the node is ready for the next check
			return r, nil
		case errors.Is(err, io.EOF):
			return r, errors.New("the node has broken its answer off")
		case err != nil:
			return r, fmt.Errorf("read the node's answer: %w", err)
		case l.Result != nil:
			r, whole = *l.Result, true
		case l.Error != "":
			return r, fmt.Errorf("the node: %s", l.Error)
		case l.Fault != nil:
			fault(*l.Fault)
		default:
			progress(l.Keys)
		}
	}
}

// Backup implements storeTool. What arrives is verified on its way to w.
func (t *apiTool) Backup(ctx context.Context, w io.Writer) error {
	resp, err := t.call(ctx, http.MethodGet, "/v1/store/backup")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	out := &rememberingWriter{w: w}
	_, err = badger.VerifyBackup(io.TeeReader(resp.Body, out))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case out.err != nil: // which VerifyBackup takes for the end of what it reads
		return out.err
	}
	return fmt.Errorf("what the node has sent: %w", err)
}

// rememberingWriter remembers the first error of a Write.
type rememberingWriter struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (r *rememberingWriter) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	if r.err == nil {
		r.err = err
	}
	return n, err
}

// Close implements storeTool.
func (t *apiTool) Close() error {
	t.client.CloseIdleConnections()
	return nil
}
