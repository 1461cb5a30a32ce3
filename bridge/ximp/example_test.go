package ximp_test

import (
	"context"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp"
)

// tickets lets those into rooms who have a ticket.
type tickets map[string]string // by user

func (t tickets) OnRoomJoin(_ context.Context, e *ximp.RoomEntry) (ximp.RoomAnswer, error) {
	if t[e.User] != e.Room {
		return ximp.RoomAnswer{Result: 1001, Reason: "no ticket"}, nil
	}
	return ximp.RoomAnswer{PartnerData: []byte(`{"seat":12}`)}, nil
}

func (t tickets) OnRoomQuit(_ context.Context, e *ximp.RoomEntry) error {
	fmt.Println(e.User, "has left", e.Room)
	return nil
}

func ExampleRoomAdmitter() {
	hook := tickets{"alice": "hall"}
	cfg := ximp.Config{RoomAdmitter: hook, RoomQuitObserver: hook} // and what a Server needs

	answer, err := cfg.RoomAdmitter.OnRoomJoin(context.Background(), &ximp.RoomEntry{User: "bob", Room: "hall"})
	fmt.Println(answer.Result, answer.Reason, err)
	answer, err = cfg.RoomAdmitter.OnRoomJoin(context.Background(), &ximp.RoomEntry{User: "alice", Room: "hall"})
	fmt.Printf("%d %s %v\n", answer.Result, answer.PartnerData, err)
	// Output:
	// 1001 no ticket <nil>
	// 0 {"seat":12} <nil>
}
