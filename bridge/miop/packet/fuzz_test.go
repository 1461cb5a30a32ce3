package packet

import (
	"bytes"
	"errors"
	"testing"
)

func isFault(err error) bool {
	var f Fault
	return errors.As(err, &f) && f < Faults && f.Name() != "" && f.Error() != ""
}

// FuzzReadFrame checks that what is accepted is what was written, and that bytes behind it change nothing.
func FuzzReadFrame(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.raw(f))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, n, err := ReadFrame(b)
		switch {
		case err != nil:
			if n != 0 || !isFault(err) {
				t.Errorf("got %d, %v, want a fault and nothing consumed", n, err)
			}
			return
		case n == 0:
			return
		}
		if n > len(b) || n > MaxFrame {
			t.Fatalf("got %d of %d bytes", n, len(b))
		}
		if got := AppendFrame(nil, &frame); !bytes.Equal(got, b[:n]) {
			t.Errorf("got %x, want %x", got, b[:n])
		}
		if again, m, err := ReadFrame(b[:n]); err != nil || m != n || again.Opcode != frame.Opcode {
			t.Errorf("got %+v, %d, %v, want %+v, %d", again, m, err, frame, n)
		}
		_ = frame.Kind()
	})
}

// FuzzProps reads props in every way there is.
func FuzzProps(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.frame().Props))
	}
	key, secret, _ := testKey(f)
	f.Add([]byte(secret))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := Props(b)
		p.Each(func(k, v []byte) bool {
			last, ok := p.Get(string(k))
			if !ok || bytes.ContainsAny(k, ":\n") || bytes.Contains(v, lineFeed) || bytes.Contains(last, lineFeed) {
				t.Errorf("got %q and %q of key %q, want lines", v, last, k)
			}
			return true
		})
		for _, read := range []func() (BindRequest, error){
			func() (BindRequest, error) { return ParseBind(p) },
			func() (BindRequest, error) { return OpenBind(key, p) },
		} {
			r, err := read()
			if err != nil {
				if !isFault(err) {
					t.Errorf("got %v, want a fault", err)
				}
				continue
			}
			again, err := ParseBind(r.Props())
			if err != nil || !bytes.Equal(again.User, r.User) || again.AppID != r.AppID || again.KeepAlive != r.KeepAlive ||
				again.TS != r.TS || again.Beside != r.Beside || again.Transient != r.Transient {
				t.Errorf("got %+v, %v, want %+v", again, err, r)
			}
		}
	})
}

// FuzzEntries checks that what is accepted fills the data exactly.
func FuzzEntries(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.frame().Data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, short bool) {
		l := Long
		if short {
			l = Short
		}
		var entries, uploads []byte
		var err error
		for rest := data; len(rest) > 0; {
			var e Entry
			if e, rest, err = NextEntry(rest, l); err != nil {
				break
			}
			entries = AppendEntry(entries, l, &e)
		}
		if err == nil && !bytes.Equal(entries, data) || err != nil && !isFault(err) {
			t.Errorf("got %x, %v, want %x", entries, err, data)
		}
		_, err = CheckUploads(data)
		for rest := data; len(rest) > 0 && err == nil; {
			var body []byte
			body, rest, _ = NextUpload(rest)
			uploads = AppendUpload(uploads, body)
		}
		if err == nil && !bytes.Equal(uploads, data) || err != nil && !isFault(err) {
			t.Errorf("got %x, %v, want %x", uploads, err, data)
		}
	})
}
