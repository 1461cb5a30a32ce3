package mqtt

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/internal/wiretest"
)

// badPacket is what a connected client must not send. The answer is "" where
// the connection is closed without one.
type badPacket struct {
	name   string
	bytes  string
	answer string
}

// badV5 are packets that close an MQTT 5 connection with DISCONNECT.
var badV5 = []badPacket{
	{"reserved type", `00 00`, "DISCONNECT 81"},
	{"second CONNECT", `10 0e 00 04 "MQTT" 05 02 00 3c 00 00 01 "x"`, "DISCONNECT 82"}, // v5 [MQTT-3.1.0-2]
	{"CONNACK", `20 03 00 00 00`, "DISCONNECT 82"},
	{"SUBACK", `90 04 00 01 00 00`, "DISCONNECT 82"},
	{"UNSUBACK", `b0 04 00 01 00 00`, "DISCONNECT 82"},
	{"PINGRESP", `d0 00`, "DISCONNECT 82"},
	{"AUTH without a method", `f0 02 18 00`, "DISCONNECT 82"},

	// v5 [MQTT-2.1.3-1]
	{"flags of PUBACK", `41 02 00 01`, "DISCONNECT 81"},
	{"flags of PUBREC", `52 02 00 01`, "DISCONNECT 81"},
	{"flags of PUBREL", `60 02 00 01`, "DISCONNECT 81"},
	{"flags of PUBCOMP", `78 02 00 01`, "DISCONNECT 81"},
	{"flags of SUBSCRIBE", `80 07 00 01 00 00 01 "t" 00`, "DISCONNECT 81"},
	{"flags of UNSUBSCRIBE", `a3 06 00 01 00 00 01 "t"`, "DISCONNECT 81"},
	{"flags of PINGREQ", `c1 00`, "DISCONNECT 81"},
	{"flags of DISCONNECT", `e8 00`, "DISCONNECT 81"}, // v5 [MQTT-3.14.1-1]
	{"flags of AUTH", `f2 00`, "DISCONNECT 81"},
	{"DUP in PUBREL", `6a 02 00 01`, "DISCONNECT 81"},

	{"Remaining Length of five bytes", `30 80 80 80 80 01`, "DISCONNECT 81"},
	{"Remaining Length not in shortest form", `c0 80 00`, "DISCONNECT 81"},
	{"packet of 268,435,455 bytes", `30 ff ff ff 7f`, "DISCONNECT 95"}, // v5 [MQTT-3.2.2-15]
	{"PINGREQ with a body", `c0 01 00`, "DISCONNECT 81"},

	{"QoS 3", `36 06 00 01 "t" 00 01 00`, "DISCONNECT 81"},               // v5 [MQTT-3.3.1-4]
	{"DUP with QoS 0", `38 04 00 01 "t" 00`, "DISCONNECT 81"},            // v5 [MQTT-3.3.1-2]
	{"Packet Identifier 0", `32 06 00 01 "t" 00 00 00`, "DISCONNECT 82"}, // v5 [MQTT-2.2.1-3]
	{"no Packet Identifier", `32 03 00 01 "t"`, "DISCONNECT 81"},
	{"PUBLISH without a body", `30 00`, "DISCONNECT 81"},
	{"Topic Name beyond the packet", `30 04 00 05 "t" 00`, "DISCONNECT 81"},
	{"no Topic Name and no alias", `30 03 00 00 00`, "DISCONNECT 82"},                      // v5 3.3.2.1
	{"wildcard in Topic Name", `30 06 00 03 "t/+" 00`, "DISCONNECT 90"},                    // v5 [MQTT-3.3.2-2], [MQTT-4.7.0-1]
	{"wildcard # in Topic Name", `30 04 00 01 "#" 00`, "DISCONNECT 90"},                    // v5 [MQTT-3.3.2-2]
	{"Topic Name not UTF-8", `30 05 00 02 c3 28 00`, "DISCONNECT 81"},                      // v5 [MQTT-1.5.4-1]
	{"surrogate in Topic Name", `30 06 00 03 ed a0 80 00`, "DISCONNECT 81"},                // v5 [MQTT-1.5.4-1]
	{"overlong UTF-8 in Topic Name", `30 05 00 02 c0 af 00`, "DISCONNECT 81"},              // v5 [MQTT-1.5.4-1]
	{"U+0000 in Topic Name", `30 06 00 03 "a" 00 "b" 00`, "DISCONNECT 81"},                 // v5 [MQTT-1.5.4-2]
	{"Topic Alias 0", `30 07 00 01 "t" 03 23 00 00`, "DISCONNECT 94"},                      // v5 [MQTT-3.3.2-8]
	{"Topic Alias above the maximum", `30 07 00 01 "t" 03 23 00 41`, "DISCONNECT 94"},      // v5 [MQTT-3.3.2-9]
	{"Topic Alias unknown", `30 06 00 00 03 23 00 01`, "DISCONNECT 82"},                    // v5 3.3.4
	{"Topic Alias twice", `30 0a 00 01 "t" 06 23 00 01 23 00 01`, "DISCONNECT 82"},         // v5 3.3.2.3.4
	{"Payload Format 2", `30 06 00 01 "t" 02 01 02`, "DISCONNECT 82"},                      //
	{"Subscription Identifier", `30 06 00 01 "t" 02 0b 01`, "DISCONNECT 82"},               // v5 [MQTT-3.3.4-6]
	{"Response Topic with a wildcard", `30 08 00 01 "t" 04 08 00 01 "+"`, "DISCONNECT 82"}, // v5 [MQTT-3.3.2-14]
	{"property of CONNECT in PUBLISH", `30 07 00 01 "t" 03 21 00 01`, "DISCONNECT 81"},
	{"unknown property", `30 06 00 01 "t" 02 7e 01`, "DISCONNECT 81"},
	{"properties beyond the packet", `30 05 00 01 "t" 05 01`, "DISCONNECT 81"},
	{"property cut off", `30 06 00 01 "t" 02 02 00`, "DISCONNECT 81"},
	{"user property not UTF-8", `30 0a 00 01 "t" 06 26 00 01 ff 00 00`, "DISCONNECT 81"},
	{"$SYS", `30 0a 00 07 "$SYS/my" 00`, "DISCONNECT 87"},

	{"PUBACK with Packet Identifier 0", `40 02 00 00`, "DISCONNECT 82"},
	{"PUBACK cut off", `40 01 00`, "DISCONNECT 81"},
	{"PUBACK with an unknown Reason Code", `40 03 00 01 01`, "DISCONNECT 82"}, // v5 [MQTT-3.4.2-1]
	{"PUBACK with a foreign property", `40 07 00 01 00 03 23 00 01`, "DISCONNECT 81"},
	{"PUBREL with trailing bytes", `62 05 00 01 00 00 00`, "DISCONNECT 81"},

	{"SUBSCRIBE with Packet Identifier 0", `82 07 00 00 00 00 01 "t" 00`, "DISCONNECT 82"},
	{"SUBSCRIBE without filters", `82 03 00 01 00`, "DISCONNECT 82"}, // v5 [MQTT-3.8.3-2]
	{"SUBSCRIBE without options", `82 06 00 01 00 00 01 "t"`, "DISCONNECT 81"},
	{"Subscription Options QoS 3", `82 07 00 01 00 00 01 "t" 03`, "DISCONNECT 82"},
	{"Subscription Options reserved bits", `82 07 00 01 00 00 01 "t" 40`, "DISCONNECT 81"}, // v5 [MQTT-3.8.3-5]
	{"Retain Handling 3", `82 07 00 01 00 00 01 "t" 30`, "DISCONNECT 82"},
	{"No Local on a share", `82 10 00 01 00 00 0a "$share/g/t" 04`, "DISCONNECT 82"}, // v5 [MQTT-3.8.3-4]
	{"Subscription Identifier 0", `82 09 00 01 02 0b 00 00 01 "t" 00`, "DISCONNECT 82"},
	{"Subscription Identifier twice", `82 0b 00 01 04 0b 01 0b 02 00 01 "t" 00`, "DISCONNECT 82"},
	{"property of PUBLISH in SUBSCRIBE", `82 0a 00 01 03 23 00 01 00 01 "t" 00`, "DISCONNECT 81"},
	{"empty filter", `82 06 00 01 00 00 00 00`, "DISCONNECT 81"}, // v5 [MQTT-4.7.3-1]
	{"filter a#", `82 08 00 01 00 00 02 "a#" 00`, "DISCONNECT 8f"},
	{"filter #/a", `82 09 00 01 00 00 03 "#/a" 00`, "DISCONNECT 8f"},   // v5 [MQTT-4.7.1-1]
	{"filter a+/b", `82 0a 00 01 00 00 04 "a+/b" 00`, "DISCONNECT 8f"}, // v5 [MQTT-4.7.1-2]
	{"filter $share/g", `82 0e 00 01 00 00 08 "$share/g" 00`, "DISCONNECT 8f"},
	{"filter $share//t", `82 0f 00 01 00 00 09 "$share//t" 00`, "DISCONNECT 8f"},
	{"filter $share/+/t", `82 10 00 01 00 00 0a "$share/+/t" 00`, "DISCONNECT 8f"}, // v5 [MQTT-4.8.2-2]
	{"filter not UTF-8", `82 07 00 01 00 00 01 ff 00`, "DISCONNECT 81"},

	{"UNSUBSCRIBE with Packet Identifier 0", `a2 06 00 00 00 00 01 "t"`, "DISCONNECT 82"},
	{"UNSUBSCRIBE without filters", `a2 03 00 01 00`, "DISCONNECT 82"}, // v5 [MQTT-3.10.3-2]
	{"UNSUBSCRIBE a bad filter", `a2 07 00 01 00 00 02 "a#"`, "DISCONNECT 8f"},

	{"DISCONNECT with a server's Reason Code", `e0 01 8b`, "DISCONNECT 82"},
	{"DISCONNECT with a Server Reference", `e0 06 00 04 1c 00 01 "x"`, "DISCONNECT 82"},
	{"DISCONNECT with trailing bytes", `e0 03 00 00 00`, "DISCONNECT 81"},
	{"DISCONNECT raises the session expiry", `e0 07 00 05 11 00 00 00 01`, "DISCONNECT 82"},
}

// badV3 are packets that close an MQTT 3.1.1 connection.
var badV3 = []badPacket{
	{"reserved type 0", `00 00`, ""},
	{"reserved type 15", `f0 00`, ""},
	{"second CONNECT", `10 0d 00 04 "MQTT" 04 02 00 3c 00 01 "x"`, ""}, // v3.1.1 [MQTT-3.1.0-2]
	{"CONNACK", `20 02 00 00`, ""},
	{"SUBACK", `90 03 00 01 00`, ""},
	{"UNSUBACK", `b0 02 00 01`, ""},
	{"PINGRESP", `d0 00`, ""},
	// v3.1.1 [MQTT-2.2.2-2]
	{"flags of PUBACK", `41 02 00 01`, ""},
	{"flags of PUBREL", `60 02 00 01`, ""},
	{"flags of SUBSCRIBE", `80 06 00 01 00 01 "t" 00`, ""},
	{"flags of UNSUBSCRIBE", `a0 05 00 01 00 01 "t"`, ""},
	{"flags of PINGREQ", `c1 00`, ""},
	{"flags of DISCONNECT", `e1 00`, ""},
	{"DUP in SUBSCRIBE", `8a 06 00 01 00 01 "t" 00`, ""},
	{"Remaining Length of five bytes", `30 80 80 80 80 01`, ""},
	{"packet of 268,435,455 bytes", `30 ff ff ff 7f`, ""},
	{"PINGREQ with a body", `c0 01 00`, ""},
	{"QoS 3", `36 05 00 01 "t" 00 01`, ""},                                 // v3.1.1 [MQTT-3.3.1-4]
	{"DUP with QoS 0", `38 03 00 01 "t"`, ""},                              // v3.1.1 [MQTT-3.3.1-2]
	{"Packet Identifier 0", `32 05 00 01 "t" 00 00`, ""},                   // v3.1.1 [MQTT-2.3.1-1]
	{"no Topic Name", `30 02 00 00`, ""},                                   // v3.1.1 [MQTT-4.7.3-1]
	{"wildcard in Topic Name", `30 05 00 03 "t/+"`, ""},                    // v3.1.1 [MQTT-3.3.2-2], [MQTT-4.7.1-1]
	{"Topic Name not UTF-8", `30 04 00 02 c3 28`, ""},                      // v3.1.1 [MQTT-1.5.3-1]
	{"U+0000 in Topic Name", `30 05 00 03 "a" 00 "b"`, ""},                 // v3.1.1 [MQTT-1.5.3-2]
	{"$SYS", `30 09 00 07 "$SYS/my"`, ""},                                  //
	{"PUBACK with a Reason Code", `40 03 00 01 00`, ""},                    //
	{"PUBACK with Packet Identifier 0", `40 02 00 00`, ""},                 //
	{"SUBSCRIBE without filters", `82 02 00 01`, ""},                       // v3.1.1 [MQTT-3.8.3-3]
	{"SUBSCRIBE with Packet Identifier 0", `82 06 00 00 00 01 "t" 00`, ""}, // v3.1.1 [MQTT-2.3.1-1]
	{"SUBSCRIBE with QoS 3", `82 06 00 01 00 01 "t" 03`, ""},               // v3.1.1 [MQTT-3-8.3-4]
	{"SUBSCRIBE with reserved bits", `82 06 00 01 00 01 "t" 04`, ""},       // v3.1.1 [MQTT-3-8.3-4]
	{"filter #/a", `82 08 00 01 00 03 "#/a" 00`, ""},                       // v3.1.1 [MQTT-4.7.1-2]
	{"UNSUBSCRIBE without filters", `a2 02 00 01`, ""},                     // v3.1.1 [MQTT-3.10.3-2]
	{"DISCONNECT with a body", `e0 01 00`, ""},                             // v3.1.1 [MQTT-3.14.1-1]
}

// badConnect is what must not come first.
var badConnect = []badPacket{
	// v5 [MQTT-3.1.0-1], v3.1.1 [MQTT-3.1.0-1]
	{"PINGREQ", `c0 00`, ""},
	{"PUBLISH", `30 04 00 01 "t" 00`, ""},
	{"SUBSCRIBE", `82 07 00 01 00 00 01 "t" 00`, ""},
	{"DISCONNECT", `e0 00`, ""},
	{"AUTH", `f0 00`, ""},
	{"HTTP", `"GET / HTTP/1.1" 0d 0a 0d 0a`, ""},
	{"TLS", `16 03 01 00 05 01 00 00 01 00`, ""},
	{"CONNECT with flags", `11 0e 00 04 "MQTT" 05 02 00 3c 00 00 01 "x"`, ""},
	{"CONNECT of more than 64 KiB", `10 fd ff 03`, ""},
	{"CONNECT of 268,435,455 bytes", `10 ff ff ff 7f`, ""},
	{"CONNECT without a body", `10 00`, ""},
	{"another protocol", `10 0e 00 04 "MQTX" 05 02 00 3c 00 00 01 "x"`, ""},
	{"another level", `10 0e 00 04 "MQTT" 09 02 00 3c 00 00 01 "x"`, "CONNACK 84"}, // v5 [MQTT-3.1.2-2]
	{"reserved flag", `10 0e 00 04 "MQTT" 05 03 00 3c 00 00 01 "x"`, "CONNACK 81"}, // v5 [MQTT-3.1.2-3]
	{"Will QoS without Will", `10 0e 00 04 "MQTT" 05 0a 00 3c 00 00 01 "x"`, "CONNACK 81"},
	{"Will Retain without Will", `10 0e 00 04 "MQTT" 05 22 00 3c 00 00 01 "x"`, "CONNACK 81"},
	{"Will QoS 3", `10 15 00 04 "MQTT" 05 1e 00 3c 00 00 01 "x" 00 00 01 "w" 00 01 "m"`, "CONNACK 81"}, // v5 [MQTT-3.1.2-12]
	{"Will Topic with a wildcard", `10 15 00 04 "MQTT" 05 06 00 3c 00 00 01 "x" 00 00 01 "#" 00 01 "m"`, "CONNACK 90"},
	{"Will cut off", `10 0e 00 04 "MQTT" 05 06 00 3c 00 00 01 "x"`, "CONNACK 81"},
	{"user name cut off", `10 0e 00 04 "MQTT" 05 82 00 3c 00 00 01 "x"`, "CONNACK 81"}, // v5 [MQTT-3.1.4-1]
	{"trailing bytes", `10 0f 00 04 "MQTT" 05 02 00 3c 00 00 01 "x" 00`, "CONNACK 81"},
	{"Client Identifier not UTF-8", `10 0e 00 04 "MQTT" 05 02 00 3c 00 00 01 ff`, "CONNACK 81"}, // v5 [MQTT-3.1.3-8]
	{"U+0000 in Client Identifier", `10 0e 00 04 "MQTT" 05 02 00 3c 00 00 01 00`, "CONNACK 81"},
	{"Receive Maximum 0", `10 11 00 04 "MQTT" 05 02 00 3c 03 21 00 00 00 01 "x"`, "CONNACK 82"},
	{"Maximum Packet Size 0", `10 13 00 04 "MQTT" 05 02 00 3c 05 27 00 00 00 00 00 01 "x"`, "CONNACK 82"},
	{"Request Problem Information 2", `10 10 00 04 "MQTT" 05 02 00 3c 02 17 02 00 01 "x"`, "CONNACK 82"},
	{"Authentication Data without a method", `10 12 00 04 "MQTT" 05 02 00 3c 04 16 00 01 "d" 00 01 "x"`, "CONNACK 82"},
	{"property twice", `10 14 00 04 "MQTT" 05 02 00 3c 06 21 00 01 21 00 01 00 01 "x"`, "CONNACK 82"},
	{"property of PUBLISH", `10 11 00 04 "MQTT" 05 02 00 3c 03 23 00 01 00 01 "x"`, "CONNACK 81"},
}

// TestBadInput sends what is malformed or forbidden. The connection is closed, with
// the Reason Code where one may be sent, and other clients notice nothing:
// v5 [MQTT-4.13.1-1], v3.1.1 [MQTT-4.8.0-1].
func TestBadInput(t *testing.T) {
	for _, group := range []struct {
		name    string
		connect string // "" where the packet comes first
		version packet.Version
		packets []badPacket
	}{
		{"v5", "v5 id=bad clean", packet.V5, badV5},
		{"v3", "v4 id=bad clean", packet.V311, badV3},
		{"first", "", packet.V5, badConnect},
	} {
		t.Run(group.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, loop netloop.Config) {
				s := newServer(t, setup{loop: loop})
				other := dialAs(s, "v5 id=other clean")
				other.do("sub id=1 other,1", "SUBACK 1 01")
				for _, p := range group.packets {
					c := newClient(s, group.version)
					if group.connect != "" {
						c = dialAs(s, group.connect)
					}
					c.send(mustRaw(p.bytes))
					got := c.line()
					if p.answer != "" {
						if got != p.answer {
							t.Errorf("%s: got %s, want %s", p.name, got, p.answer)
						}
						if got == "EOF" {
							continue
						}
						got = c.line()
					}
					if got != "EOF" {
						t.Errorf("%s: got %s, want the connection's end", p.name, got)
					}
				}
				// The other client has not noticed anything.
				other.send(mustRaw(`32 0e 00 05 "other" 00 07 00 "here"`))
				got := []string{other.line(), other.line()}
				if want := "PUBACK 7 PUBLISH other here q=1 id=1"; got[0]+" "+got[1] != want && got[1]+" "+got[0] != want {
					t.Errorf("the other client got %q, want %s", got, want)
				}
				if got := s.mqtt.Stats().Malformed; got < uint64(len(group.packets)) {
					t.Errorf("counted %d malformed packets, want at least %d", got, len(group.packets))
				}
			})
		})
	}
}

// TestTruncated sends every beginning of a packet, with a Remaining Length that
// fits. Each is refused or, as a PUBLISH with a shorter payload, legal.
func TestTruncated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, setup{loop: netloop.Config{Portable: true}})
		for _, command := range []string{
			"pub topic m q=1 id=1 user=a:b type=x response=y correlation=z expiry=1 utf8",
			"sub id=1 sid=5 a/b,1 c,2,nl,rap",
			"unsub id=1 a/b c",
			"disconnect 04 expiry=0",
		} {
			for _, connect := range []string{"v5 id=a clean", "v4 id=a clean"} {
				v, _, _ := encodeConnect(connect)
				whole, err := encode(command, v)
				if err != nil {
					t.Fatal(err)
				}
				for n := range len(whole) - 2 {
					c := dialAs(s, connect)
					cut := append([]byte{whole[0], byte(n)}, whole[2:2+n]...)
					c.send(append(cut, 0xc0, 0)) // a PINGREQ, should what is left be legal
					if line := c.line(); strings.HasPrefix(line, "broken") {
						t.Errorf("%s, %d bytes of %s: got %s", connect, n, command, line)
					}
					c.nc.Close()
				}
			}
		}
	})
}

// TestClaims holds 200 connections that announce the largest packet there is.
// They must cost what has arrived, and not what was announced.
func TestClaims(t *testing.T) {
	const clients, budget = 200, 16 << 20
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, setup{loop: netloop.Config{Portable: true}, mqtt: Config{MaxPacketSize: packet.MaxPacketSize}})
		var cs []*client
		for range clients {
			cs = append(cs, dialAs(s, "v5 clean"))
		}
		synctest.Wait()
		before := wiretest.LiveHeap()
		for _, c := range cs {
			c.send(mustRaw(`30 ff ff ff 7f 00 01 "t" 00 "payload"`))
		}
		synctest.Wait()
		if grown := wiretest.LiveHeap() - before; grown > budget {
			t.Errorf("%d claims of 256 MiB cost %d bytes, want at most %d", clients, grown, budget)
		}
		if got := s.broker.Stats().Connected; got != clients {
			t.Errorf("%d clients are connected, want %d", got, clients)
		}
	})
}

// TestSlowSenders sends a CONNECT of nearly 64 KiB and a large PUBLISH one byte
// at a time.
func TestSlowSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, setup{loop: netloop.Config{Portable: true}})
		other := dialAs(s, "v4 id=other clean")
		_, connect, err := encodeConnect("v5 id=a clean username=" + strings.Repeat("u", 65000))
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(s, packet.V5)
		for i := range connect {
			c.send(connect[i : i+1])
		}
		c.expect("CONNACK 00")
		c.do("sub id=1 t", "SUBACK 1 00")
		publish, err := encode("pub t x*50000", packet.V5)
		if err != nil {
			t.Fatal(err)
		}
		for i := range publish {
			c.send(publish[i : i+1])
		}
		c.expect("PUBLISH t x*50000 q=0")
		other.do("ping", "PINGRESP")
	})
}
