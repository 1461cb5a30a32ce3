package packet

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// Every refusal comes with the last byte of the row and not before.
func TestRefused(t *testing.T) {
	for _, row := range []struct {
		name string
		read func([]byte, int) (Frame, int, error)
		in   string
		max  int
		want error
	}{
		{"total 1", ReadFrame, "00000001", MaxBody, ErrLength},
		{"total 3", ReadFrame, "00000003", MaxBody, ErrLength},
		{"no body", ReadFrame, "00000004", MaxBody, ErrEmpty},
		{"body of 1 MiB and 1", ReadFrame, "00100005", MaxBody, ErrTooLarge},
		{"body of 64 KiB and 1 before login", ReadFrame, "00010005", MaxBodyBeforeLogin, ErrTooLarge},
		{"limit above the protocol's", ReadFrame, "00100005", MaxBody * 2, ErrTooLarge},
		{"no limit given", ReadFrame, "00100005", 0, ErrTooLarge},
		{"total of 4 GiB", ReadFrame, "ffffffff", MaxBody, ErrTooLarge},
		{"half a magic", ReadFrame, "71690000", MaxBody, ErrTooLarge},
		{"header, total 0", ReadFrame, "71681066109200000000000000000000", MaxBody, ErrLength},
		{"header, total 15", ReadFrame, "7168106610920000000000000000000f", MaxBody, ErrLength},
		{"header, no body", ReadFrame, "71681066109200000000000000000010", MaxBody, ErrEmpty},
		{"header, 64 KiB and 1 before login", ReadFrame, "71681066109200000000000000010011", MaxBodyBeforeLogin, ErrTooLarge},
		{"header, total of 4 GiB", ReadFrame, "716810661092000000000000ffffffff", MaxBody, ErrTooLarge},
		{"answer, total 5", ReadAnswer, "716800000005", MaxBody, ErrLength},
		{"answer, no body", ReadAnswer, "716800000006", MaxBody, ErrEmpty},
		{"answer, 1 MiB and 1", ReadAnswer, "716800100007", MaxBody, ErrTooLarge},
		{"answer without magic, total 2", ReadAnswer, "00000002", MaxBody, ErrLength},
		{"text, other letters", ReadText, hexOf("q"), MaxBody, ErrText},
		{"text, second letter", ReadText, hexOf("wy"), MaxBody, ErrText},
		{"text, other header", ReadText, hexOf("wxh129"), MaxBody, ErrText},
		{"text, minus", ReadText, hexOf("wx-"), MaxBody, ErrText},
		{"text, plus", ReadText, hexOf("wx+"), MaxBody, ErrText},
		{"text, space", ReadText, hexOf("wx0000000 "), MaxBody, ErrText},
		{"text, header without body", ReadText, hexOf("wxh12800000000"), MaxBody, ErrEmpty},
		{"text, 1 MiB and 1", ReadText, hexOf("wx01048577"), MaxBody, ErrTooLarge},
		{"text, 64 KiB and 1 before login", ReadText, hexOf("wxh12800065537"), MaxBodyBeforeLogin, ErrTooLarge},
	} {
		b := unhex(t, row.in)
		if f, n, err := row.read(b, row.max); !errors.Is(err, row.want) || n != 0 || f.Body != nil {
			t.Errorf("%s: got %+v, %d, %v, want %v", row.name, f, n, err, row.want)
		}
		for i := range b {
			if f, n, err := row.read(b[:i], row.max); n != 0 || err != nil {
				t.Errorf("%s, %d bytes: got %+v, %d, %v, want more asked for", row.name, i, f, n, err)
			}
		}
	}
}

func hexOf(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

// The largest bodies are let through.
func TestLimits(t *testing.T) {
	for _, row := range []struct {
		read   func([]byte, int) (Frame, int, error)
		header string
		max    int
	}{
		{ReadFrame, "00100004", MaxBody},
		{ReadFrame, "00010004", MaxBodyBeforeLogin},
		{ReadFrame, "71681066109200000000000000010010", MaxBodyBeforeLogin},
		{ReadAnswer, "716800100006", 0},
		{ReadText, hexOf("wx01048576"), MaxBody},
		{ReadText, hexOf("wxh12800065536"), MaxBodyBeforeLogin},
	} {
		size := row.max
		if size == 0 {
			size = MaxBody
		}
		b := append(unhex(t, row.header), make([]byte, size)...)
		f, n, err := row.read(b, row.max)
		if n != len(b) || err != nil || len(f.Body) != size {
			t.Errorf("%s: got %d bytes, %d, %v, want %d bytes", row.header, len(f.Body), n, err, size)
		}
		if _, n, err = row.read(b[:len(b)-1], row.max); n != 0 || err != nil {
			t.Errorf("%s: got %d, %v, want more asked for", row.header, n, err)
		}
	}
}

// A stream is cut alike however it arrives: in one piece, or byte by byte.
func TestStream(t *testing.T) {
	all := vectors(t)
	var stream []byte
	var want []Frame
	add := func(b []byte, f Frame) {
		stream = append(stream, b...)
		want = append(want, f)
	}
	first := all["v1_init_login_req"].packet
	add(first, Frame{HasHeader: true, Header: testHeader, Body: first[16:]})
	add(AppendHeartbeat(nil), Frame{Heartbeat: true})
	login := all["v1_login_req_guest"].packet
	add(login, Frame{Body: login[4:]})
	add(first, Frame{HasHeader: true, Header: testHeader, Body: first[16:]}) // the header once more
	add(all["chat_req"].packet, Frame{Body: all["chat_req"].packet[4:]})
	for _, step := range []int{1, 2, 3, 7, len(stream)} {
		var got []Frame
		var held []byte
		for at := 0; at < len(stream); at += step {
			held = append(held, stream[at:min(at+step, len(stream))]...)
			for {
				f, n, err := ReadFrame(held, MaxBody)
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					break
				}
				f.Body = append([]byte(nil), f.Body...)
				got, held = append(got, f), held[n:]
			}
		}
		if !reflect.DeepEqual(got, want) || len(held) != 0 {
			t.Errorf("%d bytes at a time: got %+v and %x, want %+v", step, got, held, want)
		}
	}
}

func TestHeaderOddities(t *testing.T) {
	b := unhex(t, "7168f06710924142434445460000001155")
	f, n, err := ReadFrame(b, MaxBody)
	want := Frame{HasHeader: true, Header: Header{Version: 15, ClientVersion: 103, App: 4242}, Body: []byte{0x55}}
	if err != nil || n != len(b) || !reflect.DeepEqual(f, want) {
		t.Errorf("got %+v, %d, %v, want %+v", f, n, err, want)
	}
}

func TestMatch(t *testing.T) {
	for _, row := range []struct {
		match     func([]byte) (bool, bool)
		prefix    string
		yes, more bool
	}{
		{Match, "", false, true}, {Match, "q", false, true}, {Match, "qh", true, false}, {Match, "qh\x10\x66", true, false},
		{Match, "h", false, false}, {Match, "qq", false, false}, {Match, "wx", false, false},
		{MatchText, "w", false, true}, {MatchText, "wxh", true, false}, {MatchText, "qh", false, false},
	} {
		if yes, more := row.match([]byte(row.prefix)); yes != row.yes || more != row.more {
			t.Errorf("%q: got %t, %t, want %t, %t", row.prefix, yes, more, row.yes, row.more)
		}
	}
}

func TestText(t *testing.T) {
	m := getInfo(7, BoxPeer, 1, 5)
	for _, first := range []bool{true, false} {
		b := AppendText([]byte("kept"), m, testSessionKey, first)
		f, n, err := ReadText(b[4:], MaxBody)
		if err != nil || n != len(b)-4 || f.HasHeader != first {
			t.Fatalf("got %+v, %d, %v, want a packet of %d bytes", f, n, err, len(b)-4)
		}
		plain, err := f.Open([]byte("also "), testSessionKey)
		if want := Append([]byte("also "), m); err != nil || !bytes.Equal(plain, want) {
			t.Errorf("got %x, %v, want %x", plain, err, want)
		}
	}
	for body, want := range map[string]error{"AAA": ErrText, "AAA*": ErrText, "AB==": ErrText, "\r\n\r\n": ErrEmpty, "AA==": nil} {
		if _, err := (Frame{Text: true, Body: []byte(body)}).Open(nil, ""); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", body, err, want)
		}
	}
}

// What a length announces is not allocated, nor anything else.
func TestReadAllocatesNothing(t *testing.T) {
	for _, row := range []struct {
		read func([]byte, int) (Frame, int, error)
		in   []byte
	}{
		{ReadFrame, unhex(t, "00100004aa")},
		{ReadFrame, unhex(t, "00100005aa")},
		{ReadFrame, unhex(t, "71681066109200000000000000100010aa")},
		{ReadAnswer, unhex(t, "716800100006aa")},
		{ReadText, []byte("wx01048576AAAA")},
	} {
		if got := testing.AllocsPerRun(10, func() { _, _, _ = row.read(row.in, 0) }); got != 0 {
			t.Errorf("%x: got %v allocations, want none", row.in, got)
		}
	}
}

func TestKey(t *testing.T) {
	key := Key("secret-of-mine")
	for _, shown := range []string{key.String(), key.GoString()} {
		if strings.Contains(shown, "secret") {
			t.Errorf("got %q, want the key hidden", shown)
		}
	}
	if text, err := key.MarshalText(); err != nil || strings.Contains(string(text), "secret") {
		t.Errorf("got %q, %v, want the key hidden", text, err)
	}
	if err := Key(strings.Repeat("k", MaxKey)).Check(); err != nil {
		t.Errorf("got %v, want a key of 256 bytes accepted", err)
	}
	if err := Key(strings.Repeat("k", MaxKey+1)).Check(); !errors.Is(err, ErrKey) {
		t.Errorf("got %v, want %v", err, ErrKey)
	}
	// The state begins anew with each packet.
	one, two := AppendPacket(nil, getInfo(1, BoxPeer, 1, 5), key), AppendPacket(nil, getInfo(1, BoxPeer, 1, 5), key)
	if !bytes.Equal(one, two) {
		t.Errorf("got %x and %x, want the same", one, two)
	}
}

func TestGzip(t *testing.T) {
	plain := bytes.Repeat([]byte("a"), 1<<16)
	member := Gzip(plain)
	if got, err := Inflate(member, len(plain)); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, len(plain))
	}
	for _, row := range []struct {
		in   []byte
		max  int
		want error
	}{
		{member, len(plain) - 1, ErrTooLarge},
		{member[:len(member)-1], len(plain), ErrGzip},
		{[]byte("plain text"), 100, ErrGzip},
		{nil, 100, ErrGzip},
	} {
		if _, err := Inflate(row.in, row.max); !errors.Is(err, row.want) {
			t.Errorf("%x: got %v, want %v", row.in[:min(8, len(row.in))], err, row.want)
		}
	}
}
