package netloop

import (
	"errors"
	"time"
)

// How records that carry nothing for the handler are kept from costing much.
//
// With TLS 1.3 a peer may change its keys at any time, in a record of 27 bytes that takes some thirty
// microseconds to act upon: a hundred times as long as one with a byte of data. crypto/tls bounds how many
// such records come in a row, which one byte of data in between undoes.

const (
	// maxVoid is how many records without data a peer may send within voidWindow. Peers change their keys
	// after gigabytes, or hours.
	maxVoid    = 64
	voidWindow = time.Minute
)

// errVoidRecords closes a connection.
var errVoidRecords = errors.New("netloop: too many TLS records without data")

// voidRecords counts them.
type voidRecords struct {
	since time.Duration // when the window began, on the loop's clock
	count int32
}

// note takes what one tls.Conn.Read has got: so many records, the last of them with data or not. It returns an error if
// there were too many without.
func (v *voidRecords) note(now time.Duration, records int32, data bool) error {
	if data {
		records-- // or it was part of a record that came before
	}
	if records <= 0 {
		return nil
	}
	if now-v.since >= voidWindow {
		v.since, v.count = now, 0
	}
	if v.count += records; v.count > maxVoid {
		return errVoidRecords
	}
	return nil
}

// recordHeader is the size of what is before the payload of a TLS record: type, version 2, length 2.
const recordHeader = 5

// recordCutter finds the ends of records in a stream of them, however it is cut.
type recordCutter struct {
	left uint16 // bytes of the payload that are still to come, once the header is complete
	have uint8  // bytes of the header that there have been
}

// cut copies from in to b what belongs to one record, and tells whether that is its end.
func (r *recordCutter) cut(b, in []byte) (n int, ended bool) {
	in = in[:min(len(in), len(b))]
	for ; n < len(in) && r.have < recordHeader; n++ {
		b[n] = in[n]
		r.left = r.left<<8 | uint16(in[n]) // of which the last two bytes stay
		r.have++
	}
	if r.have < recordHeader {
		return n, false
	}
	k := copy(b[n:], in[n:min(len(in), n+int(r.left))])
	r.left -= uint16(k)
	if r.left > 0 {
		return n + k, false
	}
	r.have = 0
	return n + k, true
}
