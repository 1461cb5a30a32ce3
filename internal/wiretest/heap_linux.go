package wiretest

import (
	"io"
	"net"
	"syscall"
	"testing"
)

// warm is how many connections are made before it is measured, so that what they share is there.
const warm = 200

// HeapPerConnection returns how much live heap each of n connections takes, in bytes, and how many there are in all. login makes the
// i-th of a client's descriptor, which costs this process no heap; they are closed at the end of the test.
func HeapPerConnection(t *testing.T, addr string, n int, login func(fd Descriptor, i int)) (bytes int64, all int) {
	t.Helper()
	fds := make([]Descriptor, 0, warm+n)
	t.Cleanup(func() {
		for _, fd := range fds {
			_ = syscall.Close(int(fd))
		}
	})
	grow := func(n int) {
		for range n {
			fd := dial(t, addr)
			fds = append(fds, fd)
			login(fd, len(fds)-1)
		}
	}
	grow(warm)
	before := LiveHeap()
	grow(n)
	return (LiveHeap() - before) / int64(n), len(fds)
}

// Descriptor is a connected socket that blocks.
type Descriptor int

// Read implements io.Reader.
func (d Descriptor) Read(b []byte) (int, error) {
	n, err := syscall.Read(int(d), b)
	if n == 0 && err == nil && len(b) > 0 {
		err = io.EOF
	}
	return max(n, 0), err
}

// Write implements io.Writer.
func (d Descriptor) Write(b []byte) (int, error) { return syscall.Write(int(d), b) }

func dial(t *testing.T, addr string) Descriptor {
	t.Helper()
	tcp, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	to := &syscall.SockaddrInet4{Port: tcp.Port}
	copy(to.Addr[:], tcp.IP.To4())
	if err := syscall.Connect(fd, to); err != nil {
		t.Fatal(err)
	}
	return Descriptor(fd)
}
