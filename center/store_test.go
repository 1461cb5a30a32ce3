package center

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-mqtt/holdfast/internal/memnet"
)

// fakeStore answers as its fields say. A nil function does nothing.
type fakeStore struct {
	stats  StoreStats
	usage  func(ctx context.Context) error
	check  func(ctx context.Context, progress func(uint64), fault func(StoreFault)) error
	backup func(ctx context.Context, w io.Writer) error
}

func (f *fakeStore) Stats() StoreStats { return f.stats }

func (f *fakeStore) Usage(ctx context.Context) (u StoreUsage, err error) {
	if f.usage != nil {
		err = f.usage(ctx)
	}
	return StoreUsage{Mailboxes: 7}, err
}

func (f *fakeStore) Check(ctx context.Context, progress func(uint64), fault func(StoreFault)) (c StoreCheck, err error) {
	if f.check != nil {
		err = f.check(ctx, progress, fault)
	}
	return StoreCheck{Faults: 1}, err
}

func (f *fakeStore) Backup(ctx context.Context, w io.Writer) error {
	if f.backup != nil {
		return f.backup(ctx, w)
	}
	return nil
}

func newStoreServer(st Store) *Server {
	s := newServer()
	s.SetStore(st)
	s.SetState(Ready)
	return s
}

func TestStoreAnswers(t *testing.T) {
	full := &fakeStore{stats: StoreStats{Commits: 3, Full: true}}
	failing := &fakeStore{
		usage:  func(context.Context) error { return errors.New("no luck") },
		backup: func(context.Context, io.Writer) error { return errors.New("no luck") },
		check:  func(context.Context, func(uint64), func(StoreFault)) error { return errors.New("no luck") },
	}
	checked := &fakeStore{check: func(_ context.Context, progress func(uint64), fault func(StoreFault)) error {
		progress(100_000)
		fault(StoreFault{Key: "72", Error: "bad"})
		return nil
	}}
	sent := &fakeStore{backup: func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, "frames"); return err }}
	for _, tt := range []struct {
		method, path string
		state        State
		store        Store
		status       int
		body         string // a part of it
		allow        string
	}{
		{"GET", "/v1/store/stats", Starting, full, 503, `{"code":50301,`, ""},
		{"GET", "/v1/store/stats", Draining, full, 503, `{"code":50302,`, ""},
		{"GET", "/v1/store/stats", Ready, nil, 404, `{"code":40402,`, ""},
		{"GET", "/v1/store/backup", Ready, nil, 404, `{"code":40402,`, ""},
		{"POST", "/v1/store/check", Ready, nil, 404, `{"code":40402,`, ""},
		{"GET", "/v1/store/stats", Ready, full, 200, `{"activity":{"commits":3,`, ""},
		{"GET", "/v1/store/stats?usage=true", Ready, full, 200, `"usage":{"sessions":{"count":0,"bytes":0},"mailboxes":7,`, ""},
		{"HEAD", "/v1/store/stats?usage=true", Ready, full, 200, "", ""},
		{"GET", "/v1/store/stats?usage=maybe", Ready, full, 400, `{"code":40001,`, ""},
		{"GET", "/v1/store/stats?use=true", Ready, full, 400, `{"code":40001,`, ""},
		{"GET", "/v1/store/stats?usage=true", Ready, failing, 500, `{"code":50001,"http":500,"error":"the store has failed: no luck",`, ""},
		{"POST", "/v1/store/stats", Ready, full, 405, `{"code":40501,`, "GET, HEAD"},
		{"GET", "/v1/store/check", Ready, full, 405, `{"code":40501,`, "POST"},
		{"POST", "/v1/store/check", Ready, checked, 200, "{\"keys\":100000}\n{\"fault\":{\"key\":\"72\",\"error\":\"bad\"}}\n{\"result\":{", ""},
		{"POST", "/v1/store/check", Ready, failing, 200, "{\"error\":\"no luck\"}\n", ""},
		{"POST", "/v1/store/backup", Ready, full, 405, `{"code":40501,`, "GET, HEAD"},
		{"GET", "/v1/store/backup", Ready, sent, 200, "frames", ""},
		{"HEAD", "/v1/store/backup", Ready, failing, 200, "", ""},
		{"GET", "/v1/store/backup", Ready, failing, 500, `{"code":50001,`, ""},
		{"GET", "/v1/store", Ready, full, 404, `{"code":40401,`, ""},
		{"GET", "/readyz", Ready, full, 200, `{"status":"ready","warning":"store full: QoS 1 and 2 publishes are refused"}`, ""},
		{"GET", "/readyz", Ready, sent, 200, `{"status":"ready"}`, ""},
	} {
		s := newServer()
		s.SetStore(tt.store)
		s.SetState(tt.state)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, nil))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) || tt.status == 200 && tt.method == "HEAD" && strings.Contains(tt.path, "backup") && w.Body.Len() > 0 {
			t.Errorf("%s %s in state %d: got %d %q, want %d and %q", tt.method, tt.path, tt.state, w.Code, w.Body, tt.status, tt.body)
		}
		if got := w.Header().Get("Allow"); got != tt.allow {
			t.Errorf("%s %s: got Allow %q, want %q", tt.method, tt.path, got, tt.allow)
		}
	}
}

// Web pages in a browser on the machine can't get at what is stored.
func TestStoreIsNotForWebPages(t *testing.T) {
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8088}
	public := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8088}
	for _, tt := range []struct {
		name, method, path, host, site string
		addr                           net.Addr
		status                         int
	}{
		{"program", "GET", "/v1/store/backup", "127.0.0.1:8088", "", loopback, 200},
		{"program by name", "GET", "/v1/store/backup", "LocalHost:8088", "", loopback, 200},
		{"program by IPv6", "GET", "/v1/store/stats", "[::1]", "", loopback, 200},
		{"page whose name was bound to loopback", "GET", "/v1/store/backup", "evil.example:8088", "same-origin", loopback, 403},
		{"page of another site", "POST", "/v1/store/check", "127.0.0.1:8088", "cross-site", loopback, 403},
		{"program by a name of the machine", "GET", "/v1/store/stats", "node.example", "", public, 200},
	} {
		s := newStoreServer(&fakeStore{})
		ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, tt.addr)
		r := httptest.NewRequestWithContext(ctx, tt.method, tt.path, nil)
		r.Host = tt.host
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("%s: got %d %q, want %d", tt.name, w.Code, w.Body, tt.status)
		}
	}
}

// apiOver serves a store over a network in memory. It ends with the test's bubble.
func apiOver(t *testing.T, st Store) (s *Server, c *http.Client, ln *memnet.Listener) {
	t.Helper()
	s = New(Config{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	s.SetStore(st)
	s.SetState(Ready)
	ln = memnet.Listen("api")
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return ln.Dial(ctx) }}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, &http.Client{Transport: tr}, ln
}

func request(t *testing.T, ctx context.Context, c *http.Client, method, path string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "http://api"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

// A backup may take as long as it needs, if the caller takes what there is.
func TestLongBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pieces = 100
		_, c, _ := apiOver(t, &fakeStore{backup: func(ctx context.Context, w io.Writer) error {
			for range pieces {
				time.Sleep(writeTimeout - time.Second)
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return err
				}
			}
			return ctx.Err()
		}})
		resp := request(t, t.Context(), c, "GET", "/v1/store/backup")
		n, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if n != pieces*64<<10 || err != nil {
			t.Errorf("got %d bytes, %v, want all of %d", n, err, pieces*64<<10)
		}
	})
}

// One that fails on its way is not taken for whole.
func TestBackupBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, _ := apiOver(t, &fakeStore{backup: func(_ context.Context, w io.Writer) error {
			_, _ = w.Write(make([]byte, 64<<10))
			return errors.New("no luck")
		}})
		resp := request(t, t.Context(), c, "GET", "/v1/store/backup")
		n, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %d bytes, %v, want %v", n, err, io.ErrUnexpectedEOF)
		}
	})
}

// endless writes until it can't, and tells why.
func endless(ended chan<- error) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				ended <- err
				return err
			}
		}
	}
}

// A caller that takes nothing, has gone, or is told that the process is about to end does not hold up the store.
func TestBackupEnds(t *testing.T) {
	for name, end := range map[string]func(s *Server, gone context.CancelFunc){
		"takes nothing": func(*Server, context.CancelFunc) { time.Sleep(writeTimeout) },
		"has gone":      func(_ *Server, gone context.CancelFunc) { gone() },
		"draining":      func(s *Server, _ context.CancelFunc) { s.SetState(Draining) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 1)
				s, c, _ := apiOver(t, &fakeStore{backup: endless(ended)})
				ctx, gone := context.WithCancel(t.Context())
				defer gone()
				resp := request(t, ctx, c, "GET", "/v1/store/backup")
				defer resp.Body.Close()
				synctest.Wait() // until nothing more fits between the two
				select {
				case err := <-ended:
					t.Fatalf("got the end at once: %v", err)
				default:
				}
				end(s, gone)
				synctest.Wait()
				select {
				case err := <-ended:
					if err == nil {
						t.Error("got no error from the last write, want one")
					}
				default:
					t.Error("the backup goes on, want its end")
				}
			})
		})
	}
}

// Work that writes nothing learns by its context that the caller has gone, however long it takes.
func TestCheckIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		_, c, _ := apiOver(t, &fakeStore{check: func(ctx context.Context, _ func(uint64), _ func(StoreFault)) error {
			<-ctx.Done()
			ended <- ctx.Err()
			return ctx.Err()
		}})
		ctx, gone := context.WithCancel(t.Context())
		defer gone()
		resp := request(t, ctx, c, "POST", "/v1/store/check")
		defer resp.Body.Close()
		time.Sleep(10 * (readTimeout + writeTimeout))
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("got the end while the caller waits: %v", err)
		default:
		}
		gone()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}

// There is one of each kind at a time, and another one after it.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		wait := func(context.Context) error { <-goOn; return nil }
		_, c, _ := apiOver(t, &fakeStore{
			usage:  wait,
			check:  func(ctx context.Context, _ func(uint64), _ func(StoreFault)) error { return wait(ctx) },
			backup: func(ctx context.Context, w io.Writer) error { _, _ = w.Write(make([]byte, 64<<10)); return wait(ctx) },
		})
		for method, path := range map[string]string{"GET": "/v1/store/backup", "POST": "/v1/store/check"} {
			first := request(t, t.Context(), c, method, path)
			second := request(t, t.Context(), c, method, path)
			body, _ := io.ReadAll(second.Body)
			_ = second.Body.Close()
			if second.StatusCode != http.StatusConflict || !strings.Contains(string(body), `"code":40901`) {
				t.Errorf("%s beside another: got %d %q, want 409", path, second.StatusCode, body)
			}
			goOn <- struct{}{}
			_, _ = io.Copy(io.Discard, first.Body)
			_ = first.Body.Close()
			third := request(t, t.Context(), c, method, path)
			if third.StatusCode != http.StatusOK {
				t.Errorf("%s afterwards: got %d, want 200", path, third.StatusCode)
			}
			goOn <- struct{}{}
			_, _ = io.Copy(io.Discard, third.Body)
			_ = third.Body.Close()
		}
	})
}

// Lines of a check arrive while it goes on.
func TestCheckStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		_, c, _ := apiOver(t, &fakeStore{check: func(_ context.Context, progress func(uint64), _ func(StoreFault)) error {
			progress(1)
			<-goOn
			return nil
		}})
		resp := request(t, t.Context(), c, "POST", "/v1/store/check")
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		var l CheckLine
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &l) != nil || l.Keys != 1 {
			t.Errorf("got %q while the check goes on, want its progress", lines.Text())
		}
		close(goOn)
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &l) != nil || l.Result == nil || l.Result.Faults != 1 {
			t.Errorf("got %q, want the result", lines.Text())
		}
		if lines.Scan() {
			t.Errorf("got %q behind the result, want nothing", lines.Text())
		}
	})
}
