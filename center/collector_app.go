package center

import "github.com/holdfast-mqtt/holdfast/broker"

// Bounds of the label app: the first Apps that have come up have their own, all others share one. An App of that name is
// among those.
const (
	maxApps   = 100
	otherApps = "other"
)

// The metrics of each App.
var (
	appConnected     = gauge("app_sessions_connected", "Sessions of an App with a Network Connection.", "app")
	appSessions      = gauge("app_sessions", "Sessions of an App, off line ones included.", "app")
	appSubscriptions = gauge("app_subscriptions", "Subscriptions of an App.", "app")
	appRetained      = gauge("app_retained_messages", "Retained messages of an App.", "app")
	appQueueMessages = gauge("app_queue_messages", "Messages of an App that Sessions keep.", "app")
	appQueueBytes    = gauge("app_queue_bytes", "Bytes of the messages of an App that Sessions keep.", "app")
	appMessages      = counter("app_messages_total", "PUBLISH packets of an App by direction.", "app", "direction")
	appPayload       = counter("app_payload_bytes_total", "Payload bytes of PUBLISH packets of an App by direction.", "app", "direction")
	appDropped       = counter("app_messages_dropped_total", "Messages of an App that did not reach a Session they matched.", "app")
	appRefused       = counter("app_publishes_refused_total", "Publishes of an App that were not acknowledged because a bound was reached.", "app")
	appPauses        = counter("app_publish_pauses_total", "Times that nothing more was taken from a client of an App for a while because it, or the App, published too fast.", "app")
	appLimited       = counter("app_limited_total", "What was refused because of a bound of the App, by bound.", "app", "limit")
)

func (c *Collector) collectApps(emit emitFunc) {
	for _, st := range fewApps(c.node.Broker.AppStats()) {
		app := st.Name
		emit(appConnected, float64(st.Connected), app)
		emit(appSessions, float64(st.Sessions), app)
		emit(appSubscriptions, float64(st.Subscriptions), app)
		emit(appRetained, float64(st.Retained), app)
		emit(appQueueMessages, float64(st.Queued), app)
		emit(appQueueBytes, float64(st.QueuedBytes), app)
		emit(appMessages, float64(st.Received[0]+st.Received[1]+st.Received[2]), app, "received")
		emit(appMessages, float64(st.Delivered[0]+st.Delivered[1]+st.Delivered[2]), app, "sent")
		emit(appPayload, float64(st.BytesIn), app, "received")
		emit(appPayload, float64(st.BytesOut), app, "sent")
		var dropped uint64
		for _, n := range st.Dropped {
			dropped += n
		}
		emit(appDropped, float64(dropped), app)
		emit(appRefused, float64(st.Refused), app)
		emit(appPauses, float64(st.Pauses), app)
		for limit, n := range st.Limited {
			emit(appLimited, float64(n), app, limit)
		}
	}
}

// fewApps sums up the Apps that are too many.
func fewApps(all []broker.AppStats) []broker.AppStats {
	few := make([]broker.AppStats, 0, min(len(all), maxApps+1))
	var other *broker.AppStats
	for i := range all {
		switch st := &all[i]; {
		case i < maxApps && st.Name != otherApps:
			few = append(few, *st)
		case other == nil:
			other, st.Name = st, otherApps
		default:
			other.Add(st)
		}
	}
	if other != nil {
		few = append(few, *other)
	}
	return few
}
