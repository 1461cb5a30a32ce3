package memory_test

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// BenchmarkAppendRemove is a message that passes through an empty mailbox.
func BenchmarkAppendRemove(b *testing.B) {
	st := memory.New()
	mb := st.NewMailbox()
	e := broker.Entry{Message: &broker.Message{TopicName: "t", Payload: make([]byte, 256)}, QoS: 1}
	b.ReportAllocs()
	for b.Loop() {
		e.Seq++
		st.Append(mb, &e, nil)
		st.Remove(mb, e.Seq, nil)
	}
}

// BenchmarkFanOut is a message that is owed to one Session more, in a mailbox of its own.
func BenchmarkFanOut(b *testing.B) {
	st := memory.New()
	e := broker.Entry{Seq: 1, Message: &broker.Message{TopicName: "t", Payload: make([]byte, 1024), Body: new(broker.Body)}, QoS: 1}
	b.ReportAllocs()
	for b.Loop() {
		st.Append(st.NewMailbox(), &e, nil)
	}
}
