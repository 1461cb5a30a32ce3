package packet

// reasonSet is a set of Reason Codes.
type reasonSet [4]uint64

func setOf(codes ...ReasonCode) (s reasonSet) {
	for _, c := range codes {
		s[c>>6] |= 1 << (c & 63)
	}
	return s
}

func (s *reasonSet) has(c ReasonCode) bool { return s[c>>6]&(1<<(c&63)) != 0 }

var (
	pubAckReasons = setOf(Success, NoMatchingSubscribers, UnspecifiedError,
		ImplementationSpecificError, NotAuthorized, TopicNameInvalid, PacketIdentifierInUse,
		QuotaExceeded, PayloadFormatInvalid)
	pubRelReasons = setOf(Success, PacketIdentifierNotFound)

	// allowedReasons are the Reason Codes of each packet, whoever sends it.
	allowedReasons = [16]reasonSet{
		TypeConnAck: setOf(Success, UnspecifiedError, MalformedPacket, ProtocolError,
			ImplementationSpecificError, UnsupportedProtocolVersion, ClientIdentifierNotValid,
			BadUserNameOrPassword, NotAuthorized, ServerUnavailable, ServerBusy, Banned,
			BadAuthenticationMethod, TopicNameInvalid, PacketTooLarge, QuotaExceeded,
			PayloadFormatInvalid, RetainNotSupported, QoSNotSupported, UseAnotherServer,
			ServerMoved, ConnectionRateExceeded),
		TypePubAck:  pubAckReasons,
		TypePubRec:  pubAckReasons,
		TypePubRel:  pubRelReasons,
		TypePubComp: pubRelReasons,
		TypeSubAck: setOf(GrantedQoS0, GrantedQoS1, GrantedQoS2, UnspecifiedError,
			ImplementationSpecificError, NotAuthorized, TopicFilterInvalid,
			PacketIdentifierInUse, QuotaExceeded, SharedSubscriptionsNotSupported,
			SubscriptionIdentifiersNotSupported, WildcardSubscriptionsNotSupported),
		TypeUnsubAck: setOf(Success, NoSubscriptionExisted, UnspecifiedError,
			ImplementationSpecificError, NotAuthorized, TopicFilterInvalid,
			PacketIdentifierInUse),
		TypeAuth: setOf(Success, ContinueAuthentication, ReAuthenticate),
	}

	// clientDisconnectReasons are those of a DISCONNECT sent by a Client.
	clientDisconnectReasons = setOf(NormalDisconnection, DisconnectWithWill, UnspecifiedError,
		MalformedPacket, ProtocolError, ImplementationSpecificError, TopicNameInvalid,
		ReceiveMaximumExceeded, TopicAliasInvalid, PacketTooLarge, MessageRateTooHigh,
		QuotaExceeded, AdministrativeAction, PayloadFormatInvalid)

	// serverDisconnectReasons are those of a DISCONNECT sent by a Server. 0x8C
	// is in section 2.4 though not in 3.14.2.1, and 0x00 in use by servers.
	serverDisconnectReasons = setOf(NormalDisconnection, UnspecifiedError, MalformedPacket,
		ProtocolError, ImplementationSpecificError, NotAuthorized, ServerBusy,
		ServerShuttingDown, BadAuthenticationMethod, KeepAliveTimeout, SessionTakenOver,
		TopicFilterInvalid, TopicNameInvalid, ReceiveMaximumExceeded, TopicAliasInvalid,
		PacketTooLarge, MessageRateTooHigh, QuotaExceeded, AdministrativeAction,
		PayloadFormatInvalid, RetainNotSupported, QoSNotSupported, UseAnotherServer,
		ServerMoved, SharedSubscriptionsNotSupported, ConnectionRateExceeded,
		MaximumConnectTime, SubscriptionIdentifiersNotSupported,
		WildcardSubscriptionsNotSupported)
)

// reasonAllowed reports whether a packet of type t may carry c.
func reasonAllowed(t Type, c ReasonCode) bool { return allowedReasons[t&15].has(c) }
