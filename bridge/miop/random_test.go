package miop

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

// randomFrame is a frame that a client may send, well-formed more often than not.
func randomFrame(r *rand.Rand) []byte {
	u := fmt.Sprintf("u:user%d@%d", r.IntN(3), 1+r.IntN(3))
	v := packet.Version(5 + r.IntN(2))
	var b []byte
	switch r.IntN(16) {
	case 0, 1, 2, 3:
		b = frame(v, packet.Bind, []string{u, fmt.Sprint("k:", r.IntN(2)), fmt.Sprint("d:", r.IntN(2)), fmt.Sprint("t:", r.IntN(600))})
	case 4:
		b = frame(v, packet.Rebind, []string{u})
	case 5, 6:
		b = frame(v, packet.Unbind, []string{u})
	case 7:
		b = frame(v, packet.Unbind, nil)
	case 8, 9, 10:
		b = frame(v, packet.MsgAck, []string{fmt.Sprint("ack:", r.IntN(30))})
	case 11, 12:
		b = frame(v, packet.UploadData, []string{u, "ack:1"}, uploads("x", "y"))
	case 13:
		b = frame(v, packet.Handshake, []string{"a:b"})
	default:
		b = frame(v, packet.Ping, nil)
	}
	switch r.IntN(100) {
	case 0:
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	case 1:
		b = b[:r.IntN(len(b))]
	}
	return b
}

// Clients that send frames in any order, some of them spoilt, while others take over what they have bound and messages
// come for all of them, do the server no harm.
func TestRandomFrames(t *testing.T) {
	s := newServer(t, setup{miop: Config{Profile: Profile{App: "default"}}})
	seed := randtest.New(t).Uint64()
	var clients, publishers sync.WaitGroup
	stop := make(chan struct{})
	publishers.Go(func() {
		sc := s.broker.NewScratch(nil)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			done := waiting{make(chan broker.Result, 1)}
			if s.broker.Publish(sc, &broker.Publish{
				App: s.broker.App("default"), Deferrer: done,
				Message: &broker.Message{TopicName: fmt.Sprintf("inbox/m:user%d", i%3), Payload: []byte("x"), QoS: broker.QoS(i / 3 % 3)},
			}) == broker.Pending {
				<-done.result
			}
		}
	})
	for i := range uint64(4) {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(seed, i))
			for range 50 {
				nc := s.dial()
				read := make(chan struct{})
				go func() {
					defer close(read)
					_, _ = io.Copy(io.Discard, nc)
				}()
				for range r.IntN(60) {
					if _, err := nc.Write(randomFrame(r)); err != nil {
						break
					}
				}
				nc.Close()
				<-read
			}
		})
	}
	clients.Wait()
	close(stop)
	publishers.Wait()
	bound(s, alice).quiet()
}

// Nothing that was accepted is lost while connections take a Session over from each other, in the middle of whatever they do.
// One message each acknowledges in peace: who never does so is held up by the broker.
func TestTakeoversLoseNothing(t *testing.T) {
	inBubble(t, setup{broker: broker.Config{MaxQueuedMessages: 10_000}}, func(t *testing.T, s *testServer) {
		const clients, turns, each, messages = 3, 8, 20, 300
		var mu sync.Mutex
		peace := make(chan struct{}, 1) // no Mutex: who waits for that holds the time of the bubble
		acked := make(map[string]bool)
		take := func(c *client) (body string) { // the next message, which it acknowledges; empty at the end
			for {
				f, ok := c.wait()
				switch {
				case !ok:
					return ""
				case f.Opcode == packet.Pong:
					return "Pong"
				case f.Opcode == packet.Msg:
					e, _, err := packet.NextEntry(f.Data, packet.Long)
					n, _ := f.Props.Uint("ack")
					if err != nil || n == 0 {
						t.Errorf("got %s", render(&f))
					}
					c.ack(int(n))
					mu.Lock()
					acked[string(e.Body)] = true
					mu.Unlock()
					return string(e.Body)
				}
			}
		}
		for i := range messages {
			s.publish("miop-7", "inbox/m:alice", strconv.Itoa(i), 1)
		}
		for range clients * turns * (each + 2*defaultWindow) { // so that all of them come to their end
			s.publish("miop-7", "inbox/m:alice", "more", 1)
		}
		var group sync.WaitGroup
		for range clients {
			group.Go(func() {
				for range turns {
					peace <- struct{}{}
					c := bound(s, alice)
					take(c)
					c.send(frame(5, packet.Ping, nil))
					for body := take(c); body != "Pong" && body != ""; body = take(c) {
					}
					<-peace
					for range each {
						if take(c) == "" {
							break
						}
					}
					c.close()
				}
			})
		}
		group.Wait()
		c := bound(s, alice)
		s.publish("miop-7", "inbox/m:alice", "last", 1)
		for body := ""; body != "last"; {
			if body = take(c); body == "" {
				t.Fatal("the connection has ended")
			}
		}
		for i := range messages {
			if !acked[strconv.Itoa(i)] {
				t.Errorf("message %d has not come", i)
			}
		}
	})
}
