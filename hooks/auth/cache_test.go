package auth

import (
	"sync"
	"testing"
	"time"
)

func TestCache(t *testing.T) {
	c := newCache[string, int](2)
	now := time.Unix(0, 0)
	check := func(k string, want int, there bool) {
		t.Helper()
		if v, ok := c.get(k, now); v != want || ok != there {
			t.Errorf("%s: got %d, %v, want %d, %v", k, v, ok, want, there)
		}
	}
	c.put("a", 1, now.Add(time.Second))
	c.put("b", 2, now.Add(time.Minute))
	check("a", 1, true)
	c.put("c", 3, now.Add(time.Minute)) // b has not been used for longest
	check("b", 0, false)
	check("a", 1, true)
	c.put("a", 4, now.Add(time.Second))
	check("a", 4, true)
	now = now.Add(time.Second)
	check("a", 0, false)
	check("c", 3, true)
	if got := c.len(); got != 1 {
		t.Errorf("got %d entries, want 1", got)
	}
}

func TestCacheConcurrently(t *testing.T) {
	c := newCache[int, int](8)
	now := time.Now()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				c.put(i%20, g, now.Add(time.Duration(i%3)))
				c.get(i%20, now)
			}
		})
	}
	wg.Wait()
	if got := c.len(); got > 8 {
		t.Errorf("got %d entries, want 8 at most", got)
	}
}
