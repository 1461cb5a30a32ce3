package topic

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// pages collects all that r has for filter, limit names per page, and the number of pages.
func pages(t *testing.T, r *Retained[int], filter string, limit int) (got map[string]int, n int) {
	t.Helper()
	got = make(map[string]int)
	for after, more := "", true; more; n++ {
		emitted := 0
		after, more = r.Page(filter, after, limit, func(name string, v int) {
			if _, twice := got[name]; twice {
				t.Fatalf("Page(%q) gives %q twice", filter, name)
			}
			got[name] = v
			emitted++
		})
		if emitted > limit {
			t.Fatalf("Page(%q) gives %d names, want at most %d", filter, emitted, limit)
		}
		if n > 100_000 {
			t.Fatalf("Page(%q) does not come to an end", filter)
		}
	}
	return got, n
}

func TestRetainedSetGetDelete(t *testing.T) {
	r := NewRetained[int]()
	if old, replaced := r.Set("a", 1); replaced {
		t.Errorf("first Set replaces %d, want nothing", old)
	}
	if old, replaced := r.Set("a", 2); !replaced || old != 1 {
		t.Errorf("second Set replaces %d, %v, want 1", old, replaced)
	}
	if v, ok := r.Get("a"); !ok || v != 2 {
		t.Errorf("Get = %d, %v, want 2", v, ok)
	}
	if v, ok := r.DeleteIf("a", func(v int) bool { return v == 1 }); ok {
		t.Errorf("DeleteIf of a value that is gone deletes %d, want nothing", v)
	}
	if v, ok := r.DeleteIf("a", func(v int) bool { return v == 2 }); !ok || v != 2 {
		t.Errorf("DeleteIf = %d, %v, want 2", v, ok)
	}
	if _, ok := r.DeleteIf("a", func(int) bool { return true }); ok {
		t.Error("DeleteIf of a missing name deletes something")
	}
	r.Set("b", 3)
	if v, ok := r.Delete("b"); !ok || v != 3 {
		t.Errorf("Delete = %d, %v, want 3", v, ok)
	}
	if _, ok := r.Delete("b"); ok || r.Len() != 0 {
		t.Errorf("second Delete = %v, Len = %d, want false, 0", ok, r.Len())
	}
}

func TestRetainedRandom(t *testing.T) {
	rng := newRand(t)
	r, m := NewRetained[int](), make(map[string]int)
	for i := range 4000 {
		name := randomName(rng)
		if rng.IntN(3) > 0 {
			old, replaced := r.Set(name, i)
			if want, ok := m[name]; old != want || replaced != ok {
				t.Fatalf("Set(%q) = %d, %v, want %d, %v", name, old, replaced, want, ok)
			}
			m[name] = i
		} else {
			old, ok := r.Delete(name)
			if want, wantOK := m[name]; old != want || ok != wantOK {
				t.Fatalf("Delete(%q) = %d, %v, want %d, %v", name, old, ok, want, wantOK)
			}
			delete(m, name)
		}
		if i%5 != 0 {
			continue
		}
		filter := randomFilter(rng)
		want := make(map[string]int)
		for name, v := range m {
			if Match(filter, name) {
				want[name] = v
			}
		}
		limit := 1 + rng.IntN(20)
		if got, _ := pages(t, r, filter, limit); !mapsEqual(got, want) {
			t.Fatalf("Page(%q) by %d = %v, want %v", filter, limit, got, want)
		}
		if r.Len() != len(m) {
			t.Fatalf("Len = %d, want %d", r.Len(), len(m))
		}
	}
}

func mapsEqual(a, b map[string]int) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// TestRetainedSkips counts how many names are looked at, pages being of one name each.
func TestRetainedSkips(t *testing.T) {
	r := NewRetained[int]()
	for i := range 10 {
		for j := range 100 {
			r.Set(fmt.Sprintf("a/%d/x%02d", i, j), 0)
			r.Set(fmt.Sprintf("b/%d/x%02d", i, j), 0)
			r.Set(fmt.Sprintf("$SYS/%d/x%02d", i, j), 0)
		}
	}
	tests := []struct {
		filter     string
		found, max int
	}{
		{"#", 2000, 2001},
		{"a/#", 1000, 1001},
		{"a/+/x50", 10, 31},
		{"a/+", 0, 11},
		{"+/3/x50", 2, 7},
		{"c/+", 0, 1},
		{"$SYS/+/x00", 10, 21},
		{"a/1/x00", 1, 1},
	}
	for _, tt := range tests {
		got, looked := pages(t, r, tt.filter, 1)
		if len(got) != tt.found || looked > tt.max {
			t.Errorf("Page(%q) finds %d looking at %d names, want %d and at most %d", tt.filter, len(got), looked, tt.found, tt.max)
		}
	}
}

// TestRetainedPageAfterDelete resumes from a name that is gone meanwhile.
func TestRetainedPageAfterDelete(t *testing.T) {
	r := NewRetained[int]()
	for _, name := range []string{"a/1", "a/2", "a/3", "a/4"} {
		r.Set(name, 0)
	}
	var got []string
	emit := func(name string, _ int) { got = append(got, name) }
	next, more := r.Page("a/+", "", 2, emit)
	r.Delete("a/2")
	r.Delete("a/3")
	r.Set("a/20", 0)
	if !more {
		t.Fatal("first page says that it is the last")
	}
	if next, more = r.Page("a/+", next, 5, emit); more {
		t.Errorf("second page says that there is more behind %q", next)
	}
	if want := []string{"a/1", "a/2", "a/20", "a/4"}; !slices.Equal(got, want) {
		t.Errorf("pages give %v, want %v", got, want)
	}
}

func TestRetainedConcurrent(t *testing.T) {
	const workers, rounds = 6, 300
	r := NewRetained[int]()
	r.Set("a/fixed", 1)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			mine := fmt.Sprintf("a/%d", w)
			for range rounds {
				r.Set(mine, w)
				seen := 0
				for after, more := "", true; more; {
					after, more = r.Page("a/+", after, 2, func(name string, _ int) {
						if name == mine || name == "a/fixed" {
							seen++
						}
					})
				}
				if v, ok := r.Delete(mine); !ok || v != w || seen != 2 {
					t.Errorf("worker %d: Delete = %d, %v, saw %d names, want %d, true, 2", w, v, ok, seen, w)
				}
			}
		})
	}
	wg.Wait()
	if got := r.Len(); got != 1 {
		t.Errorf("Len = %d, want 1", got)
	}
}
