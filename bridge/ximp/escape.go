package ximp

import "strings"

const hexDigits = "0123456789ABCDEF"

// plain tells whether escape leaves a byte as it is.
func plain(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '.' || b == '_' || b == '-'
}

// escape percent-encodes what is not a letter, a digit, '.', '_' or '-', so that s fits into one level of a topic.
func escape(s string) string {
	n := 0
	for i := range len(s) {
		if !plain(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(b)
}

// unescape undoes escape. What is not encoded stays as it is.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// clientIDOf is the Client Identifier of a device. Topics lead to it: inbox/x:USER:PLATFORM:DEVICE.
func clientIDOf(user, platform, device string) string {
	return "x:" + escape(user) + ":" + escape(platform) + ":" + escape(device)
}

// userTopic is where messages to all devices of a user go.
func userTopic(user string) string { return "user/" + escape(user) }

// roomPrefix begins the topics of rooms.
const roomPrefix = "group/"

func roomTopic(room string) string { return roomPrefix + escape(room) }
