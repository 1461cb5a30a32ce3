package miop

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
)

// sdk reads frames as the SDK known as kd.push does: 0, 1 and 7 as bare headers, 4 and 6 as props, everything else as props
// and data. It returns what it has understood, one line for each frame.
func sdk(r io.Reader) (lines []string) {
	number := func(size int) (n int, ok bool) {
		b := make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			return 0, false
		}
		if size == 2 {
			return int(binary.BigEndian.Uint16(b)), true
		}
		return int(int32(binary.BigEndian.Uint32(b))), true
	}
	text := func(size int) string {
		b := make([]byte, min(max(size, 0), 1<<20))
		if _, err := io.ReadFull(r, b); err != nil {
			return "cut"
		}
		return string(b)
	}
	for {
		if _, ok := number(2); !ok {
			return lines
		}
		op, ok := number(2)
		if !ok {
			return append(lines, "cut")
		}
		line := fmt.Sprint(op)
		if op != 0 && op != 1 && op != 7 {
			n, ok := number(2)
			if !ok {
				return append(lines, "cut")
			}
			props := text(n)
			for l := range strings.SplitSeq(props, "\n") {
				if strings.Count(l, ":") != 1 {
					line += " (lost)"
				}
			}
			line += " " + strings.ReplaceAll(props, "\n", " ")
			if op != 4 && op != 6 {
				if n, ok = number(4); !ok {
					return append(lines, "cut")
				}
				line += fmt.Sprintf(" %d bytes", len(text(n)))
			}
		}
		lines = append(lines, line)
	}
}

// The SDK follows the stream to its end when its Session is taken over or ended or the server goes down, and one that reads all
// frames is told why.
func TestDialects(t *testing.T) {
	takeOver := func(s *testServer) { bound(s, alice) }
	kick := func(s *testServer) {
		if err := s.broker.Kick("miop-7", "m:alice", false); err != nil {
			t.Errorf("Kick: %v", err)
		}
	}
	for _, tt := range []struct {
		name  string
		cfg   Config
		first []byte // before the bind
		end   func(s *testServer)
		want  []string
	}{
		{"kd.push, taken over", Config{MoveTo: "other:80"}, nil, takeOver, []string{"6 id:7 r:0", "3 ack:1 21 bytes", "1"}},
		{"kd.push, kicked", Config{}, nil, kick, []string{"6 id:7 r:0", "3 ack:1 21 bytes", "1"}},
		{"kd.push, server down", Config{MoveTo: "other:80"}, nil, (*testServer).shutdown, []string{"6 id:7 r:0", "3 ack:1 21 bytes", "1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{miop: tt.cfg}, func(t *testing.T, s *testServer) {
				nc := s.dial()
				defer nc.Close()
				lines := make(chan []string, 1)
				go func() { lines <- sdk(nc) }()
				if _, err := nc.Write(frame(5, packet.Bind, []string{alice, "ts:1", "t:300"})); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				s.publish("miop-7", "inbox/m:alice", "hello", 1)
				if _, err := nc.Write(frame(5, packet.Ping, nil)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				tt.end(s)
				if got := <-lines; strings.Join(got, "|") != strings.Join(tt.want, "|") {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
	full := func(name string, cfg Config, before []byte, end func(*testServer), want ...string) {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setup{miop: cfg}, func(t *testing.T, s *testServer) {
				c := newClient(s)
				if before != nil {
					c.send(before)
					c.expect("Handshake a:b")
				}
				c.do(5, packet.Bind, []string{alice}, "BindAck id:7 r:0")
				synctest.Wait()
				end(s)
				c.expect(append(want, "EOF")...)
			})
		})
	}
	handshake := frame(5, packet.Handshake, []string{"a:b"})
	full("profile, taken over", Config{Profile: Profile{Full: true}}, nil, takeOver, "Kick id:7 u:alice@7 r:1")
	full("handshake, taken over", Config{}, handshake, takeOver, "Kick id:7 u:alice@7 r:1")
	full("profile, kicked", Config{Profile: Profile{Full: true}}, nil, kick, "Kick id:7 u:alice@7 r:2")
	full("handshake, kicked", Config{}, handshake, kick, "Kick id:7 u:alice@7 r:2")
	full("neither, kicked", Config{}, nil, kick)
	full("server down", Config{MoveTo: "other:80"}, handshake, (*testServer).shutdown, "Migrate id:7 addr:other:80")
	full("server down, nowhere to go", Config{}, handshake, (*testServer).shutdown)
	full("neither", Config{MoveTo: "other:80"}, nil, (*testServer).shutdown)
}

func TestHandshakeOnce(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, s *testServer) {
		c := newClient(s)
		c.do(6, packet.Handshake, []string{"x:y", "z"}, "Handshake x:y z")
		c.do(6, packet.Handshake, []string{"x:y"})
		c.quiet()
	})
}
