package memory_test

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

func ExampleNew() {
	st := memory.New()
	mb := st.NewMailbox()
	st.Append(mb, &broker.Entry{Seq: 1, Message: &broker.Message{TopicName: "greeting", Payload: []byte("hello")}}, nil)
	st.Load(mb, 0, 10, 1<<20, func(es []broker.Entry, more bool, err error) {
		for _, e := range es {
			fmt.Printf("%d: %s: %s\n", e.Seq, e.Message.TopicName, e.Message.Payload)
		}
		fmt.Println(more, err)
	})
	// Output:
	// 1: greeting: hello
	// false <nil>
}
