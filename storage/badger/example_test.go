package badger_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/badger"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "holdfast")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := badger.Open(context.Background(), badger.Options{Dir: filepath.Join(dir, "data")})
	if err != nil {
		log.Fatal(err)
	}
	mb := s.NewMailbox()
	s.Append(mb, &broker.Entry{Seq: 1, QoS: 1, Message: &broker.Message{TopicName: "t", Payload: []byte("hello")}}, nil)
	read := make(chan []broker.Entry)
	s.Load(mb, 0, 10, 1<<20, func(es []broker.Entry, more bool, err error) { read <- es })
	for _, e := range <-read {
		fmt.Printf("%d %s\n", e.Seq, e.Message.Payload)
	}
	if err := s.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: 1 hello
}
