package bench

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// role is what a client does once it is connected. Calls come from its loop.
type role interface {
	// message takes the mark of an Application Message.
	message(mk mark) error
	// ack takes a PUBACK.
	ack(id packet.PacketID, rc packet.ReasonCode) error
	// turn follows the last packet of a read, and OnWritable.
	turn()
}

// stage is how far a client has got.
type stage uint8

const (
	dialing stage = iota
	connecting
	subscribing
	ready
	leaving
	ended
)

// subscribeID is the Packet Identifier of a client's only SUBSCRIBE.
const subscribeID = 1

// client is one Network Connection of the generator.
type client struct {
	// static
	fleet  *fleet
	meter  *meter
	role   role                // nil: nothing is expected after the handshake
	id     string              // Client Identifier
	filter string              // Topic Filter, which is a Topic Name here; "" for none
	clean  bool                // Clean Session whatever the options say
	native native              // nil: it speaks MQTT
	dials  *netloop.DialConfig // what it dials; nil: what the fleet does

	persistent bool // Clean Session 0 whatever the options say
	resumes    bool // its Session and subscription are there already
	brief      bool // leaves by itself; its handshake counts as done only then

	// owned by the loop
	conn   *netloop.Conn
	stage  stage
	dialed int64 // clock at Dial
	quiet  bool  // its end is no fault
	held   *heldAcks
}

// lasting tells whether c's Session outlives the connection.
func (c *client) lasting() bool { return (c.fleet.opts.Persistent || c.persistent) && !c.clean }

// OnOpen sends CONNECT.
func (c *client) OnOpen(conn *netloop.Conn) {
	c.conn, c.stage = conn, connecting
	if c.native != nil {
		conn.Write(c.meter.loop, c.native.hello())
		c.setPing()
		return
	}
	o := c.fleet.opts
	con := &packet.Connect{
		Version: o.Version, ClientID: c.id, CleanStart: !c.lasting(),
		KeepAlive: uint16(o.KeepAlive / time.Second),
	}
	if c.lasting() {
		con.HasSessionExpiry, con.SessionExpiry = true, 3600
	}
	conn.Write(c.meter.loop, packet.AppendConnect(nil, con))
	c.setPing()
}

func (c *client) setPing() { c.conn.SetTimer(c.fleet.opts.KeepAlive * 3 / 4) }

// OnTimer sends PINGREQ.
func (c *client) OnTimer(conn *netloop.Conn) {
	if s, ok := c.role.(*sleeper); ok {
		s.giveUp()
		return
	}
	ping := packet.AppendPingReq(nil)
	if c.native != nil {
		ping = c.native.beat()
	}
	conn.Write(c.meter.loop, ping)
	c.setPing()
}

// OnWritable lets a publisher go on.
func (c *client) OnWritable(*netloop.Conn) {
	if c.stage == ready && c.role != nil {
		c.role.turn()
	}
}

// OnShutdown takes leave.
func (c *client) OnShutdown(conn *netloop.Conn) {
	if c.stage > connecting && c.native == nil {
		conn.Write(c.meter.loop, packet.AppendDisconnect(nil, c.fleet.opts.Version, &packet.Disconnect{}, 0))
	}
	conn.Close(nil)
}

// OnClose reports a connection that ended by itself.
func (c *client) OnClose(_ *netloop.Conn, err error) {
	was := c.stage
	c.stage = ended
	switch {
	case c.meter.closing || c.quiet:
	case was == leaving:
		c.fleet.settled(c.meter, nil)
	case was == dialing && errors.Is(err, syscall.EAGAIN): // a Unix socket whose backlog is full
		c.stage = dialing
		c.fleet.redial <- c
	case was < ready || c.brief:
		c.fleet.settled(c.meter, fmt.Errorf("client %s: %s: %w", c.id, was, err))
	default:
		c.fleet.fault(fmt.Errorf("client %s: %w: %w", c.id, ErrConnectionLost, err))
	}
}

// String says during what a handshake failed. Other protocols have two steps as well.
func (s stage) String() string {
	return [...]string{"dial", "wait for CONNACK", "wait for SUBACK", "ready", "leave", "ended"}[s]
}

// OnData reads packets.
func (c *client) OnData(conn *netloop.Conn, data []byte) int {
	if c.native != nil {
		return c.onNative(data)
	}
	m := c.meter
	m.now = 0
	m.acks = m.acks[:0]
	n := 0
	for c.stage != ended {
		f, size, err := packet.ReadFrame(data[n:], packet.MaxPacketSize)
		if err != nil {
			conn.Close(err)
			return n
		}
		if size == 0 {
			break
		}
		n += size
		if err := c.packet(f); err != nil {
			conn.Close(err)
			return n
		}
	}
	if len(m.acks) > 0 {
		conn.Write(m.loop, m.acks)
	}
	if c.stage == ready && c.role != nil {
		c.role.turn()
	}
	m.loop.FlushUrgent()
	return n
}

// packet handles one packet.
func (c *client) packet(f packet.Frame) error {
	switch {
	case f.Type == packet.TypePublish && c.stage >= subscribing && c.filter != "":
		return c.publish(f)
	case f.Type == packet.TypePubAck && c.stage == ready && c.role != nil:
		a, err := packet.DecodeAck(f, c.fleet.opts.Version)
		if err != nil {
			return err
		}
		return c.role.ack(a.PacketID, a.Reason)
	case f.Type == packet.TypeConnAck && c.stage == connecting:
		return c.connAck(f)
	case f.Type == packet.TypeSubAck && c.stage == subscribing:
		return c.subAck(f)
	case f.Type == packet.TypePingResp && c.stage >= subscribing && len(f.Body) == 0:
		if s, ok := c.role.(*sleeper); ok {
			s.pong()
		}
		return nil
	case f.Type == packet.TypeDisconnect:
		d, err := packet.DecodeDisconnectFromServer(f, c.fleet.opts.Version)
		if err != nil {
			return err
		}
		return fmt.Errorf("broker sent DISCONNECT: %s", d.Reason)
	}
	return fmt.Errorf("%w: %s", ErrUnexpected, f.Type)
}

// publish takes an Application Message and owes its PUBACK.
func (c *client) publish(f packet.Frame) error {
	d, ok := cutPublish(f, c.fleet.opts.Version)
	switch {
	case !ok:
		return fmt.Errorf("%w: malformed PUBLISH", ErrUnexpected)
	case string(d.topic) != c.filter:
		return fmt.Errorf("%w: PUBLISH for topic %q", ErrUnexpected, d.topic)
	case len(d.payload) != c.fleet.opts.Payload:
		return fmt.Errorf("%w: PUBLISH with a payload of %d bytes, not %d", ErrUnexpected, len(d.payload), c.fleet.opts.Payload)
	case c.role == nil:
		return fmt.Errorf("%w: PUBLISH that nobody sent", ErrUnexpected)
	}
	switch {
	case d.id == 0:
	case c.held != nil:
		c.held.add(d.id)
	default:
		c.meter.acks = append(c.meter.acks, byte(packet.TypePubAck)<<4, 2, byte(d.id>>8), byte(d.id))
	}
	return c.role.message(readMark(d.payload))
}

func (c *client) connAck(f packet.Frame) error {
	a, err := packet.DecodeConnAck(f, c.fleet.opts.Version)
	switch {
	case err != nil:
		return err
	case a.Reason.Failed():
		return fmt.Errorf("%w CONNECT: %s", ErrRefused, a.Reason)
	case a.HasMaximumQoS && a.MaximumQoS < c.fleet.opts.QoS:
		return fmt.Errorf("%w QoS %d: its maximum is %d", ErrRefused, c.fleet.opts.QoS, a.MaximumQoS)
	}
	if p, ok := c.role.(*publisher); ok && a.ReceiveMaximum > 0 {
		p.limit(int(a.ReceiveMaximum))
	}
	if c.resumes && !a.SessionPresent {
		return fmt.Errorf("client %s: %w: Session Present is 0", c.id, ErrSessionLost)
	}
	c.stage = subscribing
	if !c.resumes {
		record(c.meter.latency, c.meter.clock()-c.dialed)
	}
	if c.filter == "" || c.resumes {
		c.becomeReady()
		return nil
	}
	c.conn.Write(c.meter.loop, packet.AppendSubscribe(nil, c.fleet.opts.Version, &packet.Subscribe{
		PacketID: subscribeID, Filters: []packet.Filter{{TopicFilter: c.filter, QoS: c.fleet.opts.QoS}},
	}))
	return nil
}

func (c *client) subAck(f packet.Frame) error {
	a, err := packet.DecodeSubAck(f, c.fleet.opts.Version)
	switch {
	case err != nil:
		return err
	case a.PacketID != subscribeID || len(a.Reasons) != 1:
		return fmt.Errorf("%w: SUBACK for another SUBSCRIBE", ErrUnexpected)
	case a.Reasons[0] != packet.ReasonCode(c.fleet.opts.QoS):
		return fmt.Errorf("%w SUBSCRIBE with QoS %d: %s", ErrRefused, c.fleet.opts.QoS, a.Reasons[0])
	}
	c.becomeReady()
	return nil
}

func (c *client) becomeReady() {
	c.stage = ready
	switch s, ok := c.role.(*sleeper); {
	case ok:
		s.ready()
	case c.brief:
		c.leave()
	default:
		c.fleet.settled(c.meter, nil)
	}
}

// leave sends DISCONNECT and waits for the broker to close: then it has dealt with it.
func (c *client) leave() {
	c.stage = leaving
	c.conn.Write(c.meter.loop, packet.AppendDisconnect(nil, c.fleet.opts.Version, &packet.Disconnect{}, 0))
}
