package ximp

import (
	"crypto/subtle"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// proves tells whether a client that may log in has shown that it knows its token, so far as the Rules want that, and notes the token.
// A guest has none: in its place it uses its own id, which everybody knows.
func (c *conn) proves(id *broker.Identity) bool {
	n, rules := c.newcomer, c.from.rules()
	proof := n.proof
	n.proof = nil
	if !n.signed {
		return true
	}
	n.token = packet.Key(id.Token)
	if n.token == "" && rules.Token != nil {
		n.token = rules.Token(c.app, c.user, n.signature)
	}
	if n.token.Check() != nil {
		n.token = ""
		return false
	}
	switch {
	case rules.SecretRAM == SecretIgnore:
		return true
	case n.token == "":
		return rules.SecretRAM != SecretRequire
	}
	n.token.Crypt(proof, proof)
	return subtle.ConstantTimeCompare(proof, []byte(n.serverRAM)) == 1
}
