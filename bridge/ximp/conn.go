package ximp

import (
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// connState is the stage of a connection's life.
type connState uint8

const (
	awaitInit  connState = iota // nothing but InitLogin is expected
	awaitLogin                  // nothing but Login
	deciding                    // Login is being decided; input waits
	loggedIn
	loggedOut // the Session has ended; the client is to close
	moving    // the client has been asked to connect elsewhere
	closed
)

// conn is one client's Network Connection.
type conn struct {
	// static
	nc   *netloop.Conn
	ls   *loopState
	from *Listener

	// fixed once the Link is given to the broker
	user          string
	app           uint16
	clientVersion uint16
	version       uint8
	web           bool // inside WebSocket: see web.go
	text          bool // the text form
	transient     bool // the Session ends with the connection

	// owned by the loop
	key      packet.Key // of what comes and goes; empty is plaintext
	tally    tally
	heard    time.Duration // loop time of the last packet
	patience time.Duration // how long may pass until the next one
	armed    time.Duration // when OnTimer is due; 0 is not
	quiet    time.Duration // no doorbell is rung before, unless the inbox has been pulled
	newcomer *newcomer     // while it is not known who the client is
	session  *broker.Session
	epoch    uint64
	rights   *rights // nil if nobody is asked what the client may do
	rare     *rare   // nil while there is nothing of it
	uplinks  int32   // publishes that wait for their answer
	upBytes  int32   // of their packets together
	state    connState
	hasApp   bool    // the header has come
	answered bool    // something has been sent, and so the magic is not due
	fetched  bool    // the Session knows that the client has fetched messages
	pulled   kindSet // by the client

	// guarded by mu, which is taken within the Session's lock; the first ones are where they take no room
	posted  bool // attention has been posted
	refused bool // a delivery was refused; Resume is due
	gone    bool // the connection has ended
	mu      sync.Mutex
	boxes   *boxes         // nil while nothing waits
	newest  [kinds]int64   // the largest id that there ever was, as far as is known
	lastID  int64          // the id given last, of a Session that does not number
	talk    *[]roomMessage // of rooms, to be sent; nil is none
}

// rare is what few connections need at a time. It is owned by the loop.
type rare struct {
	meter   *broker.Meter // nil if the client may publish as fast as it likes
	paused  time.Duration // not read from until then, because it publishes too fast; 0 is not
	waiting []waitingPull // that cannot be answered yet
	futile  futility
	rooms   map[string]*room // by topic
	joins   []*roomCall      // that are being decided, in order
	asked   int              // joins that the desk has not done with
	gather  time.Duration    // room messages are gathered until then
}

// more makes room for what is rare.
func (c *conn) more() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// relax gives that back when there is nothing left of it.
func (c *conn) relax() {
	if r := c.rare; r != nil && r.meter == nil && r.paused == 0 && len(r.waiting) == 0 && len(r.rooms) == 0 && r.asked == 0 && r.futile.n == 0 {
		c.rare = nil
	}
}

// room is what is known of a room of this topic; nil if the connection is not in it.
func (c *conn) room(topic string) *room {
	if c.rare == nil {
		return nil
	}
	return c.rare.rooms[topic]
}

// OnOpen implements netloop.Handler.
func (c *conn) OnOpen(nc *netloop.Conn) {
	if c.web = nc.IsWebSocket(); c.web {
		nc.PacketFrames()
	}
	c.heard, c.patience = nc.Now(), c.ls.srv.cfg.FirstTimeout
	c.arm()
}

// OnData implements netloop.Handler.
func (c *conn) OnData(nc *netloop.Conn, data []byte) (consumed int) {
	share := netloop.Share{Every: 4} // each packet may ask for a page
	for {
		if c.state == closed {
			return len(data)
		}
		if nc.Paused() {
			return consumed
		}
		f, n, err := c.read(data[consumed:])
		if err != nil {
			c.malformed(err)
			return len(data)
		}
		if n == 0 {
			return consumed
		}
		if c.state == deciding && !f.Heartbeat {
			if len(data)-consumed > packet.MaxBodyBeforeLogin {
				nc.PauseRead()
			}
			return consumed
		}
		consumed += n
		if c.state == loggedIn || c.state < deciding && !f.Heartbeat { // a heartbeat does not put a login off
			c.heard = c.ls.loop.Now()
		}
		c.take(f, n)
		c.ls.loop.FlushUrgent()
		if share.Used(nc) {
			nc.Again()
			return consumed
		}
	}
}

// read cuts the next packet out of data.
func (c *conn) read(data []byte) (f packet.Frame, n int, err error) {
	limit := packet.MaxBodyBeforeLogin
	if c.state >= loggedIn {
		limit = packet.MaxBody
	}
	if !c.hasApp && len(data) > 0 && data[0] == 'w' {
		if !c.web {
			return f, 0, errText
		}
		c.text = true
	}
	if c.text {
		return packet.ReadText(data, limit)
	}
	return packet.ReadFrame(data, limit)
}

// take deals with one packet of so many bytes.
func (c *conn) take(f packet.Frame, size int) {
	within := c.counts()
	if f.Heartbeat {
		if !within {
			c.tooMany(0)
			return
		}
		c.beat()
		return
	}
	if err := c.takeHeader(&f); err != nil {
		c.malformed(err)
		return
	}
	body, err := f.Open(f.Body[:0], c.key)
	if err == nil {
		var m packet.Message
		if err = packet.Decode(body, &m); err == nil {
			if !within {
				c.tooMany(m.SN)
				return
			}
			c.handle(&m, size)
			return
		}
	}
	c.malformed(err)
}

// takeHeader takes what the first packet tells of the client. Later headers must name the same app.
func (c *conn) takeHeader(f *packet.Frame) error {
	switch {
	case !f.HasHeader && !c.hasApp:
		return errNotXIMP
	case !f.HasHeader:
		return nil
	}
	rules := c.from.rules()
	h := f.Header
	if f.Text {
		h = rules.text()
	}
	if c.hasApp {
		if h.App != c.app {
			return errOtherApp
		}
		return nil
	}
	if h.Version > 1 {
		return errVersion
	}
	if rules.DefaultKey != nil {
		key, ok := rules.DefaultKey(h.App, h.ClientVersion)
		if !ok || key.Check() != nil {
			return errNoKey
		}
		c.key = key
	}
	c.hasApp, c.app, c.clientVersion, c.version = true, h.App, h.ClientVersion, h.Version
	return nil
}

// beat answers a heartbeat, which is never encrypted.
func (c *conn) beat() {
	var b [16]byte
	if c.inText() {
		c.nc.WriteText(c.ls.loop, packet.AppendTextHeartbeat(b[:0]))
		return
	}
	c.nc.Write(c.ls.loop, packet.AppendHeartbeat(b[:0]))
}

// malformed closes the connection because of what cannot be read, or is read under another key. There is no answer.
func (c *conn) malformed(err error) {
	count(&c.ls.srv.stats.malformed)
	c.close(fmt.Errorf("read packet: %w", err))
}

// OnWritable implements netloop.Handler.
func (c *conn) OnWritable(*netloop.Conn) {
	if c.state == loggedIn {
		c.attend()
	}
}

// OnShutdown implements netloop.Handler.
func (c *conn) OnShutdown(nc *netloop.Conn) { c.move(nc) }

// OnClose implements netloop.Handler.
func (c *conn) OnClose(_ *netloop.Conn, err error) {
	c.state = closed
	if n := c.newcomer; n != nil {
		n.question.Drop()
		c.newcomer = nil
	}
	c.leaveRooms()
	c.rare = nil
	c.mu.Lock()
	c.gone, c.boxes, c.talk = true, nil, nil
	c.mu.Unlock()
	if c.session == nil {
		return
	}
	c.ls.srv.cfg.Logger.Debug("disconnected", "client_id", c.session.ClientID(), "reason", err)
	c.session.Detach(c.ls.scratch, c.epoch, broker.Leave{Reason: err})
}

// close ends the connection once what has been put out is written.
func (c *conn) close(err error) {
	if c.state != closed {
		c.nc.Close(c.closeError(err))
	}
}

// refuse answers the request sn with an error, and closes the connection if that is of a kind which does.
func (c *conn) refuse(sn uint64, code packet.Code, description string) {
	if c.state == closed {
		return
	}
	c.put(packet.Refuse(sn, code, description))
	if code.Closes() {
		count(&c.ls.srv.stats.refused)
		reason := errRefused
		if code == packet.CodeCredentials {
			reason = errCredentials
		}
		c.close(fmt.Errorf("%w: %v", reason, code))
	}
}
