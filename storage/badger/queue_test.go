package badger

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

// queueFrom makes a queue from a script of words: aN appends to mailbox N, rN reads it, dN ends it, xN cancels the last append
// to it, ( begins a bracket and ) ends the one that was begun first of those open, )) the last one.
func queueFrom(t *testing.T, script string) *queue {
	t.Helper()
	q := newQueue(1<<20, 1000)
	var open []broker.Tx
	for i, word := range strings.Fields(script) {
		mb := broker.Mailbox(word[len(word)-1] - '0')
		switch word[0] {
		case 'a':
			q.push(&op{kind: opAppend, mb: mb, seq: uint64(i), cost: 1}, true)
		case 'r':
			q.push(&op{kind: opRead, mb: mb, cost: 1}, false)
		case 'd':
			q.push(&op{kind: opDrop, mb: mb, cost: 1}, false)
		case 'x':
			last := uint64(0)
			for id := range q.pending {
				if id.mb == mb {
					last = max(last, id.seq)
				}
			}
			if _, ok := q.cancel(entryID{mb, last}); !ok {
				t.Fatalf("%s: cancel: got nothing", script)
			}
		case '(':
			open = append(open, q.begin())
		case ')':
			at := 0
			if word == "))" {
				at = len(open) - 1
			}
			q.end(open[at])
			open = slices.Delete(open, at, at+1)
		}
	}
	return q
}

// TestTake looks at how many operations go into each batch.
func TestTake(t *testing.T) {
	for _, c := range []struct {
		script string
		want   []int
	}{
		{"", nil},
		{"a1 a2 a3", []int{3}},
		{"a1 a2 a3 a4 a5", []int{4, 1}}, // the bound is 4
		{"a1 a2 a3 a4 a5 a6 a7 a8 a9", []int{4, 4, 1}},        // and again
		{"a1 x1 a2 a3 a4 a5", []int{4}},                       // what is cancelled does not count
		{"a1 ( a2", []int{1}},                                 // an open bracket stops all
		{"( a1", nil},                                         // at its begin
		{"( a1 ( a2 )", nil},                                  // the earliest one counts
		{"( a1 ( a2 ))", nil},                                 // also when a later one has ended
		{"a1 a2 ( a3 a4 a5 ) a6", []int{5, 1}},                // the whole bracket
		{"a1 a2 a3 a4 ( a5 a6 )", []int{4, 2}},                // or none of it
		{"a1 a2 a3 ( a4 ( a5 ) a6 ))", []int{6}},              // brackets that overlap are one
		{"a1 ( a1 a2 a3 a4 a5 a6 a7 a8 ) a9", []int{1, 6, 3}}, // more than the hard bound of 6: torn
		{"r1 a1", []int{1, 1}},                                // a read must not see what comes later
		{"r1 a2 a3", []int{3}},                                // of its mailbox
		{"a1 r1 a2 a1 a3", []int{3, 2}},
		{"d1 a1", []int{1, 1}},        // nor must the end of a mailbox
		{"( d1 a1 )", []int{2}},       // unless a bracket would be torn
		{"a2 ( r1 a1 )", []int{1, 2}}, // which may wait as a whole
		{"a2 r1 ( a3 a1 )", []int{2, 2}},
	} {
		q := queueFrom(t, c.script)
		var got []int
		for {
			var b batch
			q.takeLocked(&b, bounds{soft: 4, hard: 6, softBytes: 100, hardBytes: 100}, q.tail)
			if len(b.ops) == 0 {
				break
			}
			got = append(got, len(b.ops))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: got batches %v, want %v", c.script, got, c.want)
		}
	}
}

// TestTakeBytes has the bytes bound a batch.
func TestTakeBytes(t *testing.T) {
	q := newQueue(1<<20, 1000)
	for _, cost := range []int32{10, 60, 50, 200, 1} {
		q.push(&op{kind: opPut, cost: cost, x: new(opExtra)}, true)
	}
	var got []int64
	for {
		var b batch
		q.takeLocked(&b, bounds{soft: 4, hard: 6, softBytes: 60, hardBytes: 100}, q.tail)
		if len(b.ops) == 0 {
			break
		}
		got = append(got, b.bytes)
	}
	if want := []int64{70, 50, 200, 1}; !slices.Equal(got, want) {
		t.Errorf("bytes of batches: got %v, want %v", got, want)
	}
}

// TestQueueOrder pushes, cancels and takes at random: what is taken is all that was not cancelled, in order, and no
// bracket is torn.
func TestQueueOrder(t *testing.T) {
	r := randtest.New(t)
	q := newQueue(1<<40, 1000)
	var want []uint64 // not taken and not cancelled
	open := make(map[broker.Tx]uint64)
	torn := make(map[uint64]uint64) // by operation, the first one that a bracket keeps it together with
	seq := uint64(0)
	for range 20_000 {
		switch p := r.IntN(100); {
		case p < 60:
			seq++
			q.push(&op{kind: opAppend, mb: 1, seq: seq, cost: 1}, true)
			want = append(want, seq)
		case p < 80 && len(want) > 0:
			i := r.IntN(len(want))
			if _, ok := q.cancel(entryID{1, want[i]}); !ok {
				t.Fatalf("cancel of %d: got nothing", want[i])
			}
			want = slices.Delete(want, i, i+1)
		case p < 85 && len(open) < 3:
			open[q.begin()] = seq + 1
		case p < 95:
			for tx, first := range open {
				q.end(tx)
				delete(open, tx)
				for s := first + 1; s <= seq; s++ {
					if was, ok := torn[s]; !ok || first < was {
						torn[s] = first
					}
				}
				break
			}
		default:
			var b batch
			q.takeLocked(&b, bounds{soft: 1 + r.IntN(30), hard: 1 << 20, softBytes: 1 << 40, hardBytes: 1 << 40}, q.tail)
			limit := seq + 1
			for _, first := range open {
				limit = min(limit, first)
			}
			for i, o := range b.ops {
				if o.seq != want[i] || o.seq >= limit {
					t.Fatalf("taken: got %d as number %d, want %d, below %d", o.seq, i, want[i], limit)
				}
			}
			want = want[len(b.ops):]
			if len(b.ops) > 0 && len(want) > 0 {
				last, next := b.ops[len(b.ops)-1].seq, want[0]
				if first, ok := torn[next]; ok && first <= last {
					t.Fatalf("batch ends with %d and the next begins with %d: a bracket from %d on is torn", last, next, first)
				}
			}
		}
		if q.live != len(want) {
			t.Fatalf("operations in the queue: got %d, want %d", q.live, len(want))
		}
	}
}

func TestQueueGrows(t *testing.T) {
	q := newQueue(1<<20, 1000)
	for i := range 1000 {
		q.push(&op{kind: opAppend, mb: 1, seq: uint64(i), cost: 1}, true)
		if i%3 == 0 {
			q.takeLocked(&batch{}, bounds{soft: 2, hard: 2, softBytes: 100, hardBytes: 100}, q.tail)
		}
	}
	var b batch
	q.takeLocked(&b, bounds{soft: 1000, hard: 1000, softBytes: 1000, hardBytes: 1000}, q.tail)
	for i, o := range b.ops {
		if want := uint64(1000 - len(b.ops) + i); o.seq != want {
			t.Fatalf("operation %d: got %d, want %d", i, o.seq, want)
		}
	}
	if q.bytes != 1000 || q.live != 0 || len(q.pending) != 0 {
		t.Errorf("empty queue: got %d bytes, %d live, %d pending, want 1000 unsettled bytes", q.bytes, q.live, len(q.pending))
	}
}

// TestEndlessBrackets has brackets overlap without an end, as those of many busy goroutines do.
func TestEndlessBrackets(t *testing.T) {
	q := newQueue(1<<20, 10)
	taken := 0
	open := q.begin()
	for seq := range uint64(1000) {
		q.push(&op{kind: opAppend, mb: 1, seq: seq, cost: 1}, true)
		next := q.begin()
		q.end(open)
		open = next
		var b batch
		q.takeLocked(&b, bounds{soft: 100, hard: 100, softBytes: 100, hardBytes: 100}, q.tail)
		taken += len(b.ops)
		if q.live > 10 {
			t.Fatalf("operations that wait: got %d, want at most 10", q.live)
		}
	}
	if taken < 900 {
		t.Errorf("operations taken: got %d, want almost all", taken)
	}
}
