package broker

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// TestRetainFailuresAreBounded has more retained messages of one Topic Name replaced and then refused than are remembered, as while the
// disk stalls. The last one that was stored is in force in the end, if its failures are among those that are.
func TestRetainFailuresAreBounded(t *testing.T) {
	a := &App{retained: topic.NewRetained[*retained]()}
	good := new(retained)
	old := good
	calls := make([]*retaining, 3*maxRetainFailures+10)
	for i := range calls {
		calls[i] = &retaining{app: a, name: "r", now: &retained{payload: 1}, old: old}
		old = calls[i].now
	}
	a.retained.Set("r", old)
	most := 0
	for _, c := range calls[:len(calls)-1] {
		c.failed()
		most = max(most, len(a.retainFailures))
	}
	if most != maxRetainFailures {
		t.Errorf("%d failures are remembered, want %d at most, and as many", most, maxRetainFailures)
	}
	clear(a.retainFailures)
	for _, c := range calls[:9] {
		c.failed()
	}
	a.retained.Set("r", calls[9].now)
	calls[9].failed()
	if got, _ := a.retained.Get("r"); got != good {
		t.Error("after ten failures in a row another message is in force than the one that was stored")
	}
}
