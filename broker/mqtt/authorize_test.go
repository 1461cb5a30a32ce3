package mqtt

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// denyBelow is an Authorizer for scripts. It keeps all but the user root from the
// topic that it is, and those below.
type denyBelow string

func (d denyBelow) OnACLCheck(a *broker.Access) broker.Decision {
	if a.User == "root" || a.Topic != string(d) && !strings.HasPrefix(a.Topic, string(d)+"/") {
		return broker.Allow
	}
	return broker.Deny
}

// recorder allows what is not to be denied, and keeps what it was asked.
type recorder struct {
	deny string // Topic

	mu    sync.Mutex
	asked []broker.Access // guarded by mu
}

func (r *recorder) OnACLCheck(a *broker.Access) broker.Decision {
	kept := *a
	kept.Topic, kept.Remote = strings.Clone(a.Topic), netip.Addr{}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, kept)
	if a.Topic == r.deny {
		return broker.Deny
	}
	return broker.Ignore
}

func (r *recorder) take() []broker.Access {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

// TestAccess sees what an Authorizer is asked, and that it is not asked about
// what is refused anyway.
func TestAccess(t *testing.T) {
	pub := func(name string, qos broker.QoS, retain bool) broker.Access {
		return broker.Access{App: "default", ClientID: "a", User: "u", Action: broker.ActionPublish, Topic: name, QoS: qos, Retain: retain}
	}
	sub := func(filter string, qos broker.QoS) broker.Access {
		return broker.Access{App: "default", ClientID: "a", User: "u", Action: broker.ActionSubscribe, Topic: filter, QoS: qos}
	}
	for _, version := range []string{"v3", "v4", "v5"} {
		t.Run(version, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, loop netloop.Config) {
				r := new(recorder)
				s := newServer(t, setup{loop: loop, mqtt: Config{Authorizer: r}})
				c := dialAs(s, version+" id=a clean username=u will=w:gone willq=1 willretain")
				for _, tt := range []struct {
					command, want string
					asked         []broker.Access
				}{
					{"", "", []broker.Access{pub("w", 1, true)}},
					{"pub t m", "PINGRESP", []broker.Access{pub("t", 0, false)}},
					{"pub t/u m q=1 id=1 retain", "PUBACK 1", []broker.Access{pub("t/u", 1, true)}},
					{"pub t m q=2 id=2", "PUBREC 2", []broker.Access{pub("t", 2, false)}},
					{"pubrel 2", "PUBCOMP 2", nil},
					{"sub id=3 a/+,1 $share/g/b/#,2 c", "SUBACK 3 01 02 00", []broker.Access{sub("a/+", 1), sub("b/#", 2), sub("c", 0)}},
					{"unsub id=4 a/+", "UNSUBACK 4", nil},
				} {
					if tt.want == "PINGRESP" {
						c.do(tt.command)
						tt.command = "ping"
					}
					if tt.command != "" {
						c.do(tt.command)
						if got := c.line(); !strings.HasPrefix(got, tt.want) {
							t.Errorf("%s: got %s, want %s", tt.command, got, tt.want)
						}
					}
					if got := r.take(); !slices.Equal(got, tt.asked) {
						t.Errorf("%s: asked %+v, want %+v", tt.command, got, tt.asked)
					}
				}
			})
		})
	}
}

// TestAccessRefusedAnyway sends what is refused whoever sends it.
func TestAccessRefusedAnyway(t *testing.T) {
	for _, tt := range []struct{ connect, command, end string }{
		{"will=$SYS/x:m", "", "CONNACK 87"},
		{"", "pub $SYS/x m", "DISCONNECT 87"},
		{"", "pub t m alias=99", "DISCONNECT 94"},
		{"", "sub id=1 ok not#ok", "DISCONNECT 8f"},
	} {
		t.Run(tt.connect+tt.command, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, loop netloop.Config) {
				r := new(recorder)
				s := newServer(t, setup{loop: loop, mqtt: Config{Authorizer: r}})
				v, b, err := encodeConnect("v5 id=a clean " + tt.connect)
				if err != nil {
					t.Fatal(err)
				}
				c := newClient(s, v)
				c.send(b)
				if tt.command != "" {
					c.expect("CONNACK 00")
					c.do(tt.command)
				}
				c.expect(tt.end, "EOF")
				if got := r.take(); len(got) > 0 {
					t.Errorf("asked %+v, want nothing", got)
				}
			})
		})
	}
}

// TestDeniedWill looks at the bytes of CONNACK, which scripts show in one way for
// all versions: v5 [MQTT-3.1.4-2], v3.1.1 [MQTT-3.2.2-4], [MQTT-3.2.2-5].
func TestDeniedWill(t *testing.T) {
	for version, want := range map[string]string{"v3": "00 05", "v4": "00 05", "v5": "00 87 00"} {
		t.Run(version, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, loop netloop.Config) {
				s := newServer(t, setup{loop: loop, mqtt: Config{Authorizer: denyBelow("secret")}})
				v, b, err := encodeConnect(version + " id=a will=secret/a:gone")
				if err != nil {
					t.Fatal(err)
				}
				c := newClient(s, v)
				c.send(b)
				if f, ok := c.wait(); !ok || f.Type != packet.TypeConnAck || !bytes.Equal(f.Body, mustRaw(want)) {
					t.Errorf("got %v % x, want CONNACK %s", f.Type, f.Body, want)
				}
				c.expect("EOF")
				if st := s.broker.Stats(); st.Sessions != 0 {
					t.Errorf("%d Sessions, want none", st.Sessions)
				}
			})
		})
	}
}

// TestAccessOfAssigned has clients without a Client Identifier and User Name of their
// own. The Authorizer is asked about those that the server has assigned.
func TestAccessOfAssigned(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		r := new(recorder)
		s := newServer(t, setup{loop: loop, mqtt: Config{Authorizer: r}})
		c := dialAs(s, "v5 clean will=w:gone")
		c.do("sub id=1 t", "SUBACK 1 00")
		got := r.take()
		if len(got) != 2 || got[0].ClientID != got[1].ClientID || !strings.HasPrefix(got[0].ClientID, "auto-") || got[0].User != "" {
			t.Errorf("asked %+v, want twice about one assigned Client Identifier", got)
		}
	})
}

// TestDeniedRepeat has an Authorizer change its mind between a QoS 2 PUBLISH and
// its repetition. The exchange ends, so that the Packet Identifier and the
// place in the Receive Maximum are free: v5 [MQTT-4.3.3-9].
func TestDeniedRepeat(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		r := new(recorder)
		s := newServer(t, setup{loop: loop, mqtt: Config{Authorizer: r, ReceiveMaximum: 1}})
		sub := dialAs(s, "v5 id=s clean")
		sub.do("sub id=1 #", "SUBACK 1 00")
		c := dialAs(s, "v5 id=a expiry=100")
		c.do("pub t m1 q=2 id=1", "PUBREC 1")
		r.mu.Lock()
		r.deny = "t"
		r.mu.Unlock()
		c.do("disconnect 04", "EOF")
		c = dialAs(s, "v5 id=a expiry=100")
		c.do("pub t m1 q=2 id=1 dup", "PUBREC 1 87")
		c.do("pub u m2 q=2 id=1", "PUBREC 1")
		c.do("pubrel 1", "PUBCOMP 1")
		c.do("pub u m3 q=2 id=2", "PUBREC 2")
		sub.expect("PUBLISH t m1 q=0", "PUBLISH u m2 q=0", "PUBLISH u m3 q=0")
		if got := s.mqtt.Stats().Denied; got != 1 {
			t.Errorf("counted %d denied, want 1", got)
		}
	})
}
