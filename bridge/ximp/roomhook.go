package ximp

import (
	"context"
	"net/netip"
)

// RoomEntry is a client that wants to join a room, or a user who has left it.
type RoomEntry struct {
	App      string // name
	AppID    uint16 // the native one
	Room     string // its id; any bytes
	User     string
	ClientID string // of the connection; of a quit, that of the last one
	Remote   netip.AddrPort
	// Arguments are what the client gives for the room, in its order; nil of a quit.
	Arguments []RoomArgument
	// UserData is the client's own about the user; nil of a quit.
	UserData []byte
	// Audience tells that the client wants to know who else is there: audienceflag 1. Pages do not.
	Audience bool
}

// RoomArgument is a property that a client gives when it joins.
type RoomArgument struct {
	Key   string
	Value []byte
}

// RoomAnswer is what becomes of a join.
type RoomAnswer struct {
	// Result is 0 if the client may join. Others are the product's, except that 1 and 2 are ours too: the hook has failed, and the
	// client could not be added.
	Result int32
	// Reason is for people, at most 1 KiB of it. Empty is none.
	Reason string
	// PartnerData is the product's for the client, of 64 KiB at most. nil is none.
	PartnerData []byte
}

// RoomAdmitter decides who may join rooms.
type RoomAdmitter interface {
	// OnRoomJoin is called beside the loops, by a bounded number of goroutines, and may block until ctx ends. It is asked about
	// each join, also of a client that is in the room already or a second connection of its user: an answer must not depend on that.
	// It is not asked about a client that has quit or gone meanwhile.
	// An error and a panic refuse the join with result 1, and so does an answer that comes late; a user who was admitted too late is said to
	// have quit. Calls about one user in one room come one after another, in order. e does not change.
	OnRoomJoin(ctx context.Context, e *RoomEntry) (RoomAnswer, error)
}

// RoomQuitObserver is told who has left rooms.
type RoomQuitObserver interface {
	// OnRoomQuit is called, as OnRoomJoin is, when the last of a user's connections with this Server has left the room: by quitting,
	// because it ended, or because a join that the product allowed has come to nothing. A user who joins again before it could be
	// called has not left. An error is counted; it is not called again.
	OnRoomQuit(ctx context.Context, e *RoomEntry) error
}

// Bounds of what a RoomAnswer holds, in bytes.
const (
	maxReason      = 1 << 10
	maxPartnerData = 64 << 10
)

// checked is a with what it may not hold taken away. One that says too much has failed.
func (a RoomAnswer) checked() RoomAnswer {
	if len(a.Reason) > maxReason {
		a.Reason = a.Reason[:maxReason]
	}
	if len(a.PartnerData) > maxPartnerData {
		return RoomAnswer{Result: resultDenied, Reason: "the answer is too long"}
	}
	return a
}
