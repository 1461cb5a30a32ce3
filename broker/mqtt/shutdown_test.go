package mqtt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// TestWillsAtShutdown ends a server with clients on all of its loops, while one
// subscribes to their Wills. It is told of those whose clients go before it, and
// of none after its DISCONNECT; the Session keeps all, since none is acknowledged:
// v5 [MQTT-3.1.2-8], [MQTT-3.14.4-1], v3.1.1 [MQTT-3.1.2-8]. The Will that may be
// delayed is not published.
func TestWillsAtShutdown(t *testing.T) {
	eachEngine(t, func(t *testing.T, loop netloop.Config) {
		const wills = 20
		loop.Loops = 3
		s := newServer(t, setup{loop: loop})
		w := dialAs(s, "v5 id=w expiry=100")
		w.do("sub id=1 will/#,1", "SUBACK 1 01")
		for i := range wills {
			dialAs(s, fmt.Sprintf("%s id=c%d clean will=will/%d:gone willq=1", []string{"v3", "v4", "v5"}[i%3], i, i))
		}
		dialAs(s, "v5 id=later expiry=100 will=will/later:gone willdelay=10 willq=1")
		s.shutdown()
		told := make(map[string]bool)
		for line := w.line(); line != "DISCONNECT 8b"; line = w.line() {
			name, ok := strings.CutPrefix(strings.Fields(line)[1], "will/")
			if !ok || name == "later" || told[name] {
				t.Fatalf("got %s, want each Will once, or DISCONNECT 8b", line)
			}
			told[name] = true
		}
		w.expect("EOF")
		if st := s.broker.Stats(); st.Queued != wills || st.Sessions != 2 || st.Inflight != int64(len(told)) {
			t.Errorf("%d Wills are kept, %d of them sent, in %d Sessions; want %d, %d sent, in 2", st.Queued, st.Inflight, st.Sessions, wills, len(told))
		}
	})
}
