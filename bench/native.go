package bench

import "strings"

// native is what a client speaks instead of MQTT. Calls come from its loop.
type native interface {
	// hello returns what is put out first.
	hello() []byte
	// data takes packets and returns how many bytes they have, and what to answer.
	data(b []byte) (n int, out []byte, err error)
	// beat returns what keeps the connection alive.
	beat() []byte
}

// speak makes c speak what is spoken at url, and returns the topic that reaches it: that of the options, or topic, or the
// one that the broker has for the protocol's users.
func (c *client) speak(url, topic string) string {
	clientID := c.id
	switch {
	case isXIMP(url):
		topic = c.speakXIMP()
	case isMIOP(url):
		clientID = "m:" + c.id
		c.native = &miopClient{c: c, user: c.id}
		topic = "inbox/" + clientID
	}
	if t := c.fleet.opts.Topic; t != "" {
		topic = strings.NewReplacer("%c", clientID, "%u", c.id).Replace(t)
	}
	if c.native == nil {
		c.filter = topic
	}
	return topic
}

// onNative is OnData of a client that speaks something else.
func (c *client) onNative(data []byte) int {
	n, out, err := c.native.data(data)
	if len(out) > 0 {
		c.conn.Write(c.meter.loop, out)
	}
	if err != nil {
		c.conn.Close(err)
		return n
	}
	if c.stage == ready && c.role != nil {
		c.role.turn()
	}
	c.meter.loop.FlushUrgent()
	return n
}
