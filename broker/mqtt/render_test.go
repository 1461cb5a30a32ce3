package mqtt

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// render writes a packet from the server as one line. What CONNACK says of the
// server's default limits is left out.
func render(f packet.Frame, v packet.Version) string {
	var err error
	line := ""
	switch f.Type {
	case packet.TypeConnAck:
		var a *packet.ConnAck
		if a, err = packet.DecodeConnAck(f, v); err == nil {
			line = renderConnAck(a)
		}
	case packet.TypePublish:
		p := &packet.Publish{}
		if err = p.DecodeFromServer(f, v); err == nil {
			line = renderPublish(p)
		}
	case packet.TypePubAck, packet.TypePubRec, packet.TypePubRel, packet.TypePubComp:
		var a packet.Ack
		if a, err = packet.DecodeAck(f, v); err == nil {
			line = fmt.Sprintf("%v %d", f.Type, a.PacketID)
			if a.Reason != 0 {
				line += fmt.Sprintf(" %02x", byte(a.Reason))
			}
		}
	case packet.TypeSubAck, packet.TypeUnsubAck:
		line, err = renderSubAck(f, v)
	case packet.TypeDisconnect:
		var d *packet.Disconnect
		if d, err = packet.DecodeDisconnectFromServer(f, v); err == nil {
			line = fmt.Sprintf("DISCONNECT %02x", byte(d.Reason))
		}
	case packet.TypePingResp:
		err = packet.DecodePing(f)
		line = "PINGRESP"
	default:
		line = "unexpected " + f.Type.String()
	}
	if err != nil {
		return fmt.Sprintf("broken %v: %v", f.Type, err)
	}
	return line
}

func renderSubAck(f packet.Frame, v packet.Version) (string, error) {
	decode := packet.DecodeSubAck
	if f.Type == packet.TypeUnsubAck {
		decode = packet.DecodeUnsubAck
	}
	a, err := decode(f, v)
	if err != nil {
		return "", err
	}
	line := fmt.Sprintf("%v %d", f.Type, a.PacketID)
	for _, r := range a.Reasons {
		line += fmt.Sprintf(" %02x", byte(r))
	}
	return line, nil
}

func renderConnAck(a *packet.ConnAck) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CONNACK %02x", byte(a.Reason))
	num := func(show bool, name string, v uint32) {
		if show {
			fmt.Fprintf(&b, " %s=%d", name, v)
		}
	}
	if a.SessionPresent {
		b.WriteString(" present")
	}
	num(a.HasSessionExpiry, "expiry", a.SessionExpiry)
	num(a.ReceiveMaximum != 0 && a.ReceiveMaximum != 1024, "rm", uint32(a.ReceiveMaximum))
	num(a.MaximumPacketSize != 0 && a.MaximumPacketSize != 1<<20, "max", a.MaximumPacketSize)
	num(a.TopicAliasMaximum != 0 && a.TopicAliasMaximum != 32, "alias", uint32(a.TopicAliasMaximum))
	num(a.HasServerKeepAlive, "ka", uint32(a.ServerKeepAlive))
	if id := a.AssignedClientID; strings.HasPrefix(id, "auto-") && len(id) > 20 {
		b.WriteString(" id=auto-*")
	} else if id != "" {
		b.WriteString(" id=" + id)
	}
	if a.ResponseInformation != "" {
		b.WriteString(" response=" + a.ResponseInformation)
	}
	return b.String()
}

func renderPublish(p *packet.Publish) string {
	var b strings.Builder
	fmt.Fprintf(&b, "PUBLISH %s %s q=%d", text(p.Topic), text(p.Payload), p.QoS)
	if p.QoS > 0 {
		fmt.Fprintf(&b, " id=%d", p.PacketID)
	}
	for _, flag := range []struct {
		set  bool
		name string
	}{{p.Dup, "dup"}, {p.Retain, "retain"}, {p.Properties.PayloadFormat == 1, "utf8"}} {
		if flag.set {
			b.WriteString(" " + flag.name)
		}
	}
	pr := &p.Properties
	if pr.HasMessageExpiry {
		fmt.Fprintf(&b, " expiry=%d", pr.MessageExpiry)
	}
	if pr.TopicAlias != 0 {
		fmt.Fprintf(&b, " alias=%d", pr.TopicAlias)
	}
	for _, id := range pr.SubscriptionIDs {
		fmt.Fprintf(&b, " sid=%d", id)
	}
	for _, s := range []struct {
		name  string
		value []byte
	}{{"type", pr.ContentType}, {"response", pr.ResponseTopic}, {"correlation", pr.CorrelationData}} {
		if s.value != nil {
			fmt.Fprintf(&b, " %s=%s", s.name, text(s.value))
		}
	}
	for k, v := range packet.UserProperties(pr.UserProperties) {
		fmt.Fprintf(&b, " user=%s:%s", k, v)
	}
	return b.String()
}

// text writes b so that it stays one readable word: "x*5000" for a long row of
// one byte.
func text(b []byte) string {
	switch {
	case len(b) > 16 && bytes.Count(b, b[:1]) == len(b):
		return fmt.Sprintf("%c*%d", b[0], len(b))
	case len(b) == 0 || bytes.ContainsFunc(b, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return strconv.Quote(string(b))
	}
	return string(b)
}
