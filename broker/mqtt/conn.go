package mqtt

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// maxConnect bounds CONNECT in bytes: what a stranger may cost us.
const maxConnect = 64 << 10

// connState is the stage of a connection's life.
type connState uint8

const (
	awaitConnect connState = iota // nothing but CONNECT is expected
	connecting                    // CONNECT is being decided; input waits
	connected
	refused // an MQTT 3 publish was refused; input waits until the connection is closed
	closed
)

// conn is one client's Network Connection.
type conn struct {
	// static
	nc *netloop.Conn
	ls *loopState

	// fixed once the Link is given to the broker
	version   packet.Version
	maxPacket uint32 // the client's Maximum Packet Size; 0 is no bound

	// owned by the loop
	state       connState
	graceful    bool // the client has taken leave, and wants no Will published
	newExpiry   bool // DISCONNECT has changed the Session Expiry Interval
	problemInfo bool // the client wants Reason Strings and User Properties
	hadExpiry   bool // the Session Expiry Interval in CONNECT was not 0
	behind      bool // while CONNECT is being decided: something has come behind it
	qos2        uint16
	keepAlive   time.Duration // 1.5 times what the client has asked for; 0 is none
	heard       time.Duration // loop time of the last sign of life
	unfinished  uint32        // bytes there were then of a packet that had not come in full
	who         *who          // nil if nothing is to be known of the client beyond its Session
	session     *broker.Session
	epoch       uint64
	expiry      uint32
	deaf        atomic.Bool // set by the loop, read by any: not read from for what is parked, with nothing to acknowledge
	aliasesIn   map[uint16]string
	acks        *ackQueue // nil while no publish waits for its answer

	// guarded by the Session's lock
	aliasesOut *aliasesOut
}

// OnOpen implements netloop.Handler.
func (c *conn) OnOpen(nc *netloop.Conn) { nc.SetTimer(c.ls.srv.cfg.ConnectTimeout) }

// OnData implements netloop.Handler.
func (c *conn) OnData(nc *netloop.Conn, data []byte) (consumed int) {
	consumed = c.take(nc, data)
	c.noteLife(consumed, len(data)-consumed)
	return consumed
}

// take deals with the whole packets in data.
func (c *conn) take(nc *netloop.Conn, data []byte) (consumed int) {
	var share netloop.Share
	for {
		limit := c.ls.srv.cfg.MaxPacketSize
		switch c.state {
		case awaitConnect:
			limit = min(limit, maxConnect)
		case connected:
		case connecting:
			if c.login() == nil || !c.login().awaits {
				return c.holdBack(nc, data, consumed)
			}
			limit = min(limit, maxConnect)
		case closed:
			return len(data)
		default:
			return c.holdBack(nc, data, consumed)
		}
		if nc.Paused() {
			return consumed
		}
		f, n, err := packet.ReadFrame(data[consumed:], limit)
		if err != nil {
			c.fail(err)
			return len(data)
		}
		if n == 0 {
			return consumed
		}
		raw := data[consumed : consumed+n]
		consumed += n
		count(&c.ls.packets[f.Type])
		if c.held() && !overtakes(f.Type) {
			c.park(f, raw)
			continue
		}
		if err := c.handle(f); err != nil {
			c.fail(err)
			return len(data)
		}
		c.ls.loop.FlushUrgent()
		if share.Used(nc) {
			nc.Again()
			return consumed
		}
	}
}

// holdBack leaves input for later, but not any amount of it.
func (c *conn) holdBack(nc *netloop.Conn, data []byte, consumed int) int {
	c.behind = len(data) > consumed
	if len(data)-consumed > maxConnect {
		nc.PauseRead()
	}
	return consumed
}

// handle deals with one packet. An error closes the connection.
func (c *conn) handle(f packet.Frame) error {
	if c.state == awaitConnect {
		if f.Type != packet.TypeConnect {
			return protocolError("expect CONNECT", errNotConnect)
		}
		return c.onConnect(f)
	}
	if c.state == connecting && f.Type != packet.TypeAuth { // v5 [MQTT-4.12.0-3]
		return protocolError("read "+f.Type.String(), errUnexpected)
	}
	switch f.Type {
	case packet.TypePublish:
		c.measure(len(f.Body))
		return c.onPublish(f)
	case packet.TypePubAck:
		return c.onPubAck(f)
	case packet.TypePubRec:
		return c.onPubRec(f)
	case packet.TypePubRel:
		return c.onPubRel(f)
	case packet.TypePubComp:
		return c.onPubComp(f)
	case packet.TypeSubscribe:
		return c.onSubscribe(f)
	case packet.TypeUnsubscribe:
		return c.onUnsubscribe(f)
	case packet.TypePingReq:
		return c.onPing(f)
	case packet.TypeDisconnect:
		return c.onDisconnect(f)
	case packet.TypeAuth:
		return c.onAuth(f)
	}
	// CONNECT a second time, or what only servers send: v5 [MQTT-3.1.0-2], v3.1.1 [MQTT-3.1.0-2].
	return protocolError("read "+f.Type.String(), errUnexpected)
}

func (c *conn) onPing(f packet.Frame) error {
	if err := packet.DecodePing(f); err != nil {
		return err
	}
	if dst, ok := c.nc.BeginControl(2); ok {
		c.nc.End(c.ls.loop, packet.AppendPingResp(dst))
	}
	return nil
}

// OnWritable implements netloop.Handler.
func (c *conn) OnWritable(*netloop.Conn) {
	if c.state == connected {
		c.session.Resume(c.ls.scratch, c.epoch)
	}
}

// OnTimer implements netloop.Handler.
func (c *conn) OnTimer(nc *netloop.Conn) {
	switch c.state {
	case awaitConnect, connecting:
		count(&c.ls.srv.stats.timeouts)
		c.close(errConnectTimeout, 0)
	case refused:
		c.close(broker.ErrQuotaExceeded, packet.QuotaExceeded)
	case connected:
		if r := c.rights(); r != nil && r.expires != 0 && r.expires <= nc.Now() {
			c.close(errExpired, packet.NotAuthorized)
			return
		}
		c.endPause(nc)
		c.checkKeepAlive(nc)
	case closed:
	}
}

// signOfLife is how many bytes of one packet count as much as a whole packet. It
// is little enough for a large packet over the slowest of links, where a client cannot
// put a PINGREQ in between, and too much for one who sends a byte now and then to
// hold a connection for nothing.
const signOfLife = 1 << 10

// noteLife notes when the client has sent a whole packet, or enough of one: bytes
// alone are no MQTT Control Packet.
func (c *conn) noteLife(consumed, rest int) {
	if consumed > 0 || rest >= int(c.unfinished)+signOfLife {
		c.heard, c.unfinished = c.ls.loop.Now(), uint32(rest)
	}
}

// checkKeepAlive closes the connection if there was no sign of life for one and a
// half times the Keep Alive: v5 [MQTT-3.1.2-22], v3.1.1 [MQTT-3.1.2-24].
func (c *conn) checkKeepAlive(nc *netloop.Conn) {
	switch left := c.heard + c.keepAlive - nc.Now(); {
	case c.keepAlive == 0:
	case nc.Paused(): // it is we who do not listen
		c.heard = nc.Now()
	case left <= 0:
		count(&c.ls.srv.stats.timeouts)
		c.close(errKeepAlive, packet.KeepAliveTimeout)
		return
	}
	c.armTimer()
}

// armTimer has OnTimer called when the Keep Alive or the authentication may have run out, or a pause is over.
func (c *conn) armTimer() {
	now := c.nc.Now()
	var wait time.Duration
	if c.keepAlive > 0 {
		wait = max(c.heard+c.keepAlive-now, 1)
	}
	if r := c.rights(); r != nil && r.expires != 0 && (wait == 0 || r.expires-now < wait) {
		wait = max(r.expires-now, 1)
	}
	if c.slowed() && (wait == 0 || c.who.pace.until-now < wait) {
		wait = max(c.who.pace.until-now, 1)
	}
	c.nc.SetTimer(wait)
}

// keepAliveLimit is how long a client that has named a Keep Alive in seconds
// may be silent. 0 means for ever.
func keepAliveLimit(seconds uint16) time.Duration {
	return time.Duration(seconds) * time.Second * 3 / 2
}

// OnShutdown implements netloop.Handler. The client has not taken leave: its Will
// is published, as after any other end, unless it is to be delayed and the Session
// outlives the connection. That one waits in the Session: v5 3.1.2.5 lets a server
// that shuts down defer it.
func (c *conn) OnShutdown(*netloop.Conn) {
	c.close(broker.ErrClosed, packet.ServerShuttingDown)
}

// OnClose implements netloop.Handler.
func (c *conn) OnClose(_ *netloop.Conn, err error) {
	c.state = closed
	c.acks = nil
	if l := c.login(); l != nil {
		l.question.Drop()
	}
	if c.session == nil {
		c.tellRefused(err)
		return
	}
	c.ls.srv.cfg.Logger.Debug("disconnected", "client_id", c.session.ClientID(), "reason", err)
	c.detach(err)
}

// tellRefused logs that a connection has ended on which no client was let in.
func (c *conn) tellRefused(err error) {
	log := c.ls.srv.cfg.Logger
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	var clientID string
	if l := c.login(); l != nil {
		clientID = l.request.ClientID
	}
	log.Debug("not_connected", "client_id", clientID, "remote", c.nc.RemoteAddr(), "reason", err)
}

// detach tells the Session that the connection has ended. Only the first call
// has an effect.
func (c *conn) detach(reason error) {
	how := broker.Leave{Graceful: c.graceful, Reason: reason}
	if c.newExpiry {
		how.Expiry = &c.expiry
	}
	c.session.Detach(c.ls.scratch, c.epoch, how)
}

// fail closes the connection because of what the client has sent.
func (c *conn) fail(err error) {
	count(&c.ls.srv.stats.malformed)
	var pe *packet.Error
	if !errors.As(err, &pe) {
		c.close(err, packet.UnspecifiedError)
		return
	}
	if c.state == awaitConnect {
		if pe.Version != 0 {
			c.version = pe.Version
			c.refuse(pe.Code)
		}
		c.close(err, 0)
		return
	}
	c.close(err, pe.Code)
}

// close ends the connection. An MQTT 5 client that is connected is told code
// first, unless that is 0: v5 [MQTT-4.13.2-1].
func (c *conn) close(err error, code packet.ReasonCode) {
	if c.state == closed {
		return
	}
	if code != 0 && c.version == packet.V5 && (c.state == connected || c.state == refused) {
		c.detach(err) // nobody delivers any more: nothing comes after DISCONNECT, v5 [MQTT-3.14.4-1]
		var d [64]byte
		c.nc.Write(c.ls.loop, packet.AppendDisconnect(d[:0], c.version, &packet.Disconnect{Reason: code}, c.maxPacket))
	}
	c.nc.Close(err)
}

func count(n *atomic.Uint64) { n.Add(1) }

// protocolError is an error of the client's that closes the connection.
func protocolError(op string, err error) error {
	return &packet.Error{Code: packet.ProtocolError, Op: op, Err: err}
}

func refusal(code packet.ReasonCode, op string, err error) error {
	return &packet.Error{Code: code, Op: op, Err: err}
}
