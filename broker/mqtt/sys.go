package mqtt

import (
	"runtime"
	"strconv"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// sysTopics publishes the server's state below $SYS/broker, under the names
// that mosquitto has made common.
type sysTopics struct {
	srv     *Server
	scratch *broker.Scratch
	began   time.Time
	stop    chan struct{}
	done    chan struct{}
}

func newSysTopics(srv *Server) *sysTopics {
	return &sysTopics{
		srv: srv, scratch: srv.broker.NewScratch(nil), began: time.Now(),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// run publishes at once and then every SysInterval.
func (s *sysTopics) run() {
	defer close(s.done)
	tick := time.NewTicker(s.srv.cfg.SysInterval)
	defer tick.Stop()
	s.publish("version", "holdfast "+s.srv.cfg.Version)
	for {
		s.update()
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
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
	s.publish("uptime", strconv.FormatInt(int64(time.Since(s.began)/time.Second), 10)+" seconds")
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
	close(s.stop)
	<-s.done
}
