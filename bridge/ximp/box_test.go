package ximp

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func none(*entry) bool { return false }

// TestPage is the table of 1.9: where a page begins, and which way it goes.
func TestPage(t *testing.T) {
	var bs boxes
	for id := int64(10); id <= 200; id += 10 {
		bs.add(peer, entry{id: id, msg: &broker.Message{}})
	}
	for _, tt := range []struct {
		name   string
		k      kind
		start  int64
		offset int32
		want   []int64
	}{
		{"from an id", peer, 30, 3, []int64{30, 40, 50}},
		{"from an id that there is not", peer, 31, 3, []int64{40, 50, 60}},
		{"count 0", im, 30, 0, []int64{30, 40, 50, 60, 70}},
		{"at the end", peer, 190, 5, []int64{190, 200}},
		{"beyond the end", peer, 201, 5, nil},
		{"backwards", peer, 50, -2, []int64{40, 30}},
		{"backwards to the beginning", peer, 30, -5, []int64{20, 10}},
		{"backwards from the beginning", peer, 10, -5, nil},
		{"0", peer, 0, 2, []int64{10, 20}},
		{"0, negative count", peer, 0, -2, []int64{10, 20}},
		{"negative", peer, -1, 2, []int64{200, 190}},
		{"negative, negative count", peer, -7, -2, []int64{200, 190}},
		{"the least count", peer, -1, -1 << 31, []int64{
			200, 190, 180, 170, 160, 150, 140, 130, 120, 110, 100, 90, 80, 70, 60, 50, 40, 30, 20, 10}},
		{"public", public, 30, 3, []int64{30, 40, 50}},
		{"public, negative count", public, 30, -3, []int64{30, 40, 50, 60, 70}},
		{"public, 0", public, 0, 2, []int64{10, 20}},
		{"public, negative", public, -1, 2, []int64{200, 190}},
		{"public, both negative", public, -1, -1, []int64{200, 190, 180, 170, 160}},
	} {
		var got []int64
		es, _ := bs.page(peer, queryOf(tt.k, tt.start, tt.offset), none)
		for _, e := range es {
			got = append(got, e.id)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := queryOf(peer, 1, 1<<30).n; got != maxPage {
		t.Errorf("most messages of a page: got %d, want %d", got, maxPage)
	}
}

// TestTakeBelow: what is taken leaves the count and the bytes.
func TestTakeBelow(t *testing.T) {
	var bs boxes
	for id := int64(1); id <= 4; id++ {
		bs.add(kind(id%2), entry{id: id, msg: &broker.Message{Payload: make([]byte, id)}})
	}
	if got := bs.takeBelow(im, 3); len(got) != 1 || got[0].id != 1 {
		t.Errorf("got %v, want the message 1", got)
	}
	if got := bs.takeBelow(im, 3); got != nil {
		t.Errorf("got %v, want nothing", got)
	}
	want := 3
	if bs.count != want || bs.bytes != 2+3+4+3*(&broker.Message{}).Size() {
		t.Errorf("left: got %d messages of %d bytes, want %d", bs.count, bs.bytes, want)
	}
}

// TestGone: pages leave out what has expired, whichever way they go, and that is taken out.
func TestGone(t *testing.T) {
	odd := func(e *entry) bool { return e.id%2 == 1 }
	for _, tt := range []struct {
		name        string
		start       int64
		offset      int32
		want, taken []int64
	}{
		{"from an id", 3, 2, []int64{4, 6}, []int64{3, 5}},
		{"the last ones", 9, 5, []int64{10}, []int64{9}},
		{"from the oldest", 0, 3, []int64{2, 4, 6}, []int64{1, 3, 5}},
		{"backwards", 6, -2, []int64{4, 2}, []int64{3, 5}},
		{"from the newest", -1, 2, []int64{10, 8}, []int64{9}},
		{"nothing is gone", 2, 1, []int64{2}, nil},
	} {
		var bs boxes
		for id := int64(1); id <= 10; id++ {
			bs.add(peer, entry{id: id, msg: &broker.Message{Expires: time.Unix(1, 0)}})
		}
		var got, out, rest []int64
		es, taken := bs.page(peer, queryOf(peer, tt.start, tt.offset), odd)
		for _, e := range es {
			got = append(got, e.id)
		}
		for _, e := range taken {
			out = append(out, e.id)
		}
		if !slices.Equal(got, tt.want) || !slices.Equal(out, tt.taken) {
			t.Errorf("%s: got %v and took out %v, want %v and %v", tt.name, got, out, tt.want, tt.taken)
		}
		b := &bs.box[peer]
		for _, e := range b.entries {
			rest = append(rest, e.id)
		}
		n := 10 - len(tt.taken)
		if len(rest) != n || !slices.IsSorted(rest) || bs.count != n || b.expiring != n || bs.bytes != n*(&broker.Message{}).Size() {
			t.Errorf("%s: left are %v, counted %d and %d that expire", tt.name, rest, bs.count, b.expiring)
		}
	}
}

// TestLooks: a pull looks at what it gives, at what has expired, which no other does again, and at some more, however many messages are
// waiting and one after the other expires.
func TestLooks(t *testing.T) {
	const n, page = 1000, 5
	var bs boxes
	for id := int64(1); id <= n; id++ {
		bs.add(peer, entry{id: id, msg: &broker.Message{Expires: time.Unix(1, 0)}})
	}
	looks, now, left := 0, int64(0), n
	gone := func(e *entry) bool {
		looks++
		return (e.id*7919)%n < now // all over the box
	}
	for ; left > 0 && now < 3*n; now++ {
		looks = 0
		_, taken := bs.page(peer, queryOf(peer, 0, page), gone)
		taken = append(taken, bs.sweep(peer, gone)...)
		left -= len(taken)
		if most := 2*page + sweepSome + 2*len(taken); looks > most {
			t.Fatalf("pull %d looks %d times, want at most %d: it takes out %d", now, looks, most, len(taken))
		}
	}
	if left != 0 || bs.count != 0 || bs.bytes != 0 {
		t.Errorf("left are %d messages, counted %d of %d bytes, want none", left, bs.count, bs.bytes)
	}
	if looks = 0; bs.sweep(peer, gone) != nil || looks != 0 {
		t.Errorf("an empty box is looked at %d times", looks)
	}
	bs.add(peer, entry{id: n + 1, msg: &broker.Message{}})
	if bs.sweep(peer, gone); looks != 0 {
		t.Errorf("a box in which nothing expires is looked at %d times", looks)
	}
}
