package packet

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// raw decodes hexadecimal digits; spaces are for the reader's eye.
func raw(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestReadFrameRefuses(t *testing.T) {
	for _, row := range []struct {
		name, hex string
		want      Fault
	}{
		{"first byte", "01", FaultVersion},
		{"MQTT", "10 0c", FaultVersion},
		{"version 7", "0007", FaultVersion},
		{"version 65535", "ffff", FaultVersion},
		{"opcode 12", "0005 000c", FaultOpcode},
		{"opcode 16", "0006 0010", FaultOpcode},
		{"opcode 65535", "0005 ffff", FaultOpcode},
		{"props 4097", "0005 0002 1001", FaultPropLen},
		{"props negative", "0006 000f 8000", FaultPropLen},
		{"props 65535", "0005 0004 ffff", FaultPropLen},
		{"data 1 MiB + 1", "0005 000d 0000 00100001", FaultDataLen},
		{"data negative", "0005 0003 0000 80000000", FaultDataLen},
		{"data behind props", "0005 000d 0003 613a62 ffffffff", FaultDataLen},
		{"plain props 4097", "0003 1001", FaultPropLen},
		{"plain props negative", "0000 8000", FaultPropLen},
		{"plain data 1 MiB + 1", "0004 0000 00100001", FaultDataLen},
		{"plain data negative", "0002 0000 80000000", FaultDataLen},
	} {
		b := raw(row.hex)
		if _, n, err := ReadFrame(b); !errors.Is(err, row.want) || n != 0 {
			t.Errorf("%s: got %d, %v, want %v", row.name, n, err, row.want)
		}
		if _, n, err := ReadFrame(b[:len(b)-1]); n != 0 || err != nil && row.want != FaultVersion && row.want != FaultPropLen {
			t.Errorf("%s without its last byte: got %d, %v, want nothing yet", row.name, n, err)
		}
	}
}

func TestReadFrameLimits(t *testing.T) {
	for _, f := range []Frame{
		{Version: 5, Opcode: UploadData, Props: bytes.Repeat([]byte("a:\n"), MaxProps/3), Data: make([]byte, MaxData)},
		{Version: 4, Props: bytes.Repeat([]byte("a"), MaxProps), Data: make([]byte, MaxData)},
	} {
		b := AppendFrame(nil, &f)
		got, n, err := ReadFrame(append(b, 0))
		if err != nil || n != len(b) || len(b) > MaxFrame || len(got.Props) != len(f.Props) || len(got.Data) != len(f.Data) {
			t.Errorf("version %d: got %d, %v, want %d", f.Version, n, err, len(b))
		}
	}
}

func TestAppendFrameRefuses(t *testing.T) {
	for _, f := range []Frame{
		{Version: 7},
		{Version: 5, Opcode: OfflineNotify},
		{Version: 5, Opcode: 99},
		{Version: 5, Opcode: Ping, Props: Props("a:b")},
		{Version: 5, Opcode: Bind, Data: []byte("x")},
		{Version: 5, Opcode: Bind, Props: make(Props, MaxProps+1)},
		{Version: 3, Data: make([]byte, MaxData+1)},
	} {
		if got := AppendFrame(nil, &f); got != nil {
			t.Errorf("%+v: got %x, want nothing", f.Opcode, got)
		}
	}
}

func TestKind(t *testing.T) {
	for _, row := range []struct {
		f    Frame
		want Opcode
	}{
		{Frame{Version: 5, Opcode: Kick}, Kick},
		{Frame{Version: 3}, Ping},
		{Frame{Version: 3, Props: Props("u:a@1\nt:300")}, Bind},
		{Frame{Version: 2, Props: Props("n:x\nr:y")}, Bind},
		{Frame{Version: 3, Props: Props("ack:5")}, MsgAck},
		{Frame{Version: 3, Props: Props("ack:5"), Data: []byte("x")}, Msg},
		{Frame{Version: 0, Data: []byte("x")}, Msg},
		{Frame{Version: 1, Props: Props("id:5\nr:0")}, BindAck},
	} {
		if got := row.f.Kind(); got != row.want {
			t.Errorf("%+v: got %v, want %v", row.f, got, row.want)
		}
	}
}

func TestProps(t *testing.T) {
	p := Props("a:1\nwithout\nurl:http://x:80\n:empty key\nb:\na:2\n")
	for _, row := range []struct {
		key, want string
		ok        bool
	}{
		{"a", "2", true},
		{"url", "http://x:80", true},
		{"", "empty key", true},
		{"b", "", true},
		{"without", "", false},
		{"c", "", false},
	} {
		if got, ok := p.Get(row.key); string(got) != row.want || ok != row.ok {
			t.Errorf("%q: got %q, %v, want %q, %v", row.key, got, ok, row.want, row.ok)
		}
	}
	if got := Props(nil).With("id", "1").WithUint("r", 0).With("x", "a\nb").With("a:b", "c").With("", "d"); string(got) != "id:1\nr:0" {
		t.Errorf("got %q, want the two lines that can be written", got)
	}
	for v, want := range map[string]bool{"0": true, "17": true, "": false, "null": false, "-1": false, "+1": false, "1 ": false,
		"9999999999999999999": true, "99999999999999999999": false} {
		if _, ok := Props("ack:" + v).Uint("ack"); ok != want {
			t.Errorf("number %q: got %v, want %v", v, ok, want)
		}
	}
}

func TestParseBind(t *testing.T) {
	for _, row := range []struct {
		props string
		want  string // as BindRequest.Props writes it; empty is FaultUser
	}{
		{"u:alice@7", "u:alice@7\nts:0\nt:300"},
		{"u:a@b@4294967295\nt:60\nts:1700000000123", "u:a@b@4294967295\nts:1700000000123\nt:60"},
		{"u:-12@7\nk:1\nd:1", "u:-12@7\nts:0\nt:300"},
		{"u:@7\nk:0\nd:0\nc:9", "u:@7\nts:0\nt:300\nk:0\nd:0"},
		{"u:a@1\nu:b@2", "u:b@2\nts:0\nt:300"},
		{"u:a@1\nt:abc\nts:-5\nsign:00ff\nauthtype:3", "u:a@1\nts:0\nt:300\nsign:00ff\nauthtype:3"},
		{"t:300", ""},
		{"u:alice", ""},
		{"u:alice@", ""},
		{"u:alice@0", ""},
		{"u:alice@-1", ""},
		{"u:alice@4294967296", ""},
		{"u:alice@7 ", ""},
		{"u:\xff@7", ""},
		{"u:a\x00@7", ""},
	} {
		b, err := ParseBind(Props(row.props))
		if row.want == "" {
			if !errors.Is(err, FaultUser) {
				t.Errorf("%q: got %v, want %v", row.props, err, FaultUser)
			}
			continue
		}
		if got := string(b.Props()); err != nil || got != row.want {
			t.Errorf("%q: got %q, %v, want %q", row.props, got, err, row.want)
		}
	}
}

func TestUploads(t *testing.T) {
	for _, row := range []struct {
		hex   string
		count int
		ok    bool
	}{
		{"", 0, true},
		{"00000000", 1, true},
		{"00000001 61 00000002 6262", 2, true},
		{"00000001", 0, false},
		{"00000001 61 00", 0, false},
		{"ffffffff 61", 0, false},
		{"80000000", 0, false},
	} {
		n, err := CheckUploads(raw(row.hex))
		if n != row.count || (err == nil) != row.ok {
			t.Errorf("%q: got %d, %v, want %d, %v", row.hex, n, err, row.count, row.ok)
		}
	}
}

// Reading costs no memory, whatever lengths a peer claims.
func TestReadFrameDoesNotAllocate(t *testing.T) {
	for _, b := range [][]byte{
		raw("0005 000d 0003 613a62 00100000"),
		raw("0005 0002 1000"),
		raw("0004 1000 00100000"),
		raw("0005 0003 0006 61636b3a3137 00000014 0000000000000001 00000002 00000004 61626364"),
	} {
		n := testing.AllocsPerRun(100, func() {
			f, _, _ := ReadFrame(b)
			_, _ = f.Props.Uint("ack")
			_, _, _ = NextEntry(f.Data, Long)
		})
		if n != 0 {
			t.Errorf("%x: got %v allocations, want none", b, n)
		}
	}
}
