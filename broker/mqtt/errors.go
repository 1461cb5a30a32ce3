package mqtt

import "errors"

// Reasons for which a connection is closed. Those of the packet codec are
// packet.Error.
var (
	errNotConnect       = errors.New("first packet is not CONNECT")
	errUnexpected       = errors.New("packet is not expected from a client in this state")
	errNoAuthMethod     = errors.New("no authentication method was agreed on")
	errConnectTimeout   = errors.New("no CONNECT in time")
	errKeepAlive        = errors.New("nothing heard for one and a half times the keep alive")
	errDisconnect       = errors.New("client has disconnected")
	errReceiveMaximum   = errors.New("more publishes unanswered than the receive maximum")
	errTopicAlias       = errors.New("topic alias is not known or above the maximum")
	errAliasBytes       = errors.New("topic names with an alias are too long together")
	errTooManyLevels    = errors.New("topic has too many levels")
	errNotAuthorized    = errors.New("client is not allowed to")
	errSystemTopic      = errors.New("topic belongs to the server")
	errAnswerTooLarge   = errors.New("answer is larger than the client's maximum packet size")
	errConnAckTooLarge  = errors.New("CONNACK is larger than the client's maximum packet size")
	errSessionExpiry    = errors.New("session expiry interval was 0 and cannot be changed")
	errAckOutOfStep     = errors.New("acknowledgement does not fit the delivery's QoS")
	errNoAuthentication = errors.New("authentication method is not supported")
)
