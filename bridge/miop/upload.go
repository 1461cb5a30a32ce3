package miop

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
	mqtt "github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// uploadTopic is where uploads are published.
const uploadTopic = "up/data"

// maxAckText is the longest ack in bytes that an answer has room for.
const maxAckText = packet.MaxProps - len("ack:\nr:0")

// upload is an UploadData that is to be answered.
type upload struct {
	c       *conn
	version packet.Version
	ack     string // as the client has written it
	hasAck  bool
	size    int

	// owned by the loop
	left  int // bodies that are not decided
	worst broker.Result
}

// part is a body that is not decided yet. It is both the broker's Completion and the task that brings the result to the
// connection's loop.
type part struct {
	up     *upload
	result broker.Result
}

// onUpload publishes what the client has sent.
func (c *conn) onUpload(f *packet.Frame) error {
	n, err := packet.CheckUploads(f.Data)
	switch {
	case err != nil:
		return err
	case len(c.binds) == 0:
		return faultOrder
	}
	ack, hasAck := f.Props.Get("ack")
	if len(ack) > maxAckText { // what cannot be answered must not be published: the client would send it again
		return faultAck
	}
	c.wonder(uncertainUpload)
	c.full = true
	up := upload{c: c, version: f.Version, size: len(f.Data), ack: string(ack), hasAck: hasAck}
	b := c.uploader(f.Props)
	switch {
	case b == nil, n > maxUploadBodies, !c.hasRoom(len(f.Data)):
		up.worst = broker.QuotaExceeded
	case !c.mayUpload(b):
		up.worst = broker.Rejected
	default:
		c.publish(b, &up, f.Data)
		c.slow(b, f.Data)
	}
	if up.left == 0 {
		up.answer()
	}
	return nil
}

// uploader is the bind that an upload is from; nil if it is not known.
func (c *conn) uploader(p packet.Props) *bind {
	u, named := p.Get("u")
	if !named {
		c.wonder(uncertainUploadUser)
		if len(c.binds) == 1 {
			return c.binds[0]
		}
		return nil
	}
	user, appID, err := packet.ParseUser(u)
	if b := c.find(appID); err == nil && b != nil && b.user == string(user) {
		return b
	}
	return nil
}

// hasRoom tells whether an upload of that many bytes may wait beside those that do. One that may not is refused, not held
// back: acknowledgements may be behind it.
func (c *conn) hasRoom(size int) bool {
	return c.uploads == 0 || c.uploads < maxUploads && c.uploadBytes+size <= maxUploadBytes
}

// mayUpload asks whether the client may publish.
func (c *conn) mayUpload(b *bind) bool {
	if b.rights == nil || b.rights.allows(c, uploadTopic) {
		return true
	}
	count(&c.ls.srv.stats.denied)
	return false
}

// publish publishes the bodies in data, one after the other. up is copied if something of it is to wait.
func (c *conn) publish(b *bind, up *upload, data []byte) {
	ls := c.ls
	ls.up = nil
	d := uploading{ls, up}
	ls.props = b.properties(ls.props[:0], up)
	for len(data) > 0 {
		var body []byte
		body, data, _ = packet.NextUpload(data) // they have been checked
		ls.msg = broker.Message{TopicName: uploadTopic, Payload: body, QoS: 1, Properties: ls.props}
		ls.msg.Borrow()
		ls.pub = broker.Publish{App: b.session.App(), Message: &ls.msg, Session: b.session, Epoch: b.epoch, Deferrer: d}
		if r := ls.srv.broker.Publish(ls.scratch, &ls.pub); r != broker.Pending {
			up.worst = max(up.worst, r)
		}
	}
	if late := ls.up; late != nil {
		late.worst = max(late.worst, up.worst)
		up.left = late.left
		c.uploads++
		c.uploadBytes += up.size
	}
	ls.up = nil
}

// slow has nothing more taken from a client that publishes faster than it may, until enough time has passed. data is what has
// been published.
func (c *conn) slow(b *bind, data []byte) {
	if !b.metered {
		b.metered, b.meter = true, b.session.Meter()
	}
	if b.meter == nil {
		return
	}
	now, wait := c.nc.Now(), time.Duration(0)
	for len(data) > 0 {
		var body []byte
		body, data, _ = packet.NextUpload(data)
		wait = max(wait, b.meter.Publish(now, len(body)))
	}
	if wait > 0 {
		c.slowedUntil = now + wait
		c.nc.PauseRead()
		c.armTimer()
	}
}

// goOn hears a client again that has been slowed.
func (c *conn) goOn() {
	c.slowedUntil = 0
	c.nc.ResumeRead()
	c.nc.Again()
}

// properties are the User Properties of what the client uploads.
func (b *bind) properties(dst []byte, up *upload) []byte {
	users := []mqtt.UserProperty{{Key: "from", Value: b.u()}}
	if up.hasAck && utf8.ValidString(up.ack) && !strings.Contains(up.ack, "\x00") { // else it is none in MQTT
		users = append(users, mqtt.UserProperty{Key: "sn", Value: up.ack})
	}
	return (&mqtt.MessageProperties{User: users}).Append(dst)
}

// uploading makes the Completions of an upload that is being published.
type uploading struct {
	ls *loopState
	up *upload
}

// Defer implements broker.Deferrer.
func (d uploading) Defer() broker.Completion {
	if d.ls.up == nil {
		late := *d.up
		d.ls.up = &late
	}
	d.ls.up.left++
	return &part{up: d.ls.up}
}

// Published implements broker.Completion.
func (p *part) Published(r broker.Result) {
	p.result = r
	p.up.c.nc.Loop().Post(p)
}

// Run implements netloop.Task.
func (p *part) Run(*netloop.Loop) {
	up := p.up
	up.worst = max(up.worst, p.result)
	if up.left--; up.left > 0 {
		return
	}
	c := up.c
	c.uploads--
	c.uploadBytes -= up.size
	if c.state != closed {
		up.answer()
	}
}

// answer tells the client what became of its upload.
func (up *upload) answer() {
	c, r := up.c, uint64(packet.AnswerOK)
	if !up.worst.OK() {
		r = packet.AnswerRefused
		count(&c.ls.srv.stats.uploadsRefused)
	} else {
		count(&c.ls.srv.stats.uploads)
	}
	if up.worst == broker.Stale {
		return // taken over; the end is on its way
	}
	var p packet.Props
	if up.hasAck {
		p = p.With("ack", up.ack)
	}
	c.put(up.version, packet.UploadDataAck, p.WithUint("r", r))
}
