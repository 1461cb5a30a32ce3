package storetest

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// read does one random read and compares.
func (w *world) read() {
	switch w.r.IntN(10) {
	case 0, 1:
		w.checkRecord(w.session())
	case 2:
		w.checkRetained()
	case 3:
		w.checkLog(w.somePlace(), 1+w.r.IntN(20), w.someBytes())
	default:
		s := w.session()
		w.checkMailbox(s, w.r.Uint64N(s.next+2), 1+w.r.IntN(20), w.someBytes())
	}
}

// someBytes returns a maxBytes, which is most often out of reach.
func (w *world) someBytes() int {
	if w.r.IntN(4) > 0 {
		return unlimited
	}
	return 1 + w.r.IntN(10_000)
}

// somePlace returns a place in the log, or 0.
func (w *world) somePlace() uint64 {
	n := len(w.log)
	if n == 0 || w.r.IntN(4) == 0 {
		return 0
	}
	return w.log[w.r.IntN(n)].Log
}

func (w *world) checkRecord(s *sessionModel) {
	w.t.Helper()
	got := loadSession(w.t, w.st, s.key)
	if d := recordDifference(got, s.record); d != "" {
		w.t.Fatalf("%v: LoadSession: %s", s.key, d)
	}
	if got == nil {
		return
	}
	if d := foundDifference(got, s.found()); d != "" {
		w.t.Fatalf("%v: LoadSession: %s", s.key, d)
	}
}

// checkMailbox compares a page. As the broker does, it goes on with the messages that it was given.
func (w *world) checkMailbox(s *sessionModel, after uint64, limit, maxBytes int) []broker.Entry {
	w.t.Helper()
	want := s.entriesAfter(after)
	got, more := load(w.t, w.st, s.mb, after, limit, maxBytes)
	what := fmt.Sprintf("%v: Load after %d, limit %d, %d bytes", s.key, after, limit, maxBytes)
	checkPage(w.t, what, got, more, want, limit, maxBytes)
	for i := range got {
		want[i].Message = got[i].Message
	}
	return got
}

func (w *world) checkLog(after uint64, limit, maxBytes int) []broker.Entry {
	w.t.Helper()
	want := w.logAfter(after)
	got, more := loadLog(w.t, w.st, w.app, after, limit, maxBytes)
	what := fmt.Sprintf("%s: LoadLog after %d, limit %d, %d bytes", w.app, after, limit, maxBytes)
	checkLogPage(w.t, what, got, more, want, limit, maxBytes)
	for i := range got {
		want[i].Message = got[i].Message
	}
	return got
}

func (w *world) checkRetained() {
	w.t.Helper()
	names := make([]string, 7) // one more than there are
	for i := range names {
		names[i] = fmt.Sprint("r/", i)
	}
	for i, m := range loadRetained(w.t, w.st, w.app, names...) {
		if d := retainedDifference(m, w.retained[retainedName{w.app, names[i]}]); d != "" {
			w.t.Fatalf("%s: retained message of %s: %s", w.app, names[i], d)
		}
	}
}

// checkAll compares everything.
func (w *world) checkAll() {
	w.t.Helper()
	for _, s := range w.sessions {
		w.checkRecord(s)
		for after := uint64(0); ; {
			got := w.checkMailbox(s, after, 50, 100_000)
			if len(got) == 0 {
				break
			}
			after = got[len(got)-1].Seq
		}
	}
	for after := uint64(0); ; {
		got := w.checkLog(after, 50, 100_000)
		if len(got) == 0 {
			break
		}
		after = got[len(got)-1].Log
	}
	w.checkRetained()
	want := uint64(0)
	if n := len(w.log); n > 0 {
		want = w.log[n-1].Log
	}
	if got := w.st.LogEnd(w.app); got != want {
		w.t.Errorf("%s: LogEnd: got %d, want %d", w.app, got, want)
	}
	for _, mb := range w.old {
		checkEmpty(w.t, w.st, "mailbox of a Session that has ended", mb)
	}
}
