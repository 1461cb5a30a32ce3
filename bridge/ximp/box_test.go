package ximp

import (
	"slices"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

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
		for _, e := range bs.box[peer].page(queryOf(tt.k, tt.start, tt.offset)) {
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
