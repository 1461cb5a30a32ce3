package packet

import (
	"encoding/base64"
	"strconv"
)

const (
	textMagic  = "wx"
	textHeader = "h128"
	textDigits = 8
)

// TextHeader is what the first packet of the text form stands for.
var TextHeader = Header{Version: 0, ClientVersion: 102, App: 2080}

// ReadText is ReadFrame for the text form, with max for the base64 text. A first
// packet comes back with TextHeader as its Header. ErrText is returned as soon as
// the byte that shows it has arrived.
func ReadText(b []byte, max int) (f Frame, n int, err error) {
	at := len(textMagic)
	if string(b[:min(at, len(b))]) != textMagic[:min(at, len(b))] {
		return Frame{}, 0, ErrText
	}
	if len(b) > at && b[at] == textHeader[0] {
		end := min(at+len(textHeader), len(b))
		if string(b[at:end]) != textHeader[:end-at] {
			return Frame{}, 0, ErrText
		}
		f.HasHeader, f.Header = true, TextHeader
		at += len(textHeader)
	}
	length, digits := int64(0), 0
	for ; digits < textDigits && at < len(b); digits++ {
		c := b[at]
		if c < '0' || c > '9' { // a sign would make it negative
			return Frame{}, 0, ErrText
		}
		length = length*10 + int64(c-'0')
		at++
	}
	switch {
	case digits < textDigits:
		return Frame{}, 0, nil
	case length == 0 && !f.HasHeader:
		return Frame{Heartbeat: true, Text: true}, at, nil
	}
	if err := checkBody(length, max); err != nil {
		return Frame{}, 0, err
	}
	if length > int64(len(b)-at) {
		return Frame{}, 0, nil
	}
	f.Text = true
	n = at + int(length)
	f.Body = b[at:n:n]
	return f, n, nil
}

// AppendText appends a packet of the text form with m under key. first makes it a
// client's first packet.
func AppendText(dst []byte, m *Message, key Key, first bool) []byte {
	body := Append(nil, m)
	key.Crypt(body, body)
	dst = append(dst, textMagic...)
	if first {
		dst = append(dst, textHeader...)
	}
	length := strconv.Itoa(base64.StdEncoding.EncodedLen(len(body)))
	for range textDigits - len(length) {
		dst = append(dst, '0')
	}
	dst = append(dst, length...)
	return base64.StdEncoding.AppendEncode(dst, body)
}

// AppendTextHeartbeat appends the heartbeat of the text form.
func AppendTextHeartbeat(dst []byte) []byte { return append(dst, "wx00000000"...) }
