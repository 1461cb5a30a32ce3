package packet

import (
	"encoding/binary"
	"strconv"
)

// Layout is that of the entries of a Msg.
type Layout uint8

// Layouts.
const (
	// Long has message id, appid and length, 16 bytes.
	Long Layout = iota
	// Short leaves the appid out, 12 bytes.
	Short
)

// size is that of what comes before an entry's body.
func (l Layout) size() int {
	if l == Short {
		return 12
	}
	return 16
}

// Entry is one message of a Msg. Body aliases the frame.
type Entry struct {
	ID    uint64 // unique within the app, the same when the message is sent again
	AppID uint32 // 0 with Short
	Body  []byte
}

// NextEntry cuts the first entry out of a Msg's data. An error is FaultEntries.
func NextEntry(data []byte, l Layout) (e Entry, rest []byte, err error) {
	n := l.size()
	if len(data) < n {
		return Entry{}, nil, FaultEntries
	}
	e.ID = binary.BigEndian.Uint64(data)
	if l == Long {
		e.AppID = binary.BigEndian.Uint32(data[8:])
	}
	e.Body, rest, err = NextUpload(data[n-4:])
	return e, rest, err
}

// NextUpload cuts the first body out of an UploadData's data. An error is FaultEntries. The body aliases data.
func NextUpload(data []byte) (body, rest []byte, err error) {
	if len(data) < 4 {
		return nil, nil, FaultEntries
	}
	n := binary.BigEndian.Uint32(data)
	data = data[4:]
	if uint64(n) > uint64(len(data)) {
		return nil, nil, FaultEntries
	}
	return data[:n:n], data[n:], nil
}

// CheckUploads returns FaultEntries unless bodies fill data exactly, and how many there are.
func CheckUploads(data []byte) (count int, err error) {
	for len(data) > 0 {
		if _, data, err = NextUpload(data); err != nil {
			return 0, err
		}
		count++
	}
	return count, nil
}

// AppendEntry appends an entry to a Msg's data.
func AppendEntry(dst []byte, l Layout, e *Entry) []byte {
	return append(appendEntryHeader(dst, l, e.ID, e.AppID, len(e.Body)), e.Body...)
}

func appendEntryHeader(dst []byte, l Layout, id uint64, appID uint32, length int) []byte {
	dst = binary.BigEndian.AppendUint64(dst, id)
	if l == Long {
		dst = binary.BigEndian.AppendUint32(dst, appID)
	}
	return binary.BigEndian.AppendUint32(dst, uint32(length))
}

// AppendUpload appends a body to an UploadData's data.
func AppendUpload(dst, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(body))), body...)
}

// Message is a Msg with one entry, the way a server sends it.
type Message struct {
	Version Version
	Layout  Layout
	Ack     uint64 // the number to acknowledge it by; 0 asks for no acknowledgement
	ID      uint64
	AppID   uint32
	Length  int // of the body in bytes
}

// Size is the size of the whole frame in bytes, 0 if it has no encoding.
func (m *Message) Size() int {
	data := m.Layout.size() + m.Length
	if data > MaxData || m.Version > MaxVersion {
		return 0
	}
	n := headerSize
	if m.Version.HasOpcode() {
		n = 2 + 2 + 2 + 4
	}
	if m.acks() {
		n += len("ack:") + digits(m.Ack)
	}
	return n + data
}

// acks tells whether the frame carries a number: those of versions 0-2 do not.
func (m *Message) acks() bool { return m.Version.Acks() }

// AppendHeader appends all of the frame but the body, which is to follow. It appends nothing if Size is 0.
func (m *Message) AppendHeader(dst []byte) []byte {
	if m.Size() == 0 {
		return dst
	}
	props, data := 0, m.Layout.size()+m.Length
	if m.acks() {
		props = len("ack:") + digits(m.Ack)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(m.Version))
	if m.Version.HasOpcode() {
		dst = binary.BigEndian.AppendUint16(dst, uint16(Msg))
		dst = binary.BigEndian.AppendUint16(dst, uint16(props))
	} else {
		dst = binary.BigEndian.AppendUint16(dst, uint16(props))
		dst = binary.BigEndian.AppendUint32(dst, uint32(data))
	}
	if m.acks() {
		dst = strconv.AppendUint(append(dst, "ack:"...), m.Ack, 10)
	}
	if m.Version.HasOpcode() {
		dst = binary.BigEndian.AppendUint32(dst, uint32(data))
	}
	return appendEntryHeader(dst, m.Layout, m.ID, m.AppID, m.Length)
}

// digits is how many decimal digits n has.
func digits(n uint64) int {
	d := 1
	for n >= 10 {
		n /= 10
		d++
	}
	return d
}
