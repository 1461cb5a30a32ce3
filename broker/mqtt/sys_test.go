package mqtt

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// TestSysByApp has clients of several Apps look at $SYS: each sees what its own App does, and the node's memory only the default
// one. What has not changed is not said again.
func TestSysByApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLimitedServer(t, broker.AppLimits{}, Config{SysInterval: time.Second, Version: "1"})
		x, y, d := dialAs(s, "v5 id=a username=x clean"), dialAs(s, "v4 id=a username=y clean"), dialAs(s, "v4 id=a clean")
		dialAs(s, "v5 id=b username=x clean")
		x.do("sub id=1 t/+,1 u,0", "SUBACK 1 01 00")
		for i := range 3 {
			x.do(fmt.Sprintf("pub t/%d x q=1 id=1", i), fmt.Sprintf("PUBLISH t/%d x q=1 id=%d", i, i+1), "PUBACK 1")
		}
		x.do("puback 1")
		y.do("pub other yy q=0")
		<-time.After(1500 * time.Millisecond)
		for _, tt := range []struct{ name, x, y, d string }{
			{"clients/connected", "2", "1", "1"},
			{"clients/total", "2", "1", "1"},
			{"subscriptions/count", "2", "0", "0"},
			{"messages/inflight", "2", "0", "0"},
			{"publish/messages/received", "3", "1", "0"},
			{"publish/messages/sent", "3", "0", "0"},
			{"publish/bytes/received", "3", "2", "0"},
			{"version", `"holdfast 1"`, `"holdfast 1"`, `"holdfast 1"`},
		} {
			for _, c := range []struct {
				*client
				want string
			}{{x, tt.x}, {y, tt.y}, {d, tt.d}} {
				name := "$SYS/broker/" + tt.name
				c.do("sub id=1 "+name+",0", "SUBACK 1 00", "PUBLISH "+name+" "+c.want+" q=0 retain")
				c.do("unsub id=2 "+name, map[bool]string{true: "UNSUBACK 2 00", false: "UNSUBACK 2"}[c.client == x])
			}
		}
		for _, c := range []*client{x, y} {
			c.do("sub id=1 $SYS/broker/heap/#,0", "SUBACK 1 00")
			c.do("ping", "PINGRESP")
		}
		d.do("sub id=1 $SYS/broker/heap/#,0", "SUBACK 1 00")
		if f, ok := d.wait(); !ok || f.Type != 3 {
			t.Errorf("the default App: got %v, want the heap", f.Type)
		}
		y.do("sub id=1 $SYS/broker/clients/#,0", "SUBACK 1 00")
		<-time.After(time.Second)
		y.drain()
		<-time.After(10 * time.Second)
		if got := y.drain(); len(got) != 0 {
			t.Errorf("got %v though nothing has changed", got)
		}
	})
}
