package crash

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// play writes a story into a ledger. Each line is a step, clients 0 and up, topics a (QoS 1) and b (QoS 2):
//
//	sub CLIENT FILTER QOS     SUBACK
//	EVENT CLIENT MESSAGE      an event of a message of publisher 0, such as a3
//	kill                      the server ends and another one starts
//	2s                        time passes
func play(t *testing.T, story string) *ledger {
	t.Helper()
	l := newLedger([]topic{{name: "a", qos: 1, inbox: -1}, {name: "b", qos: 2, inbox: -1}, {name: "inbox/crash-9", qos: 2, inbox: 9}})
	kinds := map[string]kind{
		"send": sent, "acked": acked, "refused": refused, "gets": received, "has": repeated, "acks": ackSent, "seen": ackSeen, "loses": abandoned,
	}
	for line := range strings.SplitSeq(story, ";") {
		f := strings.Fields(line)
		var client, number int
		var topic rune
		switch {
		case len(f) == 1 && f[0] == "kill":
			l.killed()
		case len(f) == 1:
			d, err := time.ParseDuration(f[0])
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
		case f[0] == "sub":
			var q packet.QoS
			if _, err := fmt.Sscan(f[1]+" "+f[3], &client, &q); err != nil {
				t.Fatal(err)
			}
			l.subscribed(client, f[2], q)
		default:
			k, ok := kinds[f[0]]
			if _, err := fmt.Sscanf(f[1]+f[2], "%d%c%d", &client, &topic, &number); err != nil || !ok {
				t.Fatalf("step %q: %v", line, err)
			}
			l.note(key{0, uint16(topic - 'a'), uint32(number)}, event{kind: k, client: uint16(client), round: l.round, id: 7})
		}
	}
	return l
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name, story string
		want        []rule
	}{
		{"all is well", "sub 1 a 1; send 0 a0; acked 0 a0; gets 1 a0", nil},
		{"acknowledged and lost", "sub 1 a 1; send 0 a0; acked 0 a0", []rule{ruleAcked}},
		{"lost by one of two", "sub 1 a 1; sub 2 + 1; send 0 a0; acked 0 a0; gets 1 a0", []rule{ruleAcked}},
		{"not acknowledged", "sub 1 a 1; send 0 a0", nil},
		{"refused", "sub 1 a 1; send 0 a0; refused 0 a0", nil},
		{"given up", "sub 1 a 1; send 0 a0; loses 0 a0", nil},
		{"subscribed too late", "send 0 a0; sub 1 a 1; acked 0 a0", nil},
		{"sent again after SUBACK", "send 0 a0; sub 1 a 1; kill; send 0 a0; acked 0 a0", nil},
		{"inbox", "send 0 c0; acked 0 c0", []rule{ruleAcked}},
		{"inbox of another", "send 0 c0; acked 0 c0; gets 8 c0", []rule{ruleAcked}},
		{"inbox, arrived", "send 0 c0; acked 0 c0; gets 9 c0", nil},
		{"group, one has it", "sub 1 $share/g/a 1; sub 2 $share/g/a 1; send 0 a0; acked 0 a0; gets 2 a0", nil},
		{"group, lost", "sub 1 $share/g/a 1; sub 2 $share/g/a 1; send 0 a0; acked 0 a0", []rule{ruleAcked}},
		{"group, both have it", "sub 1 $share/g/b 2; sub 2 $share/g/b 2; send 0 b0; acked 0 b0; gets 2 b0; gets 1 b0", []rule{ruleOnce}},

		{"QoS 2 twice", "sub 1 b 2; send 0 b0; acked 0 b0; gets 1 b0; kill; gets 1 b0", []rule{ruleOnce}},
		{"QoS 2 repeated before PUBREL", "sub 1 b 2; send 0 b0; acked 0 b0; gets 1 b0; kill; has 1 b0", nil},
		{"QoS 2 to a subscription of QoS 1", "sub 1 b 1; send 0 b0; acked 0 b0; gets 1 b0; kill; gets 1 b0", nil},
		{"QoS 1 to a subscription of QoS 2", "sub 1 a 2; send 0 a0; acked 0 a0; gets 1 a0; kill; gets 1 a0", nil},
		{"nobody has sent it", "sub 1 a 1; gets 1 a0", []rule{ruleProtocol}},

		{"out of order", "sub 1 a 1; send 0 a0; send 0 a1; gets 1 a1; gets 1 a0", []rule{ruleOrder}},
		{"two behind one", "sub 1 a 1; send 0 a0; send 0 a1; send 0 a2; gets 1 a2; gets 1 a0; gets 1 a1", []rule{ruleOrder}},
		{"repeated from the first", "sub 1 a 1; send 0 a0; send 0 a1; gets 1 a0; gets 1 a1; kill; gets 1 a0; gets 1 a1", nil},
		{"a gap is closed too late", "sub 1 a 1; send 0 a0; send 0 a1; gets 1 a1; kill; send 0 a0; gets 1 a0; gets 1 a1", []rule{ruleOrder}},
		{"two topics", "sub 1 + 2; send 0 a0; send 0 b0; gets 1 b0; gets 1 a0", nil},

		{"comes again in the same round", "sub 1 a 1; send 0 a0; acked 0 a0; gets 1 a0; acks 1 a0; seen 1 a0; gets 1 a0", []rule{ruleReturned}},
		{"acknowledgement not known to be read", "sub 1 a 1; send 0 a0; acked 0 a0; gets 1 a0; acks 1 a0; gets 1 a0", nil},
		{"sent twice, comes twice", "sub 1 a 1; send 0 a0; gets 1 a0; acks 1 a0; seen 1 a0; send 0 a0; gets 1 a0", nil},
		{"sent twice, comes three times", "sub 1 a 1; send 0 a0; send 0 a0; gets 1 a0; seen 1 a0; gets 1 a0; seen 1 a0; gets 1 a0", []rule{ruleReturned}},
		{"returned from the disk", "sub 1 a 1; send 0 a0; acked 0 a0; gets 1 a0; acks 1 a0; seen 1 a0; send 0 b0; acked 0 b0; 2s; kill; gets 1 a0",
			[]rule{ruleReturned}},
		{"nothing written after it", "sub 1 a 1; send 0 a0; acked 0 a0; gets 1 a0; acks 1 a0; seen 1 a0; 2s; kill; gets 1 a0", nil},
		{"written too shortly before the kill", "sub 1 a 1; send 0 a0; acked 0 a0; gets 1 a0; seen 1 a0; 2s; send 0 b0; acked 0 b0; kill; gets 1 a0", nil},
		{"the write was sent before", "sub 1 a 1; send 0 a0; acked 0 a0; send 0 b0; gets 1 a0; acks 1 a0; seen 1 a0; acked 0 b0; 2s; kill; gets 1 a0", nil},
		{"returned two restarts later", "sub 1 a 1; send 0 a0; acked 0 a0; gets 1 a0; acks 1 a0; seen 1 a0; send 0 b0; acked 0 b0; 2s; kill; kill; gets 1 a0",
			[]rule{ruleReturned}},
		{"returned once, acknowledged in vain", "sub 1 a 1; send 0 a0; acked 0 a0; gets 1 a0; acks 1 a0; seen 1 a0; kill; gets 1 a0; acks 1 a0; kill; gets 1 a0", nil},
		{"QoS 2 to QoS 1 returned although sent twice", "sub 1 b 1; send 0 b0; send 0 b0; acked 0 b0; gets 1 b0; seen 1 b0; gets 1 b0", []rule{ruleReturned}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := play(t, tt.story)
				var got []rule
				for _, f := range l.check() {
					got = append(got, f.rule)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v:\n%s", got, tt.want, l.report(l.check()))
				}
			})
		})
	}
}

func TestMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := play(t, "sub 1 a 1; sub 2 a 1; send 0 a0; acked 0 a0; send 0 a1; acked 0 a1; gets 1 a0; send 0 a2")
		if got := l.missing(); got != 3 {
			t.Errorf("got %d missing, want 3", got)
		}
	})
}

func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := play(t, "sub 1 a 1; send 0 a0; 1500ms; kill; acked 0 a0; send 0 a1; acked 0 a1")
		l.fault(ruleSession, nil, "client %d", 3)
		got := l.report(l.check())
		for _, want := range []string{
			"rule acked: 2 fault(s)\n", "rule session: 1 fault(s)\n  at 1.500 s in round 1: client 3\n",
			"history of p0/t0/#0, topic a, QoS 1:\n        0.000 s  round 0   client 0   -> PUBLISH (Packet Identifier 7)\n" +
				"        1.500 s  SIGKILL ends round 0\n        1.500 s  round 1   client 0   <- acknowledged",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("got\n%s\nwant %q in it", got, want)
			}
		}
		if got := l.report(nil); got != "" {
			t.Errorf("got %q without faults, want nothing", got)
		}
	})
}

func TestCheckPrefix(t *testing.T) {
	for _, tt := range []struct {
		name, story string
		cut         int64
		most        int
		faults      int
		missing     int
	}{
		{"nothing is missing", "send 0 a0; acked 0 a0; send 0 a1; acked 0 a1; kill; gets 1 a0; gets 1 a1", 0, 0, 0, 0},
		{"the tail is missing", "send 0 a0; acked 0 a0; send 0 a1; acked 0 a1; kill; gets 1 a0", 100, 0, 0, 1},
		{"a hole", "send 0 a0; acked 0 a0; send 0 a1; acked 0 a1; kill; gets 1 a1", 100, 0, 1, 1},
		{"at the same time", "send 0 a0; send 0 a1; acked 0 a0; acked 0 a1; kill; gets 1 a1", 100, 0, 0, 1},
		{"a hole across topics", "send 0 b0; acked 0 b0; send 0 a1; acked 0 a1; kill; gets 1 a1", 100, 0, 1, 1},
		{"more than was cut", "send 0 a0; acked 0 a0; send 0 a1; acked 0 a1; kill; gets 1 a0", 38, 0, 1, 1},
		{"that much was cut", "send 0 a0; acked 0 a0; send 0 a1; acked 0 a1; kill; gets 1 a0", 39, 0, 0, 1},
		{"in the commit that was cut through", "send 0 a0; acked 0 a0; send 0 a1; acked 0 a1; kill; gets 1 a0", 1, 1, 0, 1},
		{"not acknowledged", "send 0 a0; kill", 0, 0, 0, 0},
		{"acknowledged after the kill", "send 0 a0; kill; send 0 a0; acked 0 a0", 0, 0, 0, 0},
		{"another round", "send 0 a0; acked 0 a0; kill; send 0 a1; acked 0 a1", 100, 0, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := play(t, "sub 1 a 1; sub 1 b 1; "+tt.story)
				faults, missing := l.checkPrefix(0, tt.cut, tt.most)
				if len(faults) != tt.faults || missing != tt.missing {
					t.Errorf("got %d faults, %d missing, want %d, %d:\n%s", len(faults), missing, tt.faults, tt.missing, l.report(faults))
				}
			})
		})
	}
}
