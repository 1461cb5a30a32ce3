package bench

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// TestAccounting checks that a broker which does wrong is told from one that
// does not.
func TestAccounting(t *testing.T) {
	type numbers struct{ received, lost, duplicates, outOfOrder, refused, unacked uint64 }
	every := func(n int, f fate) func(int) fate {
		return func(i int) fate {
			if i%n == 1 {
				return f
			}
			return fate{copies: 1}
		}
	}
	for _, tt := range []struct {
		name    string
		version packet.Version
		fate    func(int) fate
		want    numbers
	}{
		{"right", packet.V311, nil, numbers{received: 1000}},
		{"acknowledges and drops", packet.V311, every(10, fate{}), numbers{received: 900, lost: 100}},
		{"drops unacknowledged", packet.V311, every(1000, fate{noAck: true}), numbers{received: 999, unacked: 1}},
		{"delivers unacknowledged", packet.V311, every(1000, fate{copies: 1, noAck: true}), numbers{received: 1000, unacked: 1}},
		{"loses one and delivers another unacknowledged", packet.V311, func(n int) fate {
			return map[int]fate{500: {}, 1000: {copies: 1, noAck: true}}[n].or(n != 500 && n != 1000)
		}, numbers{received: 999, lost: 1, unacked: 1}},
		{"duplicates", packet.V311, every(4, fate{copies: 2}), numbers{received: 1000, duplicates: 250}},
		{"reorders", packet.V311, every(5, fate{later: true}), numbers{received: 1000, outOfOrder: 200}},
		{"refuses", packet.V5, every(20, fate{reason: packet.QuotaExceeded}), numbers{received: 950, refused: 50}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{fate: tt.fate}
			o := small(FanIn, f.start(t, "tcp", "127.0.0.1:0"))
			o.Version, o.Publishers, o.Drain = tt.version, 1, 100*time.Millisecond
			r, err := Run(t.Context(), o, nil)
			if err != nil {
				t.Fatal(err)
			}
			s := r.Messages
			got := numbers{s.Received, s.Lost, s.Duplicates, s.OutOfOrder, s.Refused, s.Unacknowledged}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// or returns the right fate if it is asked for.
func (f fate) or(right bool) fate {
	if right {
		return fate{copies: 1}
	}
	return f
}

// TestLossWithoutAck checks that modes with QoS 0 windows go on behind a broker
// that drops, and say what is missing.
func TestLossWithoutAck(t *testing.T) {
	for _, m := range []Mode{P2P, FanOut} {
		t.Run(string(m), func(t *testing.T) {
			f := &fake{fate: func(n int) fate {
				if n > 20 && n <= 100 { // more than any window here
					return fate{}
				}
				return fate{copies: 1}
			}}
			o := small(m, f.start(t, "tcp", "127.0.0.1:0"))
			o.QoS, o.Pairs, o.Subscribers, o.Window = 0, 1, 1, 40
			o.Stall, o.Duration = 50*time.Millisecond, time.Second
			r, err := Run(t.Context(), o, nil)
			if err != nil {
				t.Fatal(err)
			}
			if s := r.Messages; s.Lost != 80 || s.Stalls < 2 || s.Received+80 != s.Published {
				t.Errorf("got %+v, want 80 lost", *s)
			}
		})
	}
}

func TestFaultsEndTheRun(t *testing.T) {
	for _, tt := range []struct {
		name string
		fake *fake
		is   error
		want string
	}{
		{"CONNACK refuses", &fake{connAck: packet.ConnAck{Reason: packet.NotAuthorized}}, ErrRefused, "broker refused CONNECT: "},
		{"SUBACK refuses", &fake{granted: packet.UnspecifiedError}, ErrRefused, "broker refused SUBSCRIBE"},
		{"connection ends", &fake{after: func(_ *fake, c net.Conn, n int) {
			if n == 50 {
				c.Close()
			}
		}}, ErrConnectionLost, "connection lost"},
		{"unexpected packet", &fake{after: func(_ *fake, c net.Conn, n int) {
			if n == 50 {
				_, _ = c.Write([]byte{0xB0, 2, 0, 1})
			}
		}}, ErrUnexpected, "unexpected packet: UNSUBACK"},
		{"unknown PUBACK", &fake{after: func(_ *fake, c net.Conn, n int) {
			if n == 50 {
				_, _ = c.Write([]byte{0x40, 2, 0xFF, 0})
			}
		}}, ErrUnexpected, "PUBACK for Packet Identifier 65280"},
		{"malformed", &fake{after: func(_ *fake, c net.Conn, n int) {
			if n == 50 {
				_, _ = c.Write([]byte{0x40, 1, 0})
			}
		}}, ErrConnectionLost, "read PUBACK"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := small(P2P, tt.fake.start(t, "tcp", "127.0.0.1:0"))
			o.Duration = time.Minute
			_, err := Run(t.Context(), o, nil)
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %v with %q", err, tt.is, tt.want)
			}
		})
	}
}

func TestForeignMessage(t *testing.T) {
	var f fake
	f.after = func(f *fake, _ net.Conn, n int) {
		if n != 50 {
			return
		}
		for topic := range f.subs {
			f.deliver(topic, 1, []byte("not from the generator"))
		}
	}
	o := small(P2P, f.start(t, "tcp", "127.0.0.1:0"))
	if _, err := Run(t.Context(), o, nil); !errors.Is(err, ErrUnexpected) {
		t.Errorf("got %v, want %v", err, ErrUnexpected)
	}
}

func TestNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "mqtt://" + ln.Addr().String()
	ln.Close()
	r, err := Run(t.Context(), small(Conn, url), nil)
	if !errors.Is(err, ErrConnections) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want %v and the reason", err, ErrConnections)
	}
	if r == nil || r.Connections.Failed != 20 || r.Connections.PerSecond != 0 {
		t.Errorf("got %+v, want 20 failed connections", r)
	}
	if _, err := Run(t.Context(), small(P2P, url), nil); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want the reason", err)
	}
}

func TestSilentBroker(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // its backlog takes connections that nobody serves
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	o := small(P2P, "mqtt://"+ln.Addr().String())
	o.ConnectTimeout = 100 * time.Millisecond
	if _, err := Run(t.Context(), o, nil); !errors.Is(err, ErrStalled) {
		t.Errorf("got %v, want %v", err, ErrStalled)
	}
}
