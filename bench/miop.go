package bench

import (
	"fmt"

	miop "github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
)

// miopAppID is the appid of the generator's users.
const miopAppID = 1

// miopClient binds a user whose Session ends with the connection, and acknowledges each message.
type miopClient struct {
	c    *client
	user string
	out  []byte // reused
}

func (m *miopClient) hello() []byte {
	b := miop.BindRequest{User: []byte(m.user), AppID: miopAppID, KeepAlive: miop.DefaultKeepAlive, Transient: true}
	return miop.AppendFrame(nil, &miop.Frame{Version: 5, Opcode: miop.Bind, Props: b.Props()})
}

func (*miopClient) beat() []byte {
	return miop.AppendFrame(nil, &miop.Frame{Version: 5, Opcode: miop.Ping})
}

func (m *miopClient) data(b []byte) (n int, out []byte, err error) {
	m.c.meter.now = 0
	m.out = m.out[:0]
	for {
		f, size, err := miop.ReadFrame(b[n:])
		if err == nil && size > 0 {
			err = m.frame(&f)
		}
		if err != nil || size == 0 {
			return n, m.out, err
		}
		n += size
	}
}

// frame takes one frame, and notes what to answer.
func (m *miopClient) frame(f *miop.Frame) error {
	switch kind := f.Kind(); {
	case kind == miop.Pong:
		return nil
	case kind == miop.BindAck && m.c.stage == connecting:
		if r, ok := f.Props.Uint("r"); !ok || r != miop.AnswerOK {
			return fmt.Errorf("%w the bind: r:%d", ErrRefused, r)
		}
		record(m.c.meter.latency, m.c.meter.clock()-m.c.dialed)
		m.c.becomeReady()
		return nil
	case kind == miop.Msg && m.c.stage == ready:
		return m.message(f)
	default:
		return fmt.Errorf("%w: MIOP frame %v", ErrUnexpected, kind)
	}
}

func (m *miopClient) message(f *miop.Frame) error {
	for rest := f.Data; len(rest) > 0; {
		var e miop.Entry
		var err error
		e, rest, err = miop.NextEntry(rest, miop.Long)
		switch {
		case err != nil:
			return err
		case m.c.role == nil:
			return fmt.Errorf("%w: a message that nobody sent", ErrUnexpected)
		case len(e.Body) != m.c.fleet.opts.Payload:
			return fmt.Errorf("%w: a message of %d bytes, not %d", ErrUnexpected, len(e.Body), m.c.fleet.opts.Payload)
		}
		if err := m.c.role.message(readMark(e.Body)); err != nil {
			return err
		}
	}
	if ack, ok := f.Props.Get("ack"); ok && string(ack) != "0" {
		m.out = append(m.out, 0, 5, 0, byte(miop.MsgAck), 0, byte(len("ack:")+len(ack)))
		m.out = append(append(m.out, "ack:"...), ack...)
	}
	return nil
}
