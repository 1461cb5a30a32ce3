package packet

// Fault is a way in which a frame breaks the protocol. It is an error, and a small number to count by. The connection
// that it comes on is to be closed: what follows cannot be told from noise.
type Fault uint8

// Faults.
const (
	// FaultVersion is a version above 6.
	FaultVersion Fault = iota
	// FaultOpcode is an opcode that has no wire form, so that the frame's length is not known.
	FaultOpcode
	// FaultPropLen is a propLen above MaxProps, or negative as a signed integer.
	FaultPropLen
	// FaultDataLen is a dataLen above MaxData, or negative as a signed integer.
	FaultDataLen
	// FaultEntries is data that its entries do not fill exactly.
	FaultEntries
	// FaultUser is a bind whose u is missing or is not user@appid.
	FaultUser
	// FaultSecret is a bind of version 2 or 4 that the server's key does not open, or whose sum is wrong.
	FaultSecret

	// Faults is how many kinds there are.
	Faults
)

var faultTexts = [Faults]struct{ name, text string }{
	FaultVersion: {"version", "version is not known"},
	FaultOpcode:  {"opcode", "opcode has no wire form"},
	FaultPropLen: {"prop_len", "props are longer than allowed"},
	FaultDataLen: {"data_len", "data is longer than allowed"},
	FaultEntries: {"entries", "entries do not fill the data"},
	FaultUser:    {"user", "u is not user@appid"},
	FaultSecret:  {"secret", "bind cannot be opened"},
}

// Error returns what is wrong, in words.
func (f Fault) Error() string { return faultTexts[f].text }

// Name is a short name in snake case, for metrics.
func (f Fault) Name() string { return faultTexts[f].name }
