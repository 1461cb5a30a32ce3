package storetest

import (
	"slices"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Op is an operation of a Store.
type Op int

// The operations that Faulty delays, counts and lets fail.
const (
	OpLoadSession Op = iota
	OpSaveSession
	OpDeleteSession
	OpDeleteMailbox
	OpAppend
	OpReleased
	OpRemove
	OpLoad
	OpSetCursor
	OpAddReceipt
	OpAddPartialReceipt
	OpRemoveReceipt
	OpAppendLog
	OpLoadLog
	OpSetRetained
	OpLoadRetained
	numOps
)

var opNames = [numOps]string{
	"LoadSession", "SaveSession", "DeleteSession", "DeleteMailbox", "Append", "Released", "Remove", "Load", "SetCursor",
	"AddReceipt", "AddPartialReceipt", "RemoveReceipt", "AppendLog", "LoadLog", "SetRetained", "LoadRetained",
}

// String returns the name of the method.
func (op Op) String() string { return opNames[op] }

// isRead tells whether op changes nothing.
func (op Op) isRead() bool {
	return op == OpLoadSession || op == OpLoad || op == OpLoadLog || op == OpLoadRetained
}

// Call is what a fault is decided by. Fields that the operation does not have are zero.
type Call struct {
	Op       Op
	Key      broker.SessionKey
	Mailbox  broker.Mailbox
	Seq      uint64          // of the entry; of SetCursor the place in the log
	Entry    *broker.Entry   // of an Append. It must not be changed.
	PacketID broker.PacketID // of a receipt
	Part     int             // of a receipt that is partial
	App      string          // of a log or of retained messages
	Name     string          // of the retained message
	Message  *broker.Message // of AppendLog and SetRetained
}

// FailOn returns a function for Faulty.Fail that has all calls of the given operations fail with err.
func FailOn(err error, ops ...Op) func(Call) error {
	return func(c Call) error {
		if slices.Contains(ops, c.Op) {
			return err
		}
		return nil
	}
}

// Fail has those calls fail for which f returns an error; nil is none. f is called when a call is to take
// effect, on a goroutine of Faulty's, one call at a time. A write that fails takes no effect, and its Commit
// is told the error. If one write of a bracket fails, all do. Remove and SetCursor fail in silence. LogEnd
// counts what failed too, LoadLog leaves it out.
func (st *Faulty) Fail(f func(c Call) error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.fail = f
}

// Calls returns how many calls of an operation have been made so far, whatever became of them.
func (st *Faulty) Calls(op Op) int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.made[op]
}

// Cancelled returns how many calls of Append were cancelled by a Remove.
func (st *Faulty) Cancelled() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.cancelled
}
