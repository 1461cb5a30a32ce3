package packet

import (
	"fmt"
	"strconv"
)

// Code says why a server refuses. Below 2000 it closes the connection after it.
type Code uint32

// The errors that a server may send.
const (
	CodeClientTooOld     Code = 1000
	CodeOrder            Code = 1001 // a message that the state of the connection does not allow
	CodeLoginFailed      Code = 1002
	CodeSender           Code = 1003 // the sender is not who has logged in
	CodeRate             Code = 1004 // too many packets
	CodeStore            Code = 1006
	CodeSession          Code = 1007
	CodeCredentials      Code = 1008 // refused; clients stop until theirs change
	CodeRouter           Code = 1009 // to clients: packet too large
	CodeRefused          Code = 1011
	CodeBusy             Code = 1012
	CodeParameter        Code = 1013 // a field has a value that it must not have
	CodeOverloaded       Code = 1015 // try later
	CodeElsewhere        Code = 1016 // the same user, platform and device have logged in elsewhere
	CodeServerLogin      Code = 1017
	CodeDatabase         Code = 2000
	CodeSessionTemporary Code = 2001
	CodeService          Code = 2002
	CodeMessage          Code = 2003
	CodeReceiver         Code = 3000 // the receiver is unknown
	CodeQuery            Code = 3001
	CodeReceiverType     Code = 3002
	CodeRead             Code = 3100 // messages could not be read

	firstOpen Code = 2000
)

var codeNames = map[Code]string{
	CodeClientTooOld: "client too old", CodeOrder: "wrong order", CodeLoginFailed: "login failed",
	CodeSender: "sender does not match", CodeRate: "too many packets", CodeStore: "store failure",
	CodeSession: "session failure", CodeCredentials: "credentials refused", CodeRouter: "router failure",
	CodeRefused: "refused", CodeBusy: "too busy", CodeParameter: "bad parameter", CodeOverloaded: "overloaded",
	CodeElsewhere: "logged in elsewhere", CodeServerLogin: "login at the server failed",
	CodeDatabase: "database failure", CodeSessionTemporary: "session failure", CodeService: "service failure",
	CodeMessage: "message failure", CodeReceiver: "receiver unknown", CodeQuery: "bad query",
	CodeReceiverType: "bad receiver type", CodeRead: "could not read messages",
}

// Closes tells whether the server closes the connection after such an error.
func (c Code) Closes() bool { return c < firstOpen }

// String returns what the code means, or the number.
func (c Code) String() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return "error " + strconv.FormatUint(uint64(c), 10)
}

// Error is a server's refusal. It stands alone in a Message with IDError and the
// number of the request.
type Error struct {
	Code Code
	// Description is for people.
	Description []byte
}

func (e *Error) fields(c *codec) {
	number(c, 1, &e.Code)
	c.text(2, &e.Description, optional)
}

// Error returns code, meaning and description in one line.
func (e *Error) Error() string {
	if len(e.Description) == 0 {
		return fmt.Sprintf("%d (%s)", uint32(e.Code), e.Code)
	}
	return fmt.Sprintf("%d (%s): %q", uint32(e.Code), e.Code, e.Description)
}

// Refuse returns the answer to the request with this number.
func Refuse(sn uint64, code Code, description string) *Message {
	return &Message{ID: IDError, SN: sn, Response: &Response{Error: &Error{Code: code, Description: []byte(description)}}}
}
