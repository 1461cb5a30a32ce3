package packet

import "encoding/binary"

// Limits of a frame, in bytes.
const (
	MaxProps = 4096
	MaxData  = 1 << 20
	// MaxFrame is the largest frame there can be.
	MaxFrame = 2 + 2 + 2 + MaxProps + 4 + MaxData
)

// headerSize is that of versions 0-4.
const headerSize = 8

// Frame is one frame cut out of the stream. Props and Data alias the bytes given to ReadFrame and are valid as long as those.
type Frame struct {
	Version Version
	Opcode  Opcode // of versions 5 and 6; see Kind
	Props   Props
	Data    []byte
}

// Kind is the opcode or, of versions 0-4, the one that stands for what the frame is: nothing in it is Ping, data
// makes it Msg, a prop ack MsgAck, a prop id BindAck, and all else is Bind.
func (f *Frame) Kind() Opcode {
	switch {
	case f.Version.HasOpcode():
		return f.Opcode
	case len(f.Data) > 0:
		return Msg
	case len(f.Props) == 0:
		return Ping
	case f.Props.Has("ack"):
		return MsgAck
	case f.Props.Has("id"):
		return BindAck
	}
	return Bind
}

// ReadFrame cuts the first frame out of b and returns it with the number of bytes it takes. n == 0 with a nil error means that b does not
// hold all of it yet. An error is a Fault. A frame that breaks the protocol is refused as soon as the bytes
// that show it have arrived. It does not allocate.
func ReadFrame(b []byte) (f Frame, n int, err error) {
	if len(b) < 2 {
		if len(b) == 1 && b[0] != 0 {
			return Frame{}, 0, FaultVersion
		}
		return Frame{}, 0, nil
	}
	f.Version = Version(binary.BigEndian.Uint16(b))
	switch {
	case f.Version > MaxVersion:
		return Frame{}, 0, FaultVersion
	case f.Version.HasOpcode():
		return readOpcodeFrame(f, b)
	}
	return readPlainFrame(f, b)
}

// readPlainFrame is ReadFrame for versions 0-4.
func readPlainFrame(f Frame, b []byte) (Frame, int, error) {
	props, data := 0, 0
	if len(b) >= 4 {
		if props = int(binary.BigEndian.Uint16(b[2:])); props > MaxProps {
			return Frame{}, 0, FaultPropLen
		}
	}
	if len(b) < headerSize {
		return Frame{}, 0, nil
	}
	if n := binary.BigEndian.Uint32(b[4:]); n > MaxData {
		return Frame{}, 0, FaultDataLen
	} else {
		data = int(n)
	}
	n := headerSize + props + data
	if len(b) < n {
		return Frame{}, 0, nil
	}
	f.Props = Props(b[headerSize : headerSize+props : headerSize+props])
	f.Data = b[headerSize+props : n : n]
	return f, n, nil
}

// readOpcodeFrame is ReadFrame for versions 5 and 6.
func readOpcodeFrame(f Frame, b []byte) (Frame, int, error) {
	if len(b) < 4 {
		return Frame{}, 0, nil
	}
	f.Opcode = Opcode(binary.BigEndian.Uint16(b[2:]))
	n := 4
	switch {
	case !f.Opcode.hasWireForm():
		return Frame{}, 0, FaultOpcode
	case !f.Opcode.HasProps():
		return f, n, nil
	case len(b) < n+2:
		return Frame{}, 0, nil
	}
	props := int(binary.BigEndian.Uint16(b[n:]))
	if n += 2; props > MaxProps {
		return Frame{}, 0, FaultPropLen
	}
	if len(b) < n+props {
		return Frame{}, 0, nil
	}
	f.Props = Props(b[n : n+props : n+props])
	if n += props; !f.Opcode.HasData() {
		return f, n, nil
	}
	if len(b) < n+4 {
		return Frame{}, 0, nil
	}
	data := binary.BigEndian.Uint32(b[n:])
	if n += 4; data > MaxData {
		return Frame{}, 0, FaultDataLen
	}
	if len(b)-n < int(data) {
		return Frame{}, 0, nil
	}
	f.Data = b[n : n+int(data) : n+int(data)]
	return f, n + int(data), nil
}

// AppendFrame appends f. It appends nothing if f has no encoding. Of versions 0-4 the opcode is not written.
func AppendFrame(dst []byte, f *Frame) []byte {
	if f.Version > MaxVersion || len(f.Props) > MaxProps || len(f.Data) > MaxData {
		return dst
	}
	if !f.Version.HasOpcode() {
		dst = binary.BigEndian.AppendUint16(dst, uint16(f.Version))
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(f.Props)))
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.Data)))
		return append(append(dst, f.Props...), f.Data...)
	}
	if !f.Opcode.hasWireForm() || len(f.Props) > 0 && !f.Opcode.HasProps() || len(f.Data) > 0 && !f.Opcode.HasData() {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(f.Version))
	dst = binary.BigEndian.AppendUint16(dst, uint16(f.Opcode))
	if f.Opcode.HasProps() {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(f.Props)))
		dst = append(dst, f.Props...)
	}
	if f.Opcode.HasData() {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.Data)))
		dst = append(dst, f.Data...)
	}
	return dst
}
