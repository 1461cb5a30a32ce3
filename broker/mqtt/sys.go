package mqtt

import (
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// maxSysApps is how many Apps have topics below $SYS: those that have come up first.
const maxSysApps = 100

// sysTopics publishes the state of each App, to the App itself, below $SYS/broker, under the names
// that mosquitto has made common: at once and then, if it has changed, every SysInterval. What is the node's
// alone, such as the size of its heap, only the default App is told.
type sysTopics struct {
	// static
	srv   *Server
	began time.Time

	// guarded by mu, which is held during an update
	mu      sync.Mutex
	scratch *broker.Scratch
	timer   broker.Timer
	last    map[sysTopic]string // what has been published
	ended   bool
}

// sysTopic is a topic of an App, without "$SYS/broker/".
type sysTopic struct{ app, name string }

func beginSysTopics(srv *Server) *sysTopics {
	clock := srv.broker.Clock()
	s := &sysTopics{srv: srv, scratch: srv.broker.NewScratch(nil), began: clock.Now(), last: make(map[sysTopic]string)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update()
	s.timer = clock.AfterFunc(srv.cfg.SysInterval, s.tick)
	return s
}

func (s *sysTopics) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.update()
		s.timer.Reset(s.srv.cfg.SysInterval)
	}
}

func (s *sysTopics) update() {
	apps := s.srv.broker.AppStats()
	uptime := strconv.FormatInt(int64(s.srv.broker.Clock().Now().Sub(s.began)/time.Second), 10) + " seconds"
	for i := range apps[:min(len(apps), maxSysApps)] {
		s.publish(apps[i].Name, "version", "holdfast "+s.srv.cfg.Version)
		s.publish(apps[i].Name, "uptime", uptime)
		s.publishStats(apps[i].Name, &apps[i].Stats)
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	s.publish(broker.DefaultApp, "heap/current", strconv.FormatUint(mem.HeapAlloc, 10))
}

// publishStats tells an App of itself.
func (s *sysTopics) publishStats(app string, st *broker.Stats) {
	num := func(name string, v int64) { s.publish(app, name, strconv.FormatInt(v, 10)) }
	var received, sent uint64
	for q := range 3 {
		received += st.Received[q]
		sent += st.Delivered[q]
	}
	var dropped uint64
	for _, n := range st.Dropped {
		dropped += n
	}
	num("clients/connected", st.Connected)
	num("clients/disconnected", st.Sessions-st.Connected)
	num("clients/total", st.Sessions)
	num("subscriptions/count", st.Subscriptions)
	num("shared_subscriptions/count", st.SharedGroups)
	num("retained messages/count", st.Retained)
	num("store/messages/count", st.Queued)
	num("store/messages/bytes", st.QueuedBytes)
	num("messages/inflight", st.Inflight)
	num("publish/messages/received", int64(received))
	num("publish/messages/sent", int64(sent))
	num("publish/messages/dropped", int64(dropped))
	num("publish/bytes/received", int64(st.BytesIn))
	num("publish/bytes/sent", int64(st.BytesOut))
}

func (s *sysTopics) publish(app, name, value string) {
	topic := sysTopic{app, name}
	if s.last[topic] == value {
		return
	}
	s.last[topic] = value
	s.srv.broker.Publish(s.scratch, &broker.Publish{
		App: s.srv.broker.App(app),
		Message: &broker.Message{
			TopicName: "$SYS/broker/" + name,
			Payload:   []byte(value),
			Retain:    true,
		},
	})
}

// end stops the updates and waits for one that is going on.
func (s *sysTopics) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.timer.Stop()
}
