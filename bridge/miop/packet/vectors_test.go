package packet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// vector is one row of testdata/vectors.json: a frame as it is on the wire and what is in it. All users in it
// are invented, and so are the keys.
type vector struct {
	Name    string
	Hex     string
	Fault   string // by which it is refused
	Version Version
	Opcode  *Opcode // nil in versions 0-4
	Props   []string
	Entries []vectorEntry
	Uploads []string
	RSA     *struct {
		N, D string
		E    int
	}
	User string
}

type vectorEntry struct {
	ID    uint64
	AppID uint32
	Body  string
}

func (v *vector) raw(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// frame is what the vector says that its bytes are.
func (v *vector) frame() Frame {
	f := Frame{Version: v.Version, Props: Props(strings.Join(v.Props, "\n"))}
	if v.Opcode != nil {
		f.Opcode = *v.Opcode
	}
	for _, e := range v.Entries {
		f.Data = AppendEntry(f.Data, Long, &Entry{ID: e.ID, AppID: e.AppID, Body: []byte(e.Body)})
	}
	for _, body := range v.Uploads {
		f.Data = AppendUpload(f.Data, []byte(body))
	}
	return f
}

func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("got %d vectors, want 20 or more", len(all))
	}
	return all
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			raw := v.raw(t)
			f, n, err := ReadFrame(raw)
			if v.Fault != "" {
				if err == nil && n > 0 {
					_, err = CheckUploads(f.Data)
				}
				var fault Fault
				if !errors.As(err, &fault) || fault.Name() != v.Fault {
					t.Errorf("got %v, want fault %s", err, v.Fault)
				}
				return
			}
			want := v.frame()
			if err != nil || n != len(raw) || f.Version != want.Version || f.Opcode != want.Opcode || !bytes.Equal(f.Props, want.Props) ||
				!bytes.Equal(f.Data, want.Data) {
				t.Errorf("got %+v, %d bytes, %v, want %+v, %d bytes", f, n, err, want, len(raw))
			}
			if got := AppendFrame(nil, &want); !bytes.Equal(got, raw) {
				t.Errorf("got %x, want %x", got, raw)
			}
		})
	}
}

// Cut anywhere, a frame that is whole later asks for more, and one that is not is refused in the end.
func TestVectorsByteByByte(t *testing.T) {
	for _, v := range vectors(t) {
		raw := v.raw(t)
		for i := range raw {
			if f, n, err := ReadFrame(raw[:i]); n != 0 || err != nil && v.Fault == "" {
				t.Errorf("%s: first %d bytes: got %+v, %d, %v, want nothing yet", v.Name, i, f, n, err)
			}
		}
	}
}

func TestVectorEntries(t *testing.T) {
	for _, v := range vectors(t) {
		if len(v.Entries) == 0 {
			continue
		}
		f, _, err := ReadFrame(v.raw(t))
		if err != nil {
			t.Fatal(err)
		}
		var got []vectorEntry
		for rest := f.Data; len(rest) > 0; {
			var e Entry
			if e, rest, err = NextEntry(rest, Long); err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			got = append(got, vectorEntry{e.ID, e.AppID, string(e.Body)})
		}
		if !slices.Equal(got, v.Entries) {
			t.Errorf("%s: got %v, want %v", v.Name, got, v.Entries)
		}
	}
}

// A server's message with one entry is written in one go; it must be what AppendFrame writes.
func TestMessageIsFrame(t *testing.T) {
	for _, version := range []Version{0, 1, 2, 3, 4, 5, 6} {
		for _, layout := range []Layout{Long, Short} {
			for _, ack := range []uint64{0, 9, 10, 12345678901234567890} {
				body := []byte("body")
				m := Message{Version: version, Layout: layout, Ack: ack, ID: 1 << 40, AppID: 4242, Length: len(body)}
				want := Frame{Version: version, Opcode: Msg, Data: AppendEntry(nil, layout, &Entry{ID: 1 << 40, AppID: 4242, Body: body})}
				if version >= 3 {
					want.Props = want.Props.WithUint("ack", ack)
				}
				got := append(m.AppendHeader(nil), body...)
				if !bytes.Equal(got, AppendFrame(nil, &want)) || m.Size() != len(got) {
					t.Errorf("version %d, layout %d, ack %d: got %x and size %d, want %x", version, layout, ack, got, m.Size(), AppendFrame(nil, &want))
				}
			}
		}
	}
	if m := (Message{Version: 5, Length: MaxData}); m.Size() != 0 || m.AppendHeader(nil) != nil {
		t.Errorf("got size %d for too large a body, want 0", m.Size())
	}
}
