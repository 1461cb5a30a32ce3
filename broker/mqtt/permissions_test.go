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
			{"pub d/d1/up 0", "nyyynn"},
			{"pub d/d1/up 1", "nyyynn"},
			{"pub d/d1/up 2", "nnnynn"},
			{"pub d/j/up 2", "nnnyyn"},
			{"retain d/d1/up 1", "nnnynn"},
			{"retain d/j/up 1", "nnnyyn"},
			{"will d/d1/up 1", "nyyynn"},
			{"will d/j/up 1", "nnnyyn"},
			{"sub d/d1/# 1", "nyyynn"},
			{"sub d/j/# 1", "nnnyyn"},
			{"sub $share/g/d/d1/# 1", "nyyynn"},
			{"sub # 0", "nnnynn"},
			{"sub public/+ 0", "yyyyyn"},
			{"sub $share/g/public/+ 0", "yyyyyn"},
			{"pub public/a 0", "nnnynn"},
			{"pub inbox/d1 1", "nnnynn"},
			{"pub inbox/j 1", "nnnynn"},
			{"sub inbox/d1 1", "nyynnn"}, // not even admin: the broker itself keeps others out
			{"sub inbox/j 1", "nnnnyn"},
			{"sub inbox/+ 1", "nnnnnn"},
			{"sub $share/g/inbox/d1 1", "nnnnnn"},
			{"pub group/team 1", "nyyynn"},
			{"sub group/team 1", "nyyynn"},
			{"pub broadcast/default 1", "nnnynn"},
			{"sub broadcast/default 1", "nynyyn"},
			{"sub broadcast/meters 1", "nnyynn"},
			{"sub $SYS/# 0", "nnnynn"},
			{"pub $SYS/x 1", "xxxxxx"},
		}},
		"builtin": {acl.Builtin("admin"), []permission{
			{"pub a 0", "yyyynn"},
			{"pub d/j/up 1", "yyyyyn"},
			{"pub a 2", "yyyynn"},
			{"retain a 1", "yyyynn"},
			{"will a 1", "yyyynn"},
			{"sub a/# 1", "yyyyyn"},
			{"sub $share/g/a 1", "yyyyyn"},
			{"pub inbox/d1 1", "nyynnn"},
			{"sub inbox/d1 1", "nyynnn"},
			{"sub inbox/j 1", "nnnnyn"},
			{"sub inbox/+ 1", "nnnnnn"},
			{"pub group/team 1", "yyyynn"},
			{"sub broadcast/default 1", "yyyyyn"},
			{"sub $SYS/# 0", "nnnynn"},
			{"pub $SYS/x 1", "xxxxxx"},
		}},
	} {
		for _, version := range []string{"v4", "v5"} {
			t.Run(name+version, func(t *testing.T) {
				s := newServer(t, setup{loop: netloop.Config{Loops: 1}, mqtt: Config{
					Authenticator: authenticator(permissionIdentity), Authorizer: table.all,
				}})
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
	if verb == "sub" {
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

// answer is the next line that is no message.
func (c *client) answer() string {
	c.t.Helper()
	for {
		if l := c.line(); !strings.HasPrefix(l, "PUBLISH ") {
			return l
		}
	}
}
