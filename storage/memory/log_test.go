package memory_test

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// TestLogBounds fills logs up to their bounds, of which the smaller one counts.
func TestLogBounds(t *testing.T) {
	const payload = 1000
	size := int64((&broker.Message{TopicName: "t", Payload: make([]byte, payload)}).Size())
	for _, tt := range []struct {
		name     string
		messages int
		bytes    int64
		want     int
	}{
		{"messages", 7, 1 << 30, 7},
		{"bytes", 1000, 5*size + 1, 5},
		{"less than one message", 1000, 1, 1},
	} {
		st := memory.New()
		st.BoundLogs(tt.messages, tt.bytes)
		var last uint64
		for range 100 {
			last = st.AppendLog("a", &broker.Message{TopicName: "t", Payload: make([]byte, payload), Body: new(broker.Body)}, nil)
		}
		st.LoadLog("a", 0, 1000, 1<<30, func(es []broker.Entry, more bool, err error) {
			if err != nil || more || len(es) != tt.want || es[len(es)-1].Log != last {
				t.Errorf("%s: got %d messages, more %t, error %v, want the last %d", tt.name, len(es), more, err, tt.want)
			}
		})
	}
}
