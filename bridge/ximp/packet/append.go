package packet

import "encoding/binary"

// AppendPacket appends a packet with m under key, as both sides send all but their
// first one.
func AppendPacket(dst []byte, m *Message, key Key) []byte {
	return appendBehind(dst, 0, m, key)
}

// AppendFirst appends a client's first packet.
func AppendFirst(dst []byte, h Header, m *Message, key Key) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Version)<<12|h.ClientVersion&0x0FFF)
	dst = binary.BigEndian.AppendUint16(dst, h.App)
	dst = append(dst, 0, 0, 0, 0, 0, 0)
	return appendBehind(dst, len(dst)-start, m, key)
}

// AppendFirstAnswer appends a server's first packet to a client of this version of
// the protocol, which is the answer to InitLoginReq.
func AppendFirstAnswer(dst []byte, version uint8, m *Message, key Key) []byte {
	if version == 0 {
		return AppendPacket(dst, m, key)
	}
	return appendBehind(append(dst, magic...), len(magic), m, key)
}

// AppendHeartbeat appends a heartbeat, or its answer.
func AppendHeartbeat(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// appendBehind appends total and body behind so many bytes of header.
func appendBehind(dst []byte, header int, m *Message, key Key) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = Append(dst, m)
	total := header + len(dst) - start
	binary.BigEndian.PutUint32(dst[start:], uint32(total))
	body := dst[start+lengthSize:]
	key.Crypt(body, body)
	return dst
}
