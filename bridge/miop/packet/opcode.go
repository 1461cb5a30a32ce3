package packet

import "strconv"

// Version is that of the protocol, 0 to 6. Each frame has one.
type Version uint16

// MaxVersion is the newest version.
const MaxVersion Version = 6

// HasOpcode tells whether frames of the version have an opcode: 5 and 6.
func (v Version) HasOpcode() bool { return v >= 5 }

// Secret tells whether the bind of the version is encrypted: 2 and 4.
func (v Version) Secret() bool { return v == 2 || v == 4 }

// Acks tells whether clients of the version acknowledge messages: 3 and above.
func (v Version) Acks() bool { return v >= 3 }

// Opcode says what a frame is.
type Opcode uint16

// The opcodes. See the package comment.
const (
	Ping Opcode = iota
	Pong
	Bind
	Msg
	MsgAck
	Unbind
	BindAck
	UnbindAck
	Kick
	Migrate
	Rebind
	RebindAck
	OfflineNotify
	UploadData
	UploadDataAck
	Handshake

	// Opcodes is how many there are.
	Opcodes
)

var opcodeNames = [Opcodes]string{
	"Ping", "Pong", "Bind", "Msg", "MsgAck", "Unbind", "BindAck", "UnbindAck",
	"Kick", "Migrate", "Rebind", "RebindAck", "OfflineNotify", "UploadData", "UploadDataAck", "Handshake",
}

// String returns the name, or the number of one that is not known.
func (o Opcode) String() string {
	if o < Opcodes {
		return opcodeNames[o]
	}
	return "Opcode" + strconv.Itoa(int(o))
}

// hasWireForm tells whether frames with the opcode can be read.
func (o Opcode) hasWireForm() bool { return o < Opcodes && o != OfflineNotify }

// HasProps tells whether props follow the opcode.
func (o Opcode) HasProps() bool { return o > Pong && o.hasWireForm() }

// HasData tells whether data follows the props.
func (o Opcode) HasData() bool { return o == Msg || o == UploadData }
