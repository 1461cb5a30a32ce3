package dispatch

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// TestAnswers: every branch, however the request is cut.
func TestAnswers(t *testing.T) {
	const (
		host    = " HTTP/1.1\r\nHost: x\r\n"
		unknown = `{"errno":404,"errmsg":"page not found","data":""}`
		args    = `{"errno":1,"errmsg":"bad arguments","data":"","sign":""}`
		method  = `{"errno":2,"errmsg":"bad method","data":"","sign":""}`
		two     = `{"errno":0,"errmsg":"","data":"192.0.2.1:443;rooms.example","sign":""}`
		bare    = `{"errno":0,"errmsg":"","data":"192.0.2.1;rooms.example","sign":""}`
		special = `{"errno":0,"errmsg":"","data":"192.0.2.9:80","sign":""}`
		nowhere = `{"errno":3,"errmsg":"no address for this client","data":"","sign":""}`
	)
	post := func(target, contentType, body string) string {
		return fmt.Sprintf("POST %s%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", target, host, contentType, len(body), body)
	}
	form := "application/x-www-form-urlencoded; charset=utf-8"
	cfg := Config{
		Addresses: []Address{{Host: "192.0.2.1", Port: 443, Weight: 1}, {Host: "rooms.example", Weight: 1}},
		Users:     []string{"tester"}, UserAddresses: []Address{{Host: "192.0.2.9", Port: 80, Weight: 1}},
	}
	for _, tt := range []struct{ name, request, want string }{
		{"nothing said", "GET /get" + host + "\r\n", two},
		{"all said", "GET /get?mobiletype=android&uid=alice&appid=4242&random=0123456789abcdefXYZ" + host + "\r\n", two},
		{"HTTP/1.0", "GET /get HTTP/1.0\r\n\r\n", two},
		{"iOS", "GET /get?mobiletype=iOS" + host + "\r\n", bare},
		{"special user", "GET /get?uid=tester" + host + "\r\n", special},
		{"special user, iOS", "GET /get?uid=tester&mobiletype=ios" + host + "\r\n", nowhere},
		{"POST, query", post("/get?mobiletype=ios", "text/plain", "uid=tester"), bare},
		{"POST, form", post("/get", form, "mobiletype=ios"), bare},
		{"POST, both", post("/get?mobiletype=ios&uid=x", form, "uid=tester&mobiletype=android"), special},
		{"POST, nothing", post("/get", form, ""), two},
		{"longest uid", "GET /get?uid=" + strings.Repeat("u", maxUser) + host + "\r\n", two},
		{"too long a uid", "GET /get?uid=" + strings.Repeat("u", maxUser+1) + host + "\r\n", args},
		{"largest appid", "GET /get?appid=65535" + host + "\r\n", two},
		{"too large an appid", "GET /get?appid=65536" + host + "\r\n", args},
		{"appid that is none", "GET /get?appid=-1" + host + "\r\n", args},
		{"bad escape", "GET /get?uid=%zz" + host + "\r\n", args},
		{"bad escape in form", post("/get", form, "uid=%zz"), args},
		{"chunks", "POST /get" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", args},
		{"body too long", post("/get", form, strings.Repeat("x", maxRequest)), args},
		{"body as long as can be", fill(post, "/get", form), two},
		{"header too long", "GET /get" + host + "X: " + strings.Repeat("x", maxRequest) + "\r\n\r\n", args},
		{"no header", "GET /get" + host + "no colon\r\n\r\n", args},
		{"method", "PUT /get" + host + "\r\n", method},
		{"OPTIONS", "OPTIONS /get" + host + "\r\n", method},
		{"HEAD", "HEAD /get" + host + "\r\n", ""},
		{"other path", "GET /got" + host + "\r\n", unknown},
		{"longer path", "GET /get/x" + host + "\r\n", unknown},
		{"root", "POST /" + host + "\r\n", unknown},
		{"status", "GET /status.php" + host + "\r\n", "ok\n"},
		{"status, query", "GET /status.php?x=y" + host + "\r\n", "ok\n"},
		{"status, POST", post("/status.php", form, ""), method},
		{"status, HEAD", "HEAD /status.php" + host + "\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, portable bool) {
				s := start(t, portable, cfg)
				for _, size := range []int{1 << 20, 1000, 1} {
					if size == 1 && len(tt.request) > 1000 {
						continue
					}
					s.all[withPort].given.Store(0)
					s.all[hostsOnly].given.Store(0)
					got := s.send(tt.request, size)
					method, _, _ := strings.Cut(tt.request, " ")
					resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got)), &http.Request{Method: method})
					if err != nil {
						t.Fatalf("got %q: %v", got, err)
					}
					b, err := io.ReadAll(resp.Body)
					if err != nil || resp.StatusCode != 200 || !resp.Close || string(b) != tt.want {
						t.Errorf("pieces of %d: got status %d, close %t, %q, %v, want 200, true, %q", size, resp.StatusCode, resp.Close, b, err, tt.want)
					}
				}
			})
		})
	}
}

// fill is a POST that is as long as may be.
func fill(post func(target, contentType, body string) string, target, contentType string) string {
	rest := maxRequest - len(post(target, contentType, strings.Repeat("x", 1000))) + 1000
	return post(target, contentType, strings.Repeat("x", rest))
}

// What is counted tells requests and faults apart.
func TestStats(t *testing.T) {
	eachEngine(t, func(t *testing.T, portable bool) {
		cfg := one()
		cfg.Addresses[0].Port = 80
		s := start(t, portable, cfg)
		s.ask("/get")
		s.ask("/get")
		s.ask("/get?mobiletype=ios")
		s.ask("/get?appid=x")
		s.ask("/status.php")
		s.ask("/")
		s.send("GET /\x00\r\n\r\n", 100)
		s.send("DELETE /get HTTP/1.1\r\nHost: x\r\n\r\n", 100)
		if got, want := s.Stats(), (Stats{Gets: 2, Statuses: 1, Unknown: 1, Refused: 3, NoAddress: 1, Malformed: 1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// TestStatus: the node says fail while it has too much to do, and when it is about to end.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ready atomic.Bool
		cfg := one()
		cfg.Ready = ready.Load
		s := start(t, true, cfg)
		status := func(want string) {
			t.Helper()
			if got := body(s.ask("/status.php")); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		status("fail\n")
		ready.Store(true)
		status("ok\n")
		s.Drain()
		status("fail\n")
		if got := body(s.ask("/get")); !strings.Contains(got, `"errno":0`) {
			t.Errorf("got %s, want addresses all the same", got)
		}
	})
}

// A connection on which no whole request comes is closed, whatever trickles in.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, true, one())
		begun := time.Now()
		nc := s.dial()
		defer nc.Close()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if b, err := io.ReadAll(nc); len(b) > 0 || err != nil {
				t.Errorf("got %q, %v, want the end", b, err)
			}
		}()
		_, _ = io.WriteString(nc, "GET /get HTTP/1.1\r\n")
		for range 30 {
			time.Sleep(time.Second)
			_, _ = io.WriteString(nc, "A: b\r\n")
		}
		<-gone
		if got := s.Stats().Timeouts; got != 1 {
			t.Errorf("counted %d after %v, want 1", got, time.Since(begun))
		}
	})
}

// A header is read once, however its body trickles in.
func TestHeaderIsReadOnce(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("POST /get HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n")
	for b.Len() < maxRequest/2 {
		b.WriteString("a:b\r\n")
	}
	b.WriteString("\r\n")
	head := b.Len()
	b.Write(make([]byte, 1000))
	var c conn
	if _, whole, err := c.read(b.Bytes()[:head]); whole || err != nil {
		t.Fatalf("got %t and %v, want that more is waited for", whole, err)
	}
	n := head
	if got := testing.AllocsPerRun(500, func() {
		n++
		if _, whole, err := c.read(b.Bytes()[:n]); whole || err != nil {
			t.Fatalf("%d bytes: got %t and %v, want that more is waited for", n, whole, err)
		}
	}); got != 0 {
		t.Errorf("got %v allocations for a byte of the body, want none", got)
	}
	if r, whole, err := c.read(b.Bytes()); !whole || err != nil || r.path != "/get" {
		t.Errorf("got %+v, %t and %v, want the request", r, whole, err)
	}
}

// A connection that waits does not hold up the end.
func TestShutdown(t *testing.T) {
	eachEngine(t, func(t *testing.T, portable bool) {
		s := start(t, portable, one())
		nc := s.dial()
		defer nc.Close()
		_, _ = io.WriteString(nc, "GET /get HTTP/1.1\r\n")
		s.ask("/get") // the other one has been taken in by then
		s.shutdown()
		if b, _ := io.ReadAll(nc); len(b) > 0 {
			t.Errorf("got %q, want the end", b)
		}
	})
}

// More than one request on a connection: the first is answered.
func TestOneRequest(t *testing.T) {
	eachEngine(t, func(t *testing.T, portable bool) {
		s := start(t, portable, one())
		got := s.send(strings.Repeat("GET /status.php HTTP/1.1\r\nHost: x\r\n\r\n", 3), 1<<20)
		if strings.Count(got, "HTTP/1.1 200") != 1 || s.Stats().Statuses != 1 {
			t.Errorf("got %q, want one answer", got)
		}
	})
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		prefix    string
		own, http netloop.Match
	}{
		{"G", netloop.MatchMore, netloop.MatchMore},
		{"GET ", netloop.MatchMore, netloop.MatchYes},
		{"GET /get", netloop.MatchMore, netloop.MatchYes},
		{"GET /get ", netloop.MatchYes, netloop.MatchYes},
		{"GET /get?uid=", netloop.MatchYes, netloop.MatchYes},
		{"GET /gets", netloop.MatchNo, netloop.MatchYes},
		{"GET /mqtt", netloop.MatchNo, netloop.MatchYes},
		{"GET / HTTP", netloop.MatchNo, netloop.MatchYes},
		{"GET /status.ph", netloop.MatchMore, netloop.MatchYes},
		{"GET /status.php ", netloop.MatchYes, netloop.MatchYes},
		{"POST /get?", netloop.MatchYes, netloop.MatchYes},
		{"POST /status.php ", netloop.MatchNo, netloop.MatchYes},
		{"HEAD /get ", netloop.MatchYes, netloop.MatchYes},
		{"PUT /get ", netloop.MatchNo, netloop.MatchYes},
		{"PROXY ", netloop.MatchNo, netloop.MatchNo},
		{"P", netloop.MatchMore, netloop.MatchMore},
		{"\x10", netloop.MatchNo, netloop.MatchNo},
		{"qh", netloop.MatchNo, netloop.MatchNo},
	} {
		if own, any := Match([]byte(tt.prefix)), MatchHTTP([]byte(tt.prefix)); own != tt.own || any != tt.http {
			t.Errorf("%q: got %v and %v, want %v and %v", tt.prefix, own, any, tt.own, tt.http)
		}
	}
}

// FuzzRequest: no bytes make a request panic, or be taken for another one when more of them come.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		"GET /get?uid=a HTTP/1.1\r\nHost: x\r\n\r\n", "POST /get HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcd", "GET http://[::1]/get HTTP/1.0\r\n\r\n", "GET /get\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	srv, err := New(one())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, size, err := read(b)
		whole := size > 0 && size <= len(b)
		if whole == (err != nil) && whole {
			t.Fatalf("%q is whole, and %v", b, err)
		}
		if !whole {
			return
		}
		if answer := srv.answer(&r); !strings.HasPrefix(answer, "HTTP/1.1 200 OK\r\n") {
			t.Errorf("%q: got %q", b, answer)
		}
		if again, n, err := read(append(b, "GET /"...)); again != r || n != size || err != nil {
			t.Errorf("%q with more: got %+v of %d bytes, %v, want %+v of %d", b, again, n, err, r, size)
		}
	})
}
