package packet

// MessageProperties are the properties of an Application Message that a Server
// passes on unaltered, for those who make a message themselves. The zero value has
// none.
type MessageProperties struct {
	// PayloadFormat is 1 if the payload is UTF-8; 0, the default, is not sent.
	PayloadFormat byte
	// ContentType is left out if empty.
	ContentType string
	// ResponseTopic is a Topic Name, left out if empty.
	ResponseTopic string
	// CorrelationData is left out if nil.
	CorrelationData []byte
	// User are the User Properties, in order.
	User []UserProperty
}

// Append appends m in the wire form that PublishOut.Forward takes; nothing if a
// value is over MaxStringLength.
func (m *MessageProperties) Append(dst []byte) []byte {
	if !fits(m.ContentType, m.ResponseTopic) || len(m.CorrelationData) > MaxStringLength ||
		!userPropertiesFit(m.User) {
		return dst
	}
	if m.PayloadFormat > 0 {
		dst = append(dst, propPayloadFormat, 1)
	}
	if m.ContentType != "" {
		dst = appendString(append(dst, propContentType), m.ContentType)
	}
	if m.ResponseTopic != "" {
		dst = appendString(append(dst, propResponseTopic), m.ResponseTopic)
	}
	if m.CorrelationData != nil {
		dst = appendString(append(dst, propCorrelationData), m.CorrelationData)
	}
	return appendUserProperties(dst, m.User)
}
