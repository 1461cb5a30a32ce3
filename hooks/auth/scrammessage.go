package auth

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// maxScram is the greatest length of a message, in bytes.
const maxScram = 4096

// clientFirst is client-first-message of RFC 5802 7: gs2-header, then [reserved-mext ","] username "," nonce ["," extensions].
type clientFirst struct {
	header string // gs2-header, with its last comma
	bare   string // client-first-message-bare
	user   string
	nonce  string
}

func scramError(text string) error { return fmt.Errorf("%w: %s", ErrScram, text) }

// parseClientFirst reads what a client begins with. Errors do not repeat it.
func parseClientFirst(data []byte) (m clientFirst, err error) {
	if err := checkScram(data); err != nil {
		return m, err
	}
	parts := strings.SplitN(string(data), ",", 3)
	if len(parts) != 3 {
		return m, scramError("the first message has no GS2 header")
	}
	switch {
	case parts[0] == "n":
	case parts[0] == "y": // it could bind to the channel, and thinks that we can't; it is right
	case strings.HasPrefix(parts[0], "p="):
		return m, scramError("channel binding is not supported")
	default:
		return m, scramError("the GS2 header is none")
	}
	m.header, m.bare = parts[0]+","+parts[1]+",", parts[2]
	fields := strings.Split(m.bare, ",")
	if strings.HasPrefix(fields[0], "m=") {
		return m, scramError("an extension is mandatory that we don't have")
	}
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "n=") || !strings.HasPrefix(fields[1], "r=") {
		return m, scramError("the first message has no user or nonce")
	}
	var ok bool
	if m.user, ok = saslName(fields[0][2:]); !ok {
		return m, scramError("the user's name is none")
	}
	if m.nonce = fields[1][2:]; !validNonce(m.nonce) {
		return m, scramError("the nonce is none")
	}
	// To act for somebody else is not what MQTT has.
	if acting := parts[1]; acting != "" {
		name, ok := saslName(strings.TrimPrefix(acting, "a="))
		if !strings.HasPrefix(acting, "a=") || !ok || name != m.user {
			return m, scramError("the client wants to act for another user")
		}
	}
	return m, checkExtensions(fields[2:])
}

// clientFinal is client-final-message: channel-binding "," nonce ["," extensions] "," proof.
type clientFinal struct {
	withoutProof string
	nonce        string
	proof        []byte
}

// parseClientFinal reads what a client ends with, after a first message with that GS2 header.
func parseClientFinal(data []byte, header string) (m clientFinal, err error) {
	if err := checkScram(data); err != nil {
		return m, err
	}
	text := string(data)
	i := strings.LastIndex(text, ",p=")
	if i < 0 {
		return m, scramError("the last message has no proof")
	}
	strict := base64.StdEncoding.Strict()
	m.withoutProof = text[:i]
	if m.proof, err = strict.DecodeString(text[i+len(",p="):]); err != nil || len(m.proof) != 32 {
		return m, scramError("the proof is none")
	}
	fields := strings.Split(m.withoutProof, ",")
	if len(fields) < 2 || !strings.HasPrefix(fields[1], "r=") {
		return m, scramError("the last message has no nonce")
	}
	// The header comes again, and is signed now: nobody in between has changed it.
	if fields[0] != "c="+base64.StdEncoding.EncodeToString([]byte(header)) {
		return m, scramError("the GS2 header is another than before")
	}
	m.nonce = fields[1][2:]
	return m, checkExtensions(fields[2:])
}

// checkScram refuses what no message is. Base64 decoders skip line breaks, which are refused here.
func checkScram(data []byte) error {
	if len(data) == 0 || len(data) > maxScram || !validName(string(data)) || bytes.ContainsAny(data, "\r\n") {
		return scramError("a message is empty, too long or no text")
	}
	return nil
}

// saslName undoes the encoding of a name: a comma is =2C, an equals sign =3D.
func saslName(text string) (name string, ok bool) {
	name = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(text)
	return name, name != "" && strings.Count(text, "=") == strings.Count(text, "=2C")+strings.Count(text, "=3D")
}

// validNonce tells whether a text is printable ASCII without a comma, of a length that is no burden.
func validNonce(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e || s[i] == ',' {
			return false
		}
	}
	return len(s) >= 8 && len(s) <= 256
}

// checkExtensions takes any that are optional: they are a letter, '=' and a value.
func checkExtensions(fields []string) error {
	for _, f := range fields {
		if len(f) < 3 || f[1] != '=' || f[0]|0x20 < 'a' || f[0]|0x20 > 'z' || f[0] == 'm' {
			return scramError("an extension is none, or mandatory")
		}
	}
	return nil
}
