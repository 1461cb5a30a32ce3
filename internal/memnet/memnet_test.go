package memnet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipeMovesBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := PipeSize(7)
		want := bytes.Repeat([]byte("holdfast"), 1000)
		go func() {
			_, err := a.Write(want)
			if err := errors.Join(err, a.CloseWrite()); err != nil {
				t.Error(err)
			}
		}()
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("read %d bytes, error %v; want %d equal ones", len(got), err, len(want))
		}
		if _, err := b.Write([]byte("x")); err != nil {
			t.Errorf("write after the peer's CloseWrite: %v", err)
		}
		b.Close()
		if n, _ := a.Read(make([]byte, 1)); n != 1 {
			t.Errorf("read %d bytes, want 1", n)
		}
		if _, err := a.Write([]byte("x")); err == nil {
			t.Errorf("write after CloseWrite: no error")
		}
	})
}

func TestConnFaults(t *testing.T) {
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		fault func(a, b *Conn) // while a reads and b writes more than fits
		read  error
		write error
	}{
		"fail":       {func(a, b *Conn) { a.FailReads(broken); b.FailWrites(broken) }, broken, broken},
		"reset":      {func(a, b *Conn) { a.Reset() }, syscall.ECONNRESET, syscall.ECONNRESET},
		"close":      {func(a, b *Conn) { a.Close() }, net.ErrClosed, syscall.EPIPE},
		"peer close": {func(a, b *Conn) { b.Close(); a.BlockReads(false) }, nil, net.ErrClosed},
		"deadline": {func(a, b *Conn) {
			_ = a.SetDeadline(time.Now().Add(time.Second))
			_ = b.SetDeadline(time.Now().Add(time.Second))
		}, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := PipeSize(4)
				a.BlockReads(true)
				read, write := make(chan error, 1), make(chan error, 1)
				go func() { _, err := a.Read(make([]byte, 4)); read <- err }()
				go func() { _, err := b.Write(make([]byte, 100)); write <- err }()
				synctest.Wait()
				if got := b.Buffered(); got != 4 {
					t.Errorf("%d bytes buffered, want 4", got)
				}
				tc.fault(a, b)
				if got := <-read; !errors.Is(got, tc.read) {
					t.Errorf("read: got %v, want %v", got, tc.read)
				}
				if got := <-write; !errors.Is(got, tc.write) {
					t.Errorf("write: got %v, want %v", got, tc.write)
				}
				a.Close()
				b.Close()
			})
		})
	}
}

func TestBlockWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		a.BlockWrites(true)
		go func() { _, _ = a.Write([]byte("x")) }()
		synctest.Wait()
		if got := a.Buffered(); got != 0 {
			t.Errorf("%d bytes buffered by a blocked write", got)
		}
		a.BlockWrites(false)
		synctest.Wait()
		if got := a.Buffered(); got != 1 {
			t.Errorf("%d bytes buffered, want 1", got)
		}
		if got := a.Writes(); got != 1 {
			t.Errorf("%d writes, want 1", got)
		}
		b.Close()
	})
}

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen("broker")
		client, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.FailAccepts(syscall.EMFILE)
		if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("got %v, want EMFILE", err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := client.RemoteAddr().String(); got != "broker" {
			t.Errorf("remote address %q, want broker", got)
		}
		if _, err := server.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		server.Close()
		if got, _ := io.ReadAll(client); string(got) != "hello" {
			t.Errorf("read %q, want hello", got)
		}
		go l.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v, want net.ErrClosed", err)
		}
		if _, err := l.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dial after close: %v, want net.ErrClosed", err)
		}
		if got := l.Accepts(); got != 3 {
			t.Errorf("%d accepts, want 3", got)
		}
	})
}
