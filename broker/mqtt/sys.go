package mqtt

import (
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// sysTopics publishes the server's state below $SYS/broker, under the names
// that mosquitto has made common: at once and then every SysInterval.
type sysTopics struct {
	// static
	srv   *Server
	began time.Time

	// guarded by mu, which is held during an update
	mu      sync.Mutex
	scratch *broker.Scratch
	timer   broker.Timer
	ended   bool
}

func beginSysTopics(srv *Server) *sysTopics {
	clock := srv.broker.Clock()
	s := &sysTopics{srv: srv, scratch: srv.broker.NewScratch(nil), began: clock.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publish("version", "holdfast "+srv.cfg.Version)
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
	st := s.srv.broker.Stats()
	num := func(name string, v int64) { s.publish(name, strconv.FormatInt(v, 10)) }
	var received, sent uint64
	for q := range 3 {
		received += st.Received[q]
		sent += st.Delivered[q]
	}
	var dropped uint64
	for _, n := range st.Dropped {
		dropped += n
	}
	s.publish("uptime", strconv.FormatInt(int64(s.srv.broker.Clock().Now().Sub(s.began)/time.Second), 10)+" seconds")
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
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	num("heap/current", int64(mem.HeapAlloc))
}

func (s *sysTopics) publish(name, value string) {
	s.srv.broker.Publish(s.scratch, &broker.Publish{
		App: s.srv.app,
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
