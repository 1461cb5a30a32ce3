package topic

import "testing"

func TestEntry(t *testing.T) {
	e := entry[int]{one: Subscription[int]{Subscriber: 1, ID: 1}}
	steps := []struct {
		add, remove    int
		existed, empty bool
		members        int
	}{
		{add: 1, existed: true, members: 1},
		{remove: 2, members: 1},
		{add: 2, members: 2},
		{add: 2, existed: true, members: 2},
		{remove: 9, members: 2},
		{add: 3, members: 3},
		{remove: 1, existed: true, members: 2},
		{remove: 3, existed: true, members: 1},
		{remove: 3, members: 1},
		{add: 4, members: 2},
		{remove: 2, existed: true, members: 1},
		{remove: 4, existed: true, empty: true, members: 0},
	}
	for i, st := range steps {
		var existed, empty bool
		if st.add != 0 {
			existed = e.put(Subscription[int]{Subscriber: st.add, ID: uint32(st.add)})
		} else {
			existed, empty = e.remove(st.remove)
		}
		if existed != st.existed || empty != st.empty {
			t.Fatalf("step %d: existed %v, empty %v, want %v, %v", i, existed, empty, st.existed, st.empty)
		}
		members := 1
		if e.many != nil {
			members = len(e.many.subs)
			if members < 2 || e.one != (Subscription[int]{}) {
				t.Fatalf("step %d: a roster of %d beside %+v, want at least 2 and no inline subscription", i, members, e.one)
			}
		}
		if !empty && members != st.members {
			t.Fatalf("step %d: %d members, want %d", i, members, st.members)
		}
	}
}
