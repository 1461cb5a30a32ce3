package storetest

import (
	"fmt"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

var pageTests = []test{
	{"order and pages", testPages},
	{"pages by size", testPagesBySize},
}

func testPages(t *testing.T, st broker.Store) {
	const n = 300
	mb := st.NewMailbox()
	var want []broker.Entry
	for seq := uint64(1); seq <= n; seq++ {
		want = append(want, broker.Entry{Seq: seq, Message: message("t", fmt.Sprint(seq)), QoS: 1})
		st.Append(mb, &want[seq-1], nil)
	}
	for _, test := range []struct {
		after uint64
		limit int
	}{
		{0, n}, {0, n + 1}, {0, n - 1}, {0, 1}, {100, 50}, {n - 10, 10}, {n - 10, 9}, {n - 1, 1}, {n, 10}, {n + 100, 10}, {1<<64 - 1, 10},
	} {
		got, more := load(t, st, mb, test.after, test.limit, unlimited)
		what := fmt.Sprintf("Load after %d, limit %d", test.after, test.limit)
		checkPage(t, what, got, more, want[min(test.after, n):], test.limit, unlimited)
	}
}

// testPagesBySize has a mailbox with large and small messages, of one and of many.
func testPagesBySize(t *testing.T, st broker.Store) {
	mb := st.NewMailbox()
	shared := sharedMessage("t", string(make([]byte, 1000)))
	var want []broker.Entry
	for i, size := range []int{20_000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 50_000, 0, 0, 0, 300_000, 1000} {
		m := message("t", string(make([]byte, size)))
		if i%2 == 0 && size == 1000 {
			m = shared
		}
		want = append(want, broker.Entry{Seq: uint64(i + 1), Message: m, QoS: 1})
		st.Append(mb, &want[i], nil)
	}
	for _, maxBytes := range []int{1, 500, 3000, 10_000, 100_000, unlimited} {
		for _, limit := range []int{1, 3, 100} {
			after := uint64(0)
			for after < uint64(len(want)) { // page by page
				got, more := load(t, st, mb, after, limit, maxBytes)
				what := fmt.Sprintf("Load after %d, limit %d, %d bytes", after, limit, maxBytes)
				checkPage(t, what, got, more, want[after:], limit, maxBytes)
				after += uint64(len(got))
			}
		}
	}
}
