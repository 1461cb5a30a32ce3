package floods

import (
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
)

// errSilent means that a broker has neither answered nor closed the connection.
var errSilent = errors.New("no answer")

func (f *Flood) connect(int64) error {
	c, err := f.dial()
	if err != nil {
		return err
	}
	reset(c)
	return nil
}

func (f *Flood) silent(int64) error {
	c, err := f.dial()
	if err != nil {
		return err
	}
	f.hold(c)
	return nil
}

func (f *Flood) halfTLS(int64) error {
	c, err := f.dial()
	if err != nil {
		return err
	}
	_, err = c.Write(f.greeting)
	f.hold(c)
	return err
}

// hello fails when the broker refuses.
func (f *Flood) hello(int64) error {
	c, err := f.say(f.greeting)
	if err != nil {
		return err
	}
	defer reset(c)
	var b [1]byte
	_, err = c.Read(b[:])
	return err
}

// say connects and writes b.
func (f *Flood) say(b []byte) (net.Conn, error) {
	c, err := f.dial()
	if err != nil {
		return nil, err
	}
	if _, err := c.Write(b); err != nil {
		reset(c)
		return nil, err
	}
	return c, nil
}

// sayBad is for what a broker has to close the connection for; it fails when the broker does not.
func (f *Flood) sayBad(b []byte) error {
	c, err := f.dial()
	if err != nil {
		return err
	}
	defer reset(c)
	// It may be closed before it is all written, which is well.
	if _, err := c.Write(b); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return errSilent
	}
	return awaitEnd(c)
}

// awaitEnd reads to the end of c.
func awaitEnd(c net.Conn) error {
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		return errSilent
	}
	return nil
}

// bigRecord claims a record of 65,535 bytes and sends a little more than any may have.
func (f *Flood) bigRecord(int64) error {
	b := make([]byte, 5+17<<10)
	copy(b, []byte{0x16, 3, 1, 0xFF, 0xFF, 1, 0, 0xFF, 0xFF})
	return f.sayBad(b)
}

// garbage is in turn a CONNECT that claims the most that can be said, and what is no MQTT at all.
func (f *Flood) garbage(n int64) error {
	b := make([]byte, 64)
	if n%2 == 0 {
		copy(b, []byte{0x10, 0xFF, 0xFF, 0xFF, 0x7F, 0, 4, 'M', 'Q', 'T', 'T', 4})
		return f.sayBad(b)
	}
	rand.Read(b) // never fails
	b[0] |= 0xF0 // no client begins so
	return f.sayBad(b)
}
