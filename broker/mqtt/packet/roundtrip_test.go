package packet

import (
	"reflect"
	"testing"
)

// TestRoundTrip checks decode(encode(x)) = x for random packets of the kinds that
// TestPublishAgainstMochi and TestAcksAgainstMochi do not have.
func TestRoundTrip(t *testing.T) {
	g := newGenerator(t)
	for range 2000 {
		v := vAll[g.IntN(3)]
		checkRoundTrip(t, v, g.connect(v), func(c *Connect) []byte { return AppendConnect(nil, c) },
			func(f Frame, _ Version) (*Connect, error) { return DecodeConnect(f) })
		checkRoundTrip(t, v, g.connAck(v), func(a *ConnAck) []byte { return AppendConnAck(nil, v, a, 0) }, DecodeConnAck)
		checkRoundTrip(t, v, g.subscribe(v), func(s *Subscribe) []byte { return AppendSubscribe(nil, v, s) }, DecodeSubscribe)
		checkRoundTrip(t, v, g.unsubscribe(v), func(u *Unsubscribe) []byte { return AppendUnsubscribe(nil, v, u) }, DecodeUnsubscribe)
		checkRoundTrip(t, v, g.subAck(v), func(a *SubAck) []byte { return AppendSubAck(nil, v, a, 0) }, DecodeSubAck)
		checkRoundTrip(t, v, g.disconnect(v), func(d *Disconnect) []byte { return AppendDisconnect(nil, v, d, 0) }, DecodeDisconnect)
		checkRoundTrip(t, V5, g.auth(), func(a *Auth) []byte { return AppendAuth(nil, a, 0) }, DecodeAuth)
	}
}

func checkRoundTrip[T any](t *testing.T, v Version, x *T, encode func(*T) []byte, decode func(Frame, Version) (*T, error)) {
	t.Helper()
	b := encode(x)
	got, err := decode(one(t, b), v)
	clear(b) // what was decoded must not alias it
	if err != nil || !reflect.DeepEqual(got, x) {
		t.Fatalf("version %v: got %+v, %v, want %+v", v, got, err, x)
	}
}

func (g generator) explanation(v Version) (e Explanation) {
	if v == V5 {
		e = Explanation{ReasonString: g.text(0), User: g.user()}
	}
	return e
}

func (g generator) connect(v Version) *Connect {
	c := &Connect{Version: v, CleanStart: g.flag(), KeepAlive: uint16(g.Uint32()), ClientID: g.text(1)}
	if g.flag() {
		c.HasUsername, c.Username = true, g.text(0)
	}
	if g.flag() && (c.HasUsername || v == V5) {
		c.HasPassword, c.Password = true, g.bytes(20)
	}
	if g.flag() {
		c.Will = &Will{Topic: g.text(1), Payload: g.bytes(20), QoS: QoS(g.IntN(3)), Retain: g.flag()}
	}
	if v != V5 {
		return c
	}
	c.HasSessionExpiry = g.flag()
	if c.HasSessionExpiry {
		c.SessionExpiry = g.Uint32()
	}
	c.ReceiveMaximum, c.MaximumPacketSize, c.TopicAliasMaximum = uint16(g.Uint32()), g.Uint32(), uint16(g.Uint32())
	c.RequestResponseInfo, c.NoProblemInfo, c.UserProperties = g.flag(), g.flag(), g.user()
	if g.flag() {
		c.HasAuthMethod, c.AuthMethod, c.AuthData = true, g.text(1), append(g.bytes(20), 1)
	}
	if w := c.Will; w != nil {
		w.Delay, w.Properties = g.Uint32(), g.message()
		w.Forward = w.Properties.Append(nil)
		if g.flag() { // an interval of 0 is sent as none
			w.HasMessageExpiry, w.MessageExpiry = true, 1+g.Uint32N(1<<31)
		}
	}
	return c
}

func (g generator) connAck(v Version) *ConnAck {
	a := &ConnAck{Reason: []ReasonCode{Success, ServerUnavailable, NotAuthorized}[g.IntN(3)]}
	a.SessionPresent = a.Reason == Success && v != V31 && g.flag()
	if v != V5 {
		return a
	}
	if a.HasSessionExpiry = g.flag(); a.HasSessionExpiry {
		a.SessionExpiry = g.Uint32()
	}
	if a.HasMaximumQoS = g.flag(); a.HasMaximumQoS {
		a.MaximumQoS = QoS(g.IntN(2))
	}
	if a.HasServerKeepAlive = g.flag(); a.HasServerKeepAlive {
		a.ServerKeepAlive = uint16(g.Uint32())
	}
	a.ReceiveMaximum, a.MaximumPacketSize, a.TopicAliasMaximum = uint16(g.Uint32()), g.Uint32(), uint16(g.Uint32())
	a.NoRetain, a.NoWildcards, a.NoSubscriptionIDs, a.NoShared = g.flag(), g.flag(), g.flag(), g.flag()
	a.AssignedClientID, a.ResponseInformation, a.ServerReference = g.text(0), g.text(0), g.text(0)
	if a.AuthMethod = g.text(0); g.flag() {
		a.AuthData = append(g.bytes(20), 1)
	}
	a.Explanation = g.explanation(v)
	return a
}

func (g generator) subscribe(v Version) *Subscribe {
	s := &Subscribe{PacketID: g.id()}
	for range 1 + g.IntN(5) {
		f := Filter{TopicFilter: g.text(1) + "/+", QoS: QoS(g.IntN(3))}
		if v == V5 {
			f.NoLocal, f.RetainAsPublished, f.RetainHandling = g.flag(), g.flag(), byte(g.IntN(3))
		}
		s.Filters = append(s.Filters, f)
	}
	if v == V5 {
		s.SubscriptionID, s.UserProperties = g.Uint32N(MaxRemainingLength+1), g.user()
	}
	return s
}

func (g generator) unsubscribe(v Version) *Unsubscribe {
	u := &Unsubscribe{PacketID: g.id()}
	for range 1 + g.IntN(5) {
		u.Filters = append(u.Filters, g.text(1)+"/#")
	}
	if v == V5 {
		u.UserProperties = g.user()
	}
	return u
}

func (g generator) subAck(v Version) *SubAck {
	a := &SubAck{PacketID: g.id(), Explanation: g.explanation(v)}
	for range 1 + g.IntN(5) {
		a.Reasons = append(a.Reasons, []ReasonCode{GrantedQoS0, GrantedQoS1, GrantedQoS2, UnspecifiedError}[g.IntN(4)])
	}
	return a
}

func (g generator) disconnect(v Version) *Disconnect {
	d := &Disconnect{Explanation: g.explanation(v)}
	if v == V5 {
		d.Reason = []ReasonCode{NormalDisconnection, DisconnectWithWill, UnspecifiedError}[g.IntN(3)]
		if d.HasSessionExpiry = g.flag(); d.HasSessionExpiry {
			d.SessionExpiry = g.Uint32()
		}
	}
	return d
}

func (g generator) auth() *Auth {
	a := &Auth{Reason: ContinueAuthentication, Method: g.text(1), Explanation: g.explanation(V5)}
	if g.flag() {
		a.Data = append(g.bytes(20), 1)
	}
	return a
}
