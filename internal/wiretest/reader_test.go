package wiretest

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// line cuts one line off.
func line(got *string) func(in []byte) int {
	return func(in []byte) int {
		for i, b := range in {
			if b == '\n' {
				*got = string(in[:i])
				return i + 1
			}
		}
		return 0
	}
}

func TestReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, nc := net.Pipe()
		r := NewReader()
		go r.Run(nc)
		go func() {
			for _, s := range []string{"on", "e\ntwo\nth", "ree"} {
				_, _ = server.Write([]byte(s))
			}
		}()
		var got string
		for _, want := range []string{"one", "two"} {
			if ok, late := r.Await(time.Second, line(&got)); !ok || late || got != want {
				t.Errorf("got %q, %t, %t; want %q", got, ok, late, want)
			}
		}
		if ok, late := r.Await(time.Second, line(&got)); ok || !late {
			t.Errorf("of half a line: got %t, late %t; want false, true", ok, late)
		}
		if got := string(r.Waiting()); got != "three" || r.Ended() {
			t.Errorf("got %q, ended %t; want three, false", got, r.Ended())
		}
		server.Close()
		<-r.Done()
		if ok, late := r.Await(time.Second, line(&got)); ok || late || !r.Ended() {
			t.Errorf("at the end: got %t, late %t, ended %t; want false, false, true", ok, late, r.Ended())
		}
	})
}
