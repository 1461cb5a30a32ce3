package mqtt

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/hooks/acl"
)

// permissionRoles are the columns of the tables below: who connects.
var permissionRoles = []string{
	"id=x",                        // anonymous
	"id=d1 username=device",       // a device
	"id=d1 username=meter",        // one of another App, with the same Client Identifier
	"id=back username=admin",      // who may nearly everything
	"id=j username=token",         // a device with rights of its own, by a token
	"id=j username=nothing-token", // one whose token permits nothing
	"id=c username=certificate",   // who is device d1 by its certificate, whatever it calls itself
	"id=s username=service",       // one of App meters, of which a web service has said what it may subscribe to
}

// permissionIdentity finds out who they are.
func permissionIdentity(_ context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	id := &broker.Identity{User: r.User}
	var err error
	switch r.User {
	case "meter":
		id.App, id.User = "meters", "device"
	case "token":
		id.Permissions, err = acl.NewGrant([]string{"d/%c/#"}, nil)
	case "certificate":
		id.User, id.ClientID = "device", "d1"
	case "service":
		id.App = "meters"
		id.Permissions, err = acl.NewGrant(nil, []string{"d/%c/#", "inbox/%c"})
	case "nothing-token":
		id.Permissions, err = acl.NewGrant([]string{}, []string{})
	}
	return broker.Allow, id, err
}

const permissionRules = `
default: deny
rules:
  - {permit: allow, users: [admin]}
  - {permit: allow, users: [device], action: publish, topics: ["d/%c/#"], retain: false, max_qos: 1}
  - {permit: allow, users: [device, token], action: subscribe, topics: ["d/%c/#", "inbox/%c", "broadcast/%a"]}
  - {permit: allow, users: [device], topics: [group/team]}
  - {permit: allow, action: subscribe, topics: ["public/#"]}
`

// permission is a row: what a client does, and for each role y (it may), n (it is denied) or x (it is disconnected).
type permission struct{ what, want string }

// TestPermissions has each role do everything, in each version, asked once and again: over the wire, by rules from a file, by
// those of a node without one, and by tokens.
func TestPermissions(t *testing.T) {
	rules, err := acl.Parse(strings.NewReader(permissionRules))
	if err != nil {
		t.Fatal(err)
	}
	for name, table := range map[string]struct {
		all  broker.Authorizer
		rows []permission
	}{
		"rules": {rules, []permission{
			{"pub d/d1/up 0", "nyyynnyn"},
			{"pub d/d1/up 1", "nyyynnyn"},
			{"pub d/d1/up 2", "nnnynnnn"},
			{"pub d/j/up 2", "nnnyynnn"},
			{"retain d/d1/up 1", "nnnynnnn"},
			{"retain d/j/up 1", "nnnyynnn"},
			{"will d/d1/up 1", "nyyynnyn"},
			{"will d/j/up 1", "nnnyynnn"},
			{"sub d/d1/# 1", "nyyynnyn"},
			{"sub d/j/# 1", "nnnyynnn"},
			{"sub $share/g/d/d1/# 1", "nyyynnyn"},
			{"sub # 0", "nnnynnnn"},
			{"sub public/+ 0", "yyyyynyn"},
			{"sub $share/g/public/+ 0", "yyyyynyn"},
			{"pub public/a 0", "nnnynnnn"},
			{"pub inbox/d1 1", "nnnynnnn"},
			{"pub inbox/j 1", "nnnynnnn"},
			{"sub inbox/d1 1", "nyynnnyn"}, // not even admin: the broker itself keeps others out
			{"sub inbox/j 1", "nnnnynnn"},
			{"sub inbox/+ 1", "nnnnnnnn"},
			{"sub $share/g/inbox/d1 1", "nnnnnnnn"},
			{"pub group/team 1", "nyyynnyn"},
			{"sub group/team 1", "nyyynnyn"},
			{"pub broadcast/default 1", "nnnynnnn"},
			{"sub broadcast/default 1", "nynyynyn"},
			{"sub broadcast/meters 1", "nnyynnnn"},
			{"sub $SYS/# 0", "nnnynnnn"},
			{"pub $SYS/x 1", "xxxxxxxx"},
			{"sub d/s/# 1", "nnnynnny"},
			{"read public/+ 0", "yyyyynyn"}, // what is retained there
			{"read public/# 0", "yyyyynyn"},
			{"unsub d/d1/# 0", "yyyyyyyy"}, // nobody is asked
			{"unsub inbox/d1 0", "yyyyyyyy"},
		}},
		"builtin": {acl.Builtin("admin"), []permission{
			{"pub a 0", "yyyynnyy"},
			{"pub d/j/up 1", "yyyyynyy"},
			{"pub a 2", "yyyynnyy"},
			{"retain a 1", "yyyynnyy"},
			{"will a 1", "yyyynnyy"},
			{"sub a/# 1", "yyyyynyn"},
			{"sub $share/g/a 1", "yyyyynyn"},
			{"pub inbox/d1 1", "nyynnnyn"},
			{"sub inbox/d1 1", "nyynnnyn"},
			{"sub inbox/j 1", "nnnnynnn"},
			{"sub inbox/+ 1", "nnnnnnnn"},
			{"pub group/team 1", "yyyynnyy"},
			{"sub broadcast/default 1", "yyyyynyn"},
			{"sub $SYS/# 0", "nnnynnnn"},
			{"pub $SYS/x 1", "xxxxxxxx"},
			{"sub d/s/# 1", "yyyyynyy"},
			{"read public/+ 0", "yyyyynyn"},
			{"unsub a 0", "yyyyyyyy"},
		}},
	} {
		for _, version := range []string{"v4", "v5"} {
			t.Run(name+version, func(t *testing.T) {
				s := newServer(t, setup{loop: netloop.Config{Loops: 1}, mqtt: Config{
					Authenticator: authenticator(permissionIdentity), Authorizer: table.all,
				}})
				for _, app := range []string{broker.DefaultApp, "meters"} { // for those who read it
					m := &broker.Message{TopicName: "public/a", Payload: []byte("kept"), Retain: true}
					if got := s.broker.Publish(s.broker.NewScratch(nil), &broker.Publish{App: s.broker.App(app), Message: m}); !got.OK() {
						t.Fatalf("got %v, want the message retained", got)
					}
				}
				for _, row := range table.rows {
					for i, role := range permissionRoles {
						if got := attempt(s, version, role, row.what); got != row.want[i] {
							t.Errorf("%s, %s: got %c, want %c", role, row.what, got, row.want[i])
						}
					}
				}
			})
		}
	}
}

// attempt has a client do something twice, and tells whether it may.
func attempt(s *testServer, version, role, what string) byte {
	s.t.Helper()
	f := strings.Fields(what)
	verb, name, qos := f[0], f[1], f[2]
	connect := version + " clean " + role
	if verb == "will" {
		v, b, err := encodeConnect(fmt.Sprintf("%s will=%s:gone willq=%s", connect, name, qos))
		if err != nil {
			s.t.Fatal(err)
		}
		c := newClient(s, v)
		c.send(b)
		f, ok := c.wait()
		if !ok || f.Type != packet.TypeConnAck {
			s.t.Fatalf("%s: got %v, want CONNACK", what, f.Type)
		}
		c.nc.Close()
		return map[bool]byte{true: 'y', false: 'n'}[f.Body[1] == 0]
	}
	c := dialAs(s, connect)
	defer func() {
		c.nc.Close()
		<-c.Done()
	}()
	first, second := c.attempt(s, verb, name, qos), byte('x')
	if first != 'x' {
		second = c.attempt(s, verb, name, qos)
	}
	if first != second {
		s.t.Errorf("%s, %s: got %c, then %c", role, what, first, second)
	}
	return first
}

// attempt does something, and tells by what comes, and by what the server has counted, whether the client may.
func (c *client) attempt(s *testServer, verb, name, qos string) byte {
	c.t.Helper()
	before := s.mqtt.Stats().Denied
	switch verb {
	case "unsub":
		c.do("unsub id=1 " + name)
		answer := c.answer()
		return map[bool]byte{true: 'y', false: 'n'}[answer == "UNSUBACK 1" || answer == "UNSUBACK 1 00" || answer == "UNSUBACK 1 11"]
	case "read":
		c.do(fmt.Sprintf("sub id=1 %s,%s", name, qos))
		return c.reads()
	case "sub":
		c.do(fmt.Sprintf("sub id=1 %s,%s", name, qos))
		code := strings.Fields(c.answer())[2]
		return map[bool]byte{true: 'n', false: 'y'}[code[0] >= '8']
	}
	command := fmt.Sprintf("pub %s m q=%s", name, qos)
	if qos != "0" {
		command += " id=1"
	}
	if verb == "retain" {
		command += " retain"
	}
	c.do(command)
	failed := false
	if qos != "0" {
		answer := c.answer()
		if !strings.HasPrefix(answer, "PUB") {
			return 'x'
		}
		failed = strings.HasSuffix(answer, " 87")
		if qos == "2" && !failed {
			c.do("pubrel 1")
			c.answer()
		}
	}
	c.do("ping")
	if c.answer() != "PINGRESP" {
		return 'x'
	}
	denied := s.mqtt.Stats().Denied > before
	if failed != (denied && c.version == packet.V5 && qos != "0") {
		c.t.Errorf("%s: failed %t, denied %t: want MQTT 5 to be told, and it to be counted", command, failed, denied)
	}
	return map[bool]byte{true: 'n', false: 'y'}[denied]
}

// reads tells by what comes for a SUBSCRIBE whether the client gets the retained message.
func (c *client) reads() byte {
	c.t.Helper()
	next := func() string { // past what is in the client's inbox
		l := c.line()
		for strings.HasPrefix(l, "PUBLISH inbox/") {
			l = c.line()
		}
		return l
	}
	answer := strings.Fields(next())
	if answer[0] != "SUBACK" {
		c.t.Fatalf("got %q, want SUBACK", answer)
	}
	if answer[2] < "80" {
		if l := next(); !strings.HasPrefix(l, "PUBLISH public/a kept") {
			c.t.Fatalf("got %q, want the retained message", l)
		}
		return 'y'
	}
	if c.do("ping"); next() != "PINGRESP" {
		return 'y' // something that it may not read
	}
	return 'n'
}

// answer is the next line that is no message.
func (c *client) answer() string {
	c.t.Helper()
	for {
		if l := c.line(); !strings.HasPrefix(l, "PUBLISH ") {
			return l
		}
	}
}
