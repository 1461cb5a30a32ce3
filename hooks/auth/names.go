package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the greatest length of a name in MQTT, in bytes.
const maxName = 65535

// validName tells whether a text from outside can be a Client Identifier or User Name: v5 [MQTT-1.5.4-1], v5 [MQTT-1.5.4-2].
// The empty one, which stands for none, can.
func validName(s string) bool {
	return len(s) <= maxName && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// validApp tells whether a text from outside can be the name of an App, which is a level of Topic Names, a
// label of metrics and a field of files.
func validApp(s string) bool {
	return s != "" && len(s) <= 255 && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune("/+#:", r)
		})
}

// ownClientID tells whether a client that has named the Client Identifier asked, none if it is empty, may be own.
func ownClientID(asked, own string) bool { return own == "" || asked == "" || asked == own }
