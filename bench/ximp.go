package bench

import (
	"fmt"
	"math"
	"time"

	ximp "github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// ximpPage is how many messages a XIMP client asks for at a time.
const ximpPage = 100

// ximpClient is a guest without device, whose Session ends with the connection. It speaks plaintext and pulls
// from its inbox when the doorbell rings, until that is empty.
type ximpClient struct {
	c    *client
	user string

	sn      uint64
	key     ximp.Key
	next    int64 // the id from which on to pull; 0 until there was a message
	newest  int64 // the last id that a doorbell told
	pulling bool
}

// speakXIMP makes c a XIMP client and returns the topic that reaches its user.
func (c *client) speakXIMP() (topic string) {
	c.native = &ximpClient{c: c, user: c.id}
	return "user/" + c.id
}

func (x *ximpClient) hello() []byte {
	x.sn++
	h := ximp.Header{Version: 1, ClientVersion: ximp.TextHeader.ClientVersion, App: ximp.TextHeader.App}
	return ximp.AppendFirst(nil, h, &ximp.Message{
		ID: ximp.IDInitLogin, SN: x.sn, Sender: []byte(x.user),
		Request: &ximp.Request{InitLogin: &ximp.InitLoginRequest{ClientRAM: []byte("12345678")}},
	}, x.key)
}

func (*ximpClient) beat() []byte { return ximp.AppendHeartbeat(nil) }

func (x *ximpClient) data(b []byte) (n int, out []byte, err error) {
	x.c.meter.now = 0
	for {
		f, size, err := ximp.ReadAnswer(b[n:], 0)
		if err != nil {
			return n, out, err
		}
		if size == 0 {
			return n, out, nil
		}
		n += size
		if f.Heartbeat {
			continue
		}
		if out, err = x.packet(f, out); err != nil {
			return n, out, err
		}
	}
}

// packet takes one packet and appends what to answer.
func (x *ximpClient) packet(f ximp.Frame, out []byte) ([]byte, error) {
	plain, err := f.Open(f.Body[:0], x.key)
	if err != nil {
		return out, err
	}
	var m ximp.Message
	if err := ximp.Decode(plain, &m); err != nil {
		return out, err
	}
	r := m.Response
	switch {
	case r != nil && r.Error != nil:
		if x.c.stage < ready {
			return out, fmt.Errorf("%w the login: %w", ErrRefused, r.Error)
		}
		return out, fmt.Errorf("broker sent error %w", r.Error)
	case r != nil && r.InitLogin != nil && x.c.stage == connecting:
		x.c.stage = subscribing
		return ximp.AppendPacket(out, x.login(r.InitLogin.ServerRAM), x.key), nil
	case r != nil && r.Login != nil && x.c.stage == subscribing:
		x.key = ximp.Key(r.Login.SessionKey)
		record(x.c.meter.latency, x.c.meter.clock()-x.c.dialed)
		if err := x.key.Check(); err != nil {
			return out, err
		}
		x.c.becomeReady()
		return x.pull(out), nil // as phones do: servers wait for it a while before they ring
	case r != nil && r.GetInfo != nil && x.pulling:
		return x.page(r.GetInfo, out)
	case m.Notify != nil && m.Notify.NewMessage != nil && x.c.stage == ready:
		// One without id tells that there is something.
		x.newest = max(x.newest, m.Notify.NewMessage.ID.Or(math.MaxInt64))
		return x.pull(out), nil
	}
	return out, fmt.Errorf("%w: XIMP message %v", ErrUnexpected, m.ID)
}

func (x *ximpClient) login(serverRAM []byte) *ximp.Message {
	x.sn++
	return &ximp.Message{ID: ximp.IDLogin, SN: x.sn, Request: &ximp.Request{Login: &ximp.LoginRequest{
		MobileType: []byte("pc"), ServerRAM: serverRAM, SecretRAM: ximp.SecretRAM(ximp.Key(x.user), serverRAM, []byte("12345678")),
		HeartFeq: ximp.Some(uint32(x.c.fleet.opts.KeepAlive / time.Second)), NotEncrypt: ximp.Some(true),
	}}}
}

// pull asks for a page if there is something and none has been asked for.
func (x *ximpClient) pull(out []byte) []byte {
	if x.pulling || x.newest < x.next {
		return out
	}
	x.pulling = true
	x.sn++
	return ximp.AppendPacket(out, &ximp.Message{ID: ximp.IDGetInfo, SN: x.sn, Request: &ximp.Request{GetInfo: &ximp.GetInfoRequest{
		InfoType: []byte(ximp.BoxPeer), ID: x.next, Offset: ximp.Some[int32](ximpPage),
	}}}, x.key)
}

// page takes messages. Asking for those after them acknowledges them, so that is done until there are none.
func (x *ximpClient) page(r *ximp.GetInfoResponse, out []byte) ([]byte, error) {
	x.pulling = false
	for _, i := range r.Infos {
		s, err := i.Stored()
		switch {
		case err != nil:
			return out, err
		case x.c.role == nil:
			return out, fmt.Errorf("%w: a message that nobody sent", ErrUnexpected)
		case len(s.Body) != x.c.fleet.opts.Payload:
			return out, fmt.Errorf("%w: a message of %d bytes, not %d", ErrUnexpected, len(s.Body), x.c.fleet.opts.Payload)
		}
		x.next = s.ID.Value + 1
		if err := x.c.role.message(readMark(s.Body)); err != nil {
			return out, err
		}
	}
	if len(r.Infos) == 0 {
		x.newest = x.next - 1 // whatever rings has something newer
		return out, nil
	}
	x.newest = max(x.newest, x.next)
	return x.pull(out), nil
}
