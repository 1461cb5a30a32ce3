package packet

import "errors"

// What is wrong with bytes from outside. The connection they came on is to be closed
// without an answer.
var (
	// ErrLength means a total below the size of the header it stands in.
	ErrLength = errors.New("total is below the size of its header")
	// ErrEmpty means a packet without a body that is no heartbeat.
	ErrEmpty = errors.New("packet has no body")
	// ErrTooLarge means a body over the limit of the receiver.
	ErrTooLarge = errors.New("packet is larger than allowed")
	// ErrText means a packet of the text form that does not begin with "wx", whose
	// length is not eight digits, or that is not base64.
	ErrText = errors.New("packet of the text form is malformed")
	// ErrProtobuf means a body that is no protobuf message, which it also looks like
	// under another key.
	ErrProtobuf = errors.New("body is not a protobuf message")
	// ErrRequired means that a required field is absent.
	ErrRequired = errors.New("required field is absent")
	// ErrElements means repeated fields with more than MaxElements together.
	ErrElements = errors.New("message has too many elements")
	// ErrWidth means a pair of an Info whose value has not the width of its key.
	ErrWidth = errors.New("value of a pair has the wrong width")
	// ErrKey means a key of more than MaxKey bytes.
	ErrKey = errors.New("key has more than 256 bytes")
	// ErrGzip means that what should be a gzip member is none.
	ErrGzip = errors.New("not a gzip member")
)
