package center

// The metrics of the native protocols.
var (
	nativeLogins    = counter("native_logins_total", "Logins and binds of native protocols by outcome.", "protocol", "outcome")
	nativeClosed    = counter("native_connections_closed_total", "Connections of native protocols that the server has ended, by reason.", "protocol", "reason")
	nativeReceived  = counter("native_packets_received_total", "Packets of native protocols received, by type.", "protocol", "type")
	nativeUplinks   = counter("native_uplinks_total", "Messages of devices that speak native protocols, by outcome.", "protocol", "outcome")
	nativeSent      = counter("native_sent_total", "What was sent to devices that speak native protocols, by kind.", "protocol", "kind")
	nativeRooms     = counter("native_rooms_total", "What has happened to rooms of native protocols, by event.", "protocol", "event")
	nativeRoomBytes = gauge("native_room_kept_bytes", "Bytes of the messages of rooms that are kept for clients which have missed some.", "protocol")
	nativeUncertain = counter("native_uncertain_total", "What devices have sent that is not known for certain what it means.", "protocol", "what")
)

// Front is what has been counted of a native protocol.
type Front struct {
	Protocol                                                  string
	Logins, Closed, Received, Uplinks, Sent, Rooms, Uncertain map[string]uint64 // by the label of the metric
	KeptBytes                                                 int
}

// NewFront returns one that has counted nothing.
func NewFront(protocol string) Front {
	return Front{
		Protocol: protocol, Logins: make(map[string]uint64), Closed: make(map[string]uint64), Received: make(map[string]uint64),
		Uplinks: make(map[string]uint64), Sent: make(map[string]uint64), Rooms: make(map[string]uint64), Uncertain: make(map[string]uint64),
	}
}

func (c *Collector) collectFronts(emit emitFunc) {
	if c.node.Natives == nil {
		return
	}
	for _, f := range c.node.Natives() {
		emit(nativeRoomBytes, float64(f.KeptBytes), f.Protocol)
		for _, part := range []struct {
			metric metric
			counts map[string]uint64
		}{
			{nativeLogins, f.Logins},
			{nativeClosed, f.Closed},
			{nativeReceived, f.Received},
			{nativeUplinks, f.Uplinks},
			{nativeSent, f.Sent},
			{nativeRooms, f.Rooms},
			{nativeUncertain, f.Uncertain},
		} {
			for label, n := range part.counts {
				emit(part.metric, float64(n), f.Protocol, label)
			}
		}
	}
}
