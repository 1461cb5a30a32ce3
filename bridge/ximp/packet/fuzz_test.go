package packet

import (
	"bytes"
	"encoding/base64"
	"errors"
	"reflect"
	"runtime"
	"testing"
)

// ours tells whether err is one of those that reading may return.
func ours(err error) bool {
	for _, known := range []error{ErrLength, ErrEmpty, ErrTooLarge, ErrText, ErrProtobuf, ErrRequired} {
		if errors.Is(err, known) {
			return true
		}
	}
	return err == nil
}

// FuzzStream reads a client's packets, and a server's, until the first error.
func FuzzStream(f *testing.F) {
	var all []byte
	for _, v := range vectors(f) {
		f.Add(v.packet, MaxBody)
		all = append(all, v.packet...)
	}
	f.Add(all, MaxBodyBeforeLogin)
	f.Add(unhex(f, "0000000000000003"), 0)
	f.Add(unhex(f, "7168106610920000000000000000000f"), 0)
	f.Add(unhex(f, "ffffffff"), 0)
	f.Fuzz(func(t *testing.T, stream []byte, max int) {
		for _, header := range []int{16, 6} {
			read := ReadFrame
			if header == 6 {
				read = ReadAnswer
			}
			for b := stream; ; {
				frame, n, err := read(b, max)
				if !ours(err) || n < 0 || n > len(b) || err != nil && n != 0 {
					t.Fatalf("got %d, %v of %d bytes", n, err, len(b))
				}
				if n == 0 {
					break
				}
				size := n - len(frame.Body)
				if frame.HasHeader || frame.Magic {
					size -= header - lengthSize
				}
				if size != lengthSize || frame.Heartbeat != (len(frame.Body) == 0) || len(frame.Body) > MaxBody {
					t.Fatalf("got %+v of %d bytes", frame, n)
				}
				b = b[n:]
			}
		}
	})
}

// FuzzMessage checks that what is accepted encodes to what decodes to the same, and
// that nothing is allocated but a multiple of what has arrived.
func FuzzMessage(f *testing.F) {
	parts := []func() Part{
		func() Part { return new(Message) }, func() Part { return new(RoomPacket) }, func() Part { return new(RoomMessage) },
		func() Part { return new(RoomChange) }, func() Part { return new(GroupUp) }, func() Part { return new(GroupDown) },
	}
	for _, v := range vectors(f) {
		f.Add(byte(0), v.plain)
	}
	for _, p := range carried() {
		f.Add(byte(1), Append(nil, p))
	}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		fresh := parts[int(kind)%len(parts)]
		m := fresh()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := Decode(b, m)
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(len(b))*512+1<<16; got > most {
			t.Errorf("got %d bytes allocated for %d, want %d at most", got, len(b), most)
		}
		if !ours(err) {
			t.Fatalf("got %v, want an error of ours", err)
		}
		if err != nil {
			return
		}
		encoded := Append(nil, m)
		again := fresh()
		if err := Decode(encoded, again); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("got %+v, %v, want %+v", again, err, m)
		}
		if twice := Append(nil, again); !bytes.Equal(twice, encoded) {
			t.Errorf("got %x, want %x", twice, encoded)
		}
	})
}

// FuzzText compares with a plain reading of the specification.
func FuzzText(f *testing.F) {
	f.Add(vectors(f)["wx_first_packet"].packet, MaxBody)
	f.Add([]byte("wx00000000wx00000004AAAA"), 0)
	f.Add([]byte("wx-0000001"), 0)
	f.Fuzz(func(t *testing.T, b []byte, max int) {
		frame, n, err := ReadText(b, max)
		if !ours(err) || n < 0 || n > len(b) || err != nil && n != 0 {
			t.Fatalf("got %d, %v of %d bytes", n, err, len(b))
		}
		if n == 0 {
			return
		}
		again := []byte("wx")
		if frame.HasHeader {
			again = append(again, "h128"...)
		}
		length := []byte("00000000")
		for i, v := 7, len(frame.Body); v > 0; i, v = i-1, v/10 {
			length[i] = byte('0' + v%10)
		}
		if again = append(append(again, length...), frame.Body...); !bytes.Equal(again, b[:n]) {
			t.Fatalf("got %q, want %q", again, b[:n])
		}
		plain, err := frame.Open(nil, "")
		if want, bad := base64.StdEncoding.Strict().DecodeString(string(frame.Body)); !frame.Heartbeat &&
			((bad == nil && len(want) > 0) != (err == nil) || err == nil && !bytes.Equal(plain, want)) {
			t.Errorf("got %x, %v, want %x, %v", plain, err, want, bad)
		}
	})
}
