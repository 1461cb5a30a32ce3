package packet

import (
	"bytes"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"testing"
)

// seedsOf adds the valid packets of the types given to the corpus, as version and
// packet.
func seedsOf(f *testing.F, types ...Type) {
	for _, row := range accepted {
		if len(types) == 0 || slices.Contains(types, Type(row.first>>4)) {
			for _, v := range row.versions {
				f.Add(byte(v), pkt(row.first, row.body))
			}
		}
	}
}

// checkError fails if err is not nil and not an *Error of our own making.
func checkError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if err != nil && (!errors.As(err, &e) || !e.Code.Failed() || e.Op == "" || errors.Is(err, ErrCodec)) {
		t.Fatalf("got %#v, want an *Error of our own", err)
	}
}

// version picks one of the three.
func version(b byte) Version { return vAll[int(b)%3] }

// FuzzReadFrame compares with a plain reading of the specification.
func FuzzReadFrame(f *testing.F) {
	f.Add(0, raw("30 05 0001"))
	f.Add(65536, raw("10 ff ff ff 7f"))
	f.Add(0, raw("c0 80 00"))
	f.Fuzz(func(t *testing.T, max int, b []byte) {
		frame, n, err := ReadFrame(b, max)
		checkError(t, err)
		length, size := 0, 0
		for i, c := range b[min(1, len(b)):] {
			if i == 4 {
				break
			}
			length |= int(c&127) << (7 * i)
			if c < 128 {
				size = i + 1
				break
			}
		}
		total := 1 + size + length
		switch {
		case err != nil:
			if n != 0 {
				t.Errorf("got n %d with an error, want 0", n)
			}
			if size > 0 && headerOK[b[0]] && varintSize(length) == size && (max <= 0 || total <= max) {
				t.Errorf("got %v, want it accepted", err)
			}
		case n == 0:
			if size > 0 && len(b) >= total {
				t.Errorf("got n 0, want the packet of %d bytes", total)
			}
		default:
			if n != total || max > 0 && n > max || varintSize(length) != size || !bytes.Equal(frame.Body, b[1+size:n]) ||
				byte(frame.Type)<<4|frame.Flags != b[0] {
				t.Errorf("got %+v, n %d, want %d bytes of %x", frame, n, total, b)
			}
		}
	})
}

// FuzzPublish checks that what is accepted encodes to what decodes to the same.
func FuzzPublish(f *testing.F) {
	seedsOf(f, TypePublish)
	f.Fuzz(func(t *testing.T, v byte, b []byte) {
		ver := version(v)
		frame, n, err := ReadFrame(b, 0)
		checkError(t, err)
		if n == 0 || frame.Type != TypePublish {
			return
		}
		var p, again Publish
		checkError(t, p.Decode(frame, ver))
		if err := p.DecodeFromServer(frame, ver); err != nil {
			checkError(t, err)
			return
		}
		q := &p.Properties
		out := PublishOut{
			Dup: p.Dup, Retain: p.Retain, QoS: p.QoS, PacketID: p.PacketID, Topic: string(p.Topic), Payload: p.Payload,
			TopicAlias: q.TopicAlias, HasMessageExpiry: q.HasMessageExpiry, MessageExpiry: q.MessageExpiry,
			SubscriptionIDs: q.SubscriptionIDs, Forward: q.Forward,
		}
		encoded := AppendPublish(nil, ver, &out)
		if len(encoded) != n && (ver != V31 || !p.Dup) {
			t.Fatalf("got %d bytes encoded, want %d", len(encoded), n)
		}
		frame, _, err = ReadFrame(encoded, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.DecodeFromServer(frame, ver); err != nil {
			t.Fatalf("got %v of what we encoded", err)
		}
		for _, x := range []*Publish{&p, &again} {
			x.Properties.forwardBuf, x.Properties.userBuf = nil, nil
		}
		if !reflect.DeepEqual(p, again) {
			t.Fatalf("got %+v, want %+v", again, p)
		}
	})
}

// FuzzConnect checks that what is accepted keeps its meaning when it is encoded.
func FuzzConnect(f *testing.F) {
	seedsOf(f, TypeConnect)
	f.Fuzz(func(t *testing.T, _ byte, b []byte) {
		c, err := DecodeConnect(Frame{Type: TypeConnect, Body: b[min(2, len(b)):]})
		checkError(t, err)
		if err != nil {
			return
		}
		normal := func(c *Connect) *Connect {
			// What the encoder does not tell apart.
			c.HasAuthMethod = c.AuthMethod != ""
			c.AuthData = nil
			if w := c.Will; w != nil {
				w.HasMessageExpiry = w.MessageExpiry > 0
				w.Properties.CorrelationData, w.Forward = nil, nil
			}
			return c
		}
		c = normal(c)
		frame, _, err := ReadFrame(AppendConnect(nil, c), 0)
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeConnect(frame)
		if err != nil {
			t.Fatalf("got %v of what we encoded", err)
		}
		if !reflect.DeepEqual(c, normal(again)) {
			t.Fatalf("got %+v, want %+v", again, c)
		}
	})
}

// FuzzSubscribe has both SUBSCRIBE and UNSUBSCRIBE.
func FuzzSubscribe(f *testing.F) {
	seedsOf(f, TypeSubscribe, TypeUnsubscribe)
	f.Fuzz(func(t *testing.T, v byte, b []byte) {
		ver := version(v)
		body := b[min(2, len(b)):]
		if s, err := DecodeSubscribe(Frame{TypeSubscribe, 2, body}, ver); err == nil {
			frame, _, _ := ReadFrame(AppendSubscribe(nil, ver, s), 0)
			if again, err := DecodeSubscribe(frame, ver); err != nil || !reflect.DeepEqual(s, again) {
				t.Fatalf("got %+v, %v, want %+v", again, err, s)
			}
		} else {
			checkError(t, err)
		}
		if u, err := DecodeUnsubscribe(Frame{TypeUnsubscribe, 2, body}, ver); err == nil {
			frame, _, _ := ReadFrame(AppendUnsubscribe(nil, ver, u), 0)
			if again, err := DecodeUnsubscribe(frame, ver); err != nil || !reflect.DeepEqual(u, again) {
				t.Fatalf("got %+v, %v, want %+v", again, err, u)
			}
		} else {
			checkError(t, err)
		}
	})
}

// FuzzAny reads a stream of packets as a Server and as a Client does.
func FuzzAny(f *testing.F) {
	seedsOf(f)
	f.Fuzz(func(t *testing.T, v byte, b []byte) {
		for _, server := range []bool{false, true} {
			allocated := allocatedBy(func() {
				for rest := b; ; {
					frame, n, err := ReadFrame(rest, 0)
					checkError(t, err)
					if n == 0 || err != nil {
						return
					}
					_, err = decoder(server)(frame, version(v))
					checkError(t, err)
					rest = rest[n:]
				}
			})
			if limit := allocationLimit(len(b)); allocated > limit {
				t.Errorf("got %d bytes allocated for %d, want at most %d", allocated, len(b), limit)
			}
		}
	})
}

// allocationLimit is the most that may be allocated for n bytes that have arrived.
// The factor is that of a Topic Filter of one byte in an UNSUBSCRIBE, once in
// mochi's slice, which grows by doubling, and once in ours.
func allocationLimit(n int) uint64 { return 64<<10 + 128*uint64(n) }

func allocatedBy(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestAllocationIsBounded has the packets that cost most per byte, and lengths that
// are claimed only.
func TestAllocationIsBounded(t *testing.T) {
	user := bytes.Repeat(raw("26 0000 0000"), MaxUserProperties)
	block := append(appendVarint(nil, len(user)), user...)
	tests := []struct {
		name string
		v    Version
		in   []byte
	}{
		{"filters", V311, appendBody(nil, 0x82, append(raw("0001"), bytes.Repeat(raw(`0001 "a" 00`), MaxFilters)...))},
		{"unsubscribe filters", V311, appendBody(nil, 0xa2, append(raw("0001"), bytes.Repeat(raw(`0001 "a"`), MaxFilters)...))},
		{"a million filters", V311, appendBody(nil, 0x82, append(raw("0001"), bytes.Repeat(raw(`0001 "a" 00`), 1<<20)...))},
		{"user properties", V5, appendBody(nil, 0x82, slices.Concat(raw("0001"), block, raw(`0001 "a" 00`)))},
		{"user properties of PUBLISH", V5, appendBody(nil, 0x30, slices.Concat(raw(`0001 "a"`), block))},
		{"a string of 65,535 bytes claimed", V311, pkt(0x82, `0001 ffff "a" 00`)},
		{"properties of 268,435,455 bytes claimed", V5, pkt(0x82, `0001 ffffff7f`)},
		{"a packet of 268,435,455 bytes claimed", V5, raw("30 ffffff7f")},
	}
	for _, tt := range tests {
		var err error
		got := allocatedBy(func() {
			var f Frame
			if f, _, err = ReadFrame(tt.in, 0); err == nil && f.Type != 0 {
				_, err = decodeFromClient(f, tt.v)
			}
		})
		if limit := allocationLimit(min(len(tt.in), 1<<20)); got > limit {
			t.Errorf("%s: got %d bytes allocated for %d (error %v), want at most %d", tt.name, got, len(tt.in), err, limit)
		}
		t.Logf("%s: %d bytes allocated for %d, error %v", tt.name, got, len(tt.in), err)
	}
}
