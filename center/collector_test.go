package center

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/storage/memory"
)

// newCollectorForTest returns a Collector of a node that has served nobody.
func newCollectorForTest(t *testing.T, st Store, hooks ...broker.Hook) *Collector {
	t.Helper()
	engine, err := netloop.New(netloop.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	b := broker.New(broker.Config{Store: memory.New(), Hooks: hooks})
	m := mqtt.NewServer(mqtt.Config{Broker: b, SysInterval: -1}, engine)
	t.Cleanup(func() {
		m.Stop()
		if err := engine.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Errorf("Shutdown: %v", err)
		}
		b.Close()
	})
	return NewCollector(Node{Broker: b, MQTT: m, Engine: engine, Store: st})
}

// gathered returns the values of metrics by name and labels, and the histograms by name.
func gathered(t *testing.T, c prometheus.Collector) (values map[string]float64, buckets map[string]map[float64]uint64) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values, buckets = make(map[string]float64), make(map[string]map[float64]uint64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			switch {
			case m.GetHistogram() != nil:
				values[name] = float64(m.GetHistogram().GetSampleCount())
				buckets[name] = make(map[float64]uint64)
				for _, b := range m.GetHistogram().GetBucket() {
					buckets[name][b.GetUpperBound()] = b.GetCumulativeCount()
				}
			case m.GetGauge() != nil:
				values[name] = m.GetGauge().GetValue()
			default:
				values[name] = m.GetCounter().GetValue()
			}
		}
	}
	return values, buckets
}

func TestCollectorShowsStore(t *testing.T) {
	st := &fakeStore{stats: StoreStats{
		Commits: 10, Entries: 20, Cancelled: 3, Refused: 4, Reads: 5, Corrupt: 6, GCRuns: 7, Errors: 8,
		PendingOperations: 9, PendingBytes: 11, Bodies: 12, Full: true, LSMBytes: 13, VlogBytes: 14,
		CommitSeconds: 2.5, CommitLatency: []LatencyBucket{{0.001, 4}, {0.002, 9}}, LastErrorAt: time.Unix(1, 0),
	}}
	got, buckets := gathered(t, newCollectorForTest(t, st))
	for name, want := range map[string]float64{
		"holdfast_store_entries_total": 20, "holdfast_store_cancelled_total": 3, "holdfast_store_refused_total": 4,
		"holdfast_store_reads_total": 5, "holdfast_store_corrupt_total": 6, "holdfast_store_gc_runs_total": 7, "holdfast_store_errors_total": 8,
		"holdfast_store_pending_operations": 9, "holdfast_store_pending_bytes": 11, "holdfast_store_bodies": 12, "holdfast_store_full": 1,
		"holdfast_store_disk_bytes part=lsm": 13, "holdfast_store_disk_bytes part=value_log": 14, "holdfast_store_commit_seconds": 10,
		"holdfast_flash_sessions": 0, "holdfast_flash_bytes": 0, "holdfast_denied_total": 0,
		"holdfast_connections_closed_by_server_total reason=acknowledges_nothing": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: got %v (there: %v), want %v", name, v, ok, want)
		}
	}
	if b := buckets["holdfast_store_commit_seconds"]; len(b) != 2 || b[0.001] != 4 || b[0.002] != 9 {
		t.Errorf("buckets of the commits: got %v, want 4 and 9", b)
	}
}

func TestCollectorWithoutStore(t *testing.T) {
	got, _ := gathered(t, newCollectorForTest(t, nil))
	if _, ok := got["holdfast_store_full"]; ok || len(got) < 20 {
		t.Errorf("got %v, want all but the store's", got)
	}
}

func TestCollectorShowsEntry(t *testing.T) {
	c := newCollectorForTest(t, nil)
	c.node.Door = func() Door { return Door{Refused: map[string]uint64{"node_full": 3, "address_list": 0}} }
	c.node.Listeners = func() map[string]int64 { return map[string]int64{"ws://127.0.0.1:8080/mqtt": 7, "unix:///s": 0} }
	c.node.Guard = func() Guard {
		return Guard{Authenticators: []Authenticator{{Name: "jwt", Allowed: 1, Denied: 2, Failed: 4}}, Unknown: 5, Blocked: 6}
	}
	got, _ := gathered(t, c)
	for name, want := range map[string]float64{
		"holdfast_connections_refused_total reason=node_full": 3, "holdfast_connections_refused_total reason=address_list": 0,
		"holdfast_authenticator_decisions_total authenticator=jwt outcome=allowed":  1,
		"holdfast_authenticator_decisions_total authenticator=jwt outcome=denied":   2,
		"holdfast_authenticator_decisions_total authenticator=jwt outcome=failed":   4,
		"holdfast_authenticator_decisions_total authenticator=none outcome=unknown": 5,
		"holdfast_authenticator_decisions_total authenticator=none outcome=blocked": 6,
		"holdfast_authentications_total outcome=allowed":                            0,
		"holdfast_tls_handshakes_total outcome=refused":                             0,
		"holdfast_tls_handshakes_total outcome=displaced":                           0,
		"holdfast_listener_connections listener=ws://127.0.0.1:8080/mqtt":           7,
		"holdfast_listener_connections listener=unix:///s":                          0,
		"holdfast_tls_handshakes_under_way":                                         0,
		"holdfast_tls_handshake_rest_seconds_total":                                 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: got %v (there: %v), want %v", name, v, ok, want)
		}
	}
}

// wary is a hook that observes, and rejects and panics as the Topic Name says.
type wary struct{}

func (wary) ID() string { return "wary" }

func (wary) OnPublished(context.Context, *broker.Published) {}

func (wary) OnPublish(p *broker.Publication) broker.Interception {
	switch p.TopicName {
	case "panic":
		panic("hook is broken")
	case "reject":
		return broker.Reject
	}
	return broker.Drop
}

func TestCollectorShowsHooks(t *testing.T) {
	c := newCollectorForTest(t, nil, wary{})
	sc := c.node.Broker.NewScratch(nil)
	for _, name := range []string{"panic", "reject", "reject", "drop"} {
		c.node.Broker.Publish(sc, &broker.Publish{App: c.node.Broker.App(broker.DefaultApp), Message: &broker.Message{TopicName: name}})
	}
	got, _ := gathered(t, c)
	for name, want := range map[string]float64{
		"holdfast_hook_panics_total kind=publish": 1, "holdfast_hook_panics_total kind=authenticate": 0, "holdfast_hook_panics_total kind=authorize": 0,
		"holdfast_hook_panics_total kind=session": 0, "holdfast_hook_panics_total kind=delivery": 0, "holdfast_hook_events_lost_total hook=wary": 0,
		"holdfast_publishes_intercepted_total outcome=rejected": 3, "holdfast_publishes_intercepted_total outcome=dropped": 1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: got %v (there: %v), want %v", name, v, ok, want)
		}
	}
}
