package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

const (
	// retry is the time between two attempts to connect: the server may be starting.
	retry = 10 * time.Millisecond
	// pingEvery is how often a client makes sure of what the server has read.
	pingEvery = 50 * time.Millisecond
	// subscribeID is the Packet Identifier of every SUBSCRIBE, above those of PUBLISH.
	subscribeID = 1000
)

// wish is a subscription that a client wants.
type wish struct {
	filter string
	qos    packet.QoS
	after  time.Duration // since the run began; not asked for before
}

// client is a device with a lasting Session. It belongs to the goroutine that runs live.
type client struct {
	// static
	index          int
	id             string // Client Identifier
	version        packet.Version
	receiveMaximum uint16 // MQTT 5; 0 is not sent
	temper         temper
	wishes         []wish
	topics         []int // published to, as indices of the ledger's; each as often as its weight says
	ledger         *ledger
	board          *board
	conns          *registry
	address        string
	rng            *rand.Rand

	session    *session
	numbers    map[int]uint32 // by topic: the next message's
	subscribed int            // of wishes, from the front
	lasting    bool           // the server has promised the Session by a SUBACK
	old        *conn          // left open for a takeover
}

// live connects, takes part and leaves, again and again, until ctx ends.
func (c *client) live(ctx context.Context) {
	defer c.dropOld()
	for ctx.Err() == nil {
		stage, changed := c.board.look()
		if stage == loading && c.temper.asleep {
			pause(ctx, time.Hour, changed)
			continue
		}
		v, err := c.connect(ctx)
		if err != nil {
			pause(ctx, retry, nil)
			continue
		}
		leave := v.run(ctx)
		if stage, changed = c.board.look(); stage == loading && leave != leaveTakeover {
			pause(ctx, c.temper.away.choose(c.rng), changed)
		}
	}
}

func (c *client) dropOld() {
	if c.old != nil {
		c.old.close(false)
		c.old = nil
	}
}

// errRound means that the server may have been another one by the time of CONNACK.
var errRound = errors.New("the server was killed meanwhile")

// connect opens a connection and brings the Session up to date: CONNECT, CONNACK, and what has to be sent again.
func (c *client) connect(ctx context.Context) (*visit, error) {
	round, _ := c.ledger.now()
	nc, err := dial(ctx, c.address, c.version)
	if err != nil {
		return nil, err
	}
	v := &visit{client: c, conn: nc, round: round, window: c.temper.window, inFlight: make(map[packet.PacketID]bool)}
	err = v.shakeHands(ctx)
	if now, _ := c.ledger.now(); err == nil && now != round {
		err = errRound
	}
	c.dropOld()
	if err == nil {
		err = v.resume()
	}
	if err != nil {
		nc.close(false)
		if errors.Is(err, errSilent) {
			c.ledger.fault(ruleProtocol, nil, "client %d: no answer to CONNECT within %v", c.index, patience)
		}
		return nil, err
	}
	c.conns.add(nc)
	return v, nil
}

// shakeHands sends CONNECT and looks at CONNACK.
func (v *visit) shakeHands(ctx context.Context) error {
	c := v.client
	con := &packet.Connect{Version: c.version, ClientID: c.id, KeepAlive: 60}
	if c.version == packet.V5 {
		con.HasSessionExpiry, con.SessionExpiry, con.ReceiveMaximum = true, 3600, c.receiveMaximum
	}
	if err := v.conn.write(packet.AppendConnect(nil, con)); err != nil {
		return err
	}
	f, err := v.conn.next(ctx)
	if err != nil {
		return err
	}
	a, err := packet.DecodeConnAck(f, c.version)
	if err != nil {
		c.ledger.fault(ruleProtocol, nil, "client %d: %v", c.index, err)
		return err
	}
	if a.Reason != packet.Success {
		return fmt.Errorf("refused: %s", a.Reason) // while it starts or ends it may
	}
	if a.ReceiveMaximum > 0 {
		v.window = min(v.window, int(a.ReceiveMaximum))
	}
	if !a.SessionPresent {
		c.sessionGone()
	}
	return nil
}

// sessionGone begins anew, which is a fault if the server had promised to keep the Session.
func (c *client) sessionGone() {
	if c.lasting {
		c.ledger.fault(ruleSession, nil, "client %d, MQTT %s: Session Present is 0 after %d SUBACK(s)", c.index, c.version, c.subscribed)
	}
	for _, o := range c.session.discard() {
		c.ledger.note(o.key, event{kind: abandoned, client: uint16(c.index), id: o.id})
	}
	c.subscribed, c.lasting = 0, false
}

// registry knows the connections that are open, so that a run can break them. It is safe for concurrent use.
type registry struct {
	mu    sync.Mutex
	conns []*conn
}

func (r *registry) add(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
}

// breakAll ends the connections as a network does that fails.
func (r *registry) breakAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.net.Close() // the owner sees it and takes leave
	}
	r.conns = nil
}
