package ximp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/randtest"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// device is what a random test knows of one: what was sent to it, and what it has and has said so.
type device struct {
	t        *testing.T
	r        *rand.Rand
	s        *testServer
	c        *client           // nil while it is away
	accepted map[string]string // box by body, of what publishers have been told is safe
	id       map[string]int64  // by body, of what has come
	acked    [kinds]int64      // ids below are acknowledged
	small    bool              // the connection's window has no room for all: what is not there yet when it is acknowledged comes once more
	next     [kinds]int64      // ids below have come, if there were any
}

var randomTopics = []string{"inbox/x:alice:mobile:d", "user/alice", "broadcast/" + testApp}

// publish has something sent to the device, which may be refused.
func (d *device) publish(n int) {
	name := randomTopics[d.r.IntN(len(randomTopics))]
	m := &broker.Message{TopicName: name, QoS: broker.QoS(1 + d.r.IntN(2))}
	body := fmt.Sprint(n, " ")
	m.Payload = []byte(body + strings.Repeat("x", d.r.IntN(1<<d.r.IntN(17))))
	box := packet.BoxPeer
	switch {
	case strings.HasPrefix(name, "broadcast"):
		box = packet.BoxPublic
	case d.r.IntN(3) == 0:
		box = packet.BoxIM
		d.s.withProps(m, propBox, box)
	}
	done := make(told, 1)
	result := d.s.broker.Publish(d.s.sc, &broker.Publish{App: d.s.broker.App(testApp), Message: m, Deferrer: done})
	if result == broker.Pending {
		result = <-done
	}
	if result == broker.Accepted {
		d.accepted[body] = box
	}
}

// pull asks for some page, and checks what comes.
func (d *device) pull(k kind, start int64, n int32) (given int, ok bool) {
	sn := d.c.request(packet.IDGetInfo, packet.Request{GetInfo: &packet.GetInfoRequest{
		InfoType: []byte(boxNames[k]), ID: start, Offset: packet.Some(n),
	}})
	m := d.c.next()
	for m != nil && m.SN != sn {
		m = d.c.next()
	}
	if m == nil {
		d.c = nil
		return 0, false
	}
	if e := m.Response.Error; e != nil {
		if e.Code != packet.CodeRead {
			d.t.Errorf("got %v", e)
		}
		return 0, false
	}
	r := m.Response.GetInfo
	last := int64(0)
	for i, info := range r.Infos {
		stored, err := info.Stored()
		if err != nil {
			d.t.Fatal(err)
		}
		number, _, _ := strings.Cut(string(stored.Body), " ")
		body, id := number+" ", stored.ID.Value
		switch old, known := d.id[body]; {
		case d.accepted[body] != boxNames[k]:
			d.t.Errorf("%q is in %s, want %q", body, boxNames[k], d.accepted[body])
		case known && old != id:
			d.t.Errorf("%q has id %d, and had %d", body, id, old)
		case id < d.acked[k] && !d.small:
			d.t.Errorf("%q of %d is acknowledged, up to %d", body, id, d.acked[k])
		case n > 0 && start >= 0 && (id < start || i > 0 && id <= last):
			d.t.Errorf("got id %d after %d, from %d on", id, last, start)
		}
		d.id[body], last = id, id
		if r.LastID.Value < id {
			d.t.Errorf("last_info_id is %d, want at least %d", r.LastID.Value, id)
		}
	}
	if start == 0 || start > 0 && (n >= 0 || k == public) {
		d.next[k] = max(d.next[k], last+1)
	}
	d.acked[k] = max(d.acked[k], start)
	return len(r.Infos), true
}

// step does something.
func (d *device) step(n int, restart func()) {
	switch d.r.IntN(12) {
	case 0, 1, 2, 3:
		d.publish(n)
	case 4:
		if d.c != nil {
			d.c.close()
			d.c = nil
		}
	case 5: // takes over from itself, at times
		d.c = d.s.connect("alice").login("d")
	case 6:
		if d.r.IntN(10) == 0 {
			restart()
		}
	case 7:
		pass(time.Duration(d.r.IntN(20)) * time.Second)
	default:
		if d.c == nil {
			return
		}
		k := kind(d.r.IntN(int(kinds)))
		start := int64(0)
		switch d.r.IntN(4) {
		case 0: // where the server thinks
		case 1:
			start = -1
		default:
			if d.next[k] > 0 {
				start = max(d.next[k]-int64(d.r.IntN(3)*d.r.IntN(1000)), 1)
			}
		}
		d.pull(k, start, int32(d.r.IntN(20)-3))
	}
}

// TestRandomPulls: whatever a device does, with its connections, in the middle of restarts, and whichever pages it asks for, all that was accepted comes to it, under
// one id, and what it has acknowledged does not come again.
func TestRandomPulls(t *testing.T) {
	for _, cfg := range []Config{{}, {Window: 5, WindowBytes: 50_000}} {
		t.Run(fmt.Sprint(cfg.Window), func(t *testing.T) {
			d := &device{r: randtest.New(t), accepted: make(map[string]string), id: make(map[string]int64), small: cfg.Window > 0}
			st := memory.New()
			rules := &Rules{PacketsPerMinute: -1}
			with := setup{ximp: cfg, broker: broker.Config{Store: st}, listener: Listener{Rules: rules}}
			inBubble(t, with, func(s *testServer) {
				d.t, d.s = s.t.(*testing.T), s
				d.c = s.connect("alice").login("d") // so that what is published to topics is owed to it
				for n := range 2000 {
					d.step(n, func() {
						if d.c != nil {
							d.c.close()
							d.c = nil
						}
						d.s.shutdown()
						with.loop.Portable = true
						d.s = newServer(d.t, with)
					})
				}
				pass(2 * time.Minute)
				d.c = nil
				for idle := 0; idle < 20; { // a window that is full of one kind has no room for the others
					idle++
					if d.c == nil { // one that has acknowledged little is put off, and may be ended
						d.c = d.s.connect("alice").login("d")
						pass(2 * time.Minute)
					}
					for k := kind(0); k < kinds && d.c != nil; k++ {
						if given, _ := d.pull(k, d.next[k], 100); given > 0 {
							idle = 0
						}
					}
					pass(time.Second)
				}
				for body, box := range d.accepted {
					if _, ok := d.id[body]; !ok {
						t.Errorf("%q has not come to %s", body, box)
					}
				}
			})
		})
	}
}
