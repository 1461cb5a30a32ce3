package packet

import (
	"bytes"

	"github.com/mochi-mqtt/server/v2/packets"
)

// AppendConnect appends c as a CONNECT; nothing if a string is over
// MaxStringLength. Properties that are present but empty or 0 are sent as absent,
// but for SessionExpiry.
func AppendConnect(dst []byte, c *Connect) []byte {
	if !c.fits() {
		return dst
	}
	pk := newMochi(TypeConnect, c.Version)
	name := "MQTT"
	if c.Version == V31 {
		name = "MQIsdp"
	}
	pk.Connect = packets.ConnectParams{
		ProtocolName:     []byte(name),
		Clean:            c.CleanStart,
		Keepalive:        c.KeepAlive,
		ClientIdentifier: c.ClientID,
		UsernameFlag:     c.HasUsername,
		Username:         []byte(c.Username),
		PasswordFlag:     c.HasPassword,
		Password:         c.Password,
	}
	pk.Properties = packets.Properties{
		SessionExpiryIntervalFlag: c.HasSessionExpiry,
		SessionExpiryInterval:     c.SessionExpiry,
		ReceiveMaximum:            c.ReceiveMaximum,
		MaximumPacketSize:         c.MaximumPacketSize,
		TopicAliasMaximum:         c.TopicAliasMaximum,
		RequestProblemInfoFlag:    c.NoProblemInfo,
		AuthenticationMethod:      c.AuthMethod,
		AuthenticationData:        c.AuthData,
		User:                      toMochiUser(c.UserProperties),
	}
	if c.RequestResponseInfo {
		pk.Properties.RequestResponseInfo = 1
	}
	if w := c.Will; w != nil {
		pk.Connect.WillFlag = true
		pk.Connect.WillQos = byte(w.QoS & 3)
		pk.Connect.WillRetain = w.Retain
		pk.Connect.WillTopic = w.Topic
		pk.Connect.WillPayload = w.Payload
		pk.Connect.WillProperties = packets.Properties{
			PayloadFormatFlag:     w.Properties.PayloadFormat > 0,
			PayloadFormat:         w.Properties.PayloadFormat,
			WillDelayInterval:     w.Delay,
			MessageExpiryInterval: w.MessageExpiry,
			ContentType:           w.Properties.ContentType,
			ResponseTopic:         w.Properties.ResponseTopic,
			CorrelationData:       w.Properties.CorrelationData,
			User:                  toMochiUser(w.Properties.User),
		}
	}
	body := containEncode(func(b *bytes.Buffer) error { return pk.ConnectEncode(b) })
	if body == nil || len(body) > MaxRemainingLength {
		return dst
	}
	return appendBody(dst, byte(TypeConnect)<<4, body)
}

// fits reports whether every string of c can be encoded.
func (c *Connect) fits() bool {
	ok := fits(c.ClientID, c.Username, c.AuthMethod) && len(c.Password) <= MaxStringLength &&
		len(c.AuthData) <= MaxStringLength && userPropertiesFit(c.UserProperties)
	if w := c.Will; w != nil {
		p := &w.Properties
		ok = ok && fits(w.Topic, p.ContentType, p.ResponseTopic) && len(w.Payload) <= MaxStringLength &&
			len(p.CorrelationData) <= MaxStringLength && userPropertiesFit(p.User)
	}
	return ok
}
