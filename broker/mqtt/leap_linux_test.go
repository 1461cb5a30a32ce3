package mqtt

import (
	"io"
	"testing"
	"time"
)

// leapStage is an epollStage whose clock leaps, as that of a machine does which
// has been stopped: nothing happens at the moments in between.
type leapStage struct{ *epollStage }

func (st leapStage) advance(d time.Duration) { st.clock.moveTo(st.clock.Now().Add(d)) }

// leaps are scripts for a leapStage.
var leaps = map[string]string{
	"past everything": `
# v5 [MQTT-3.1.2-22], v3.1.1 [MQTT-3.1.2-24], v5 [MQTT-3.3.2-5]: all is due at once, and each but once. Who is found
# to be silent has been cut off just now: its delayed Will and its Session have their time.
w connect v5 id=w clean
  w < CONNACK 00
w sub id=1 will/#
  w < SUBACK 1 00
s connect v5 id=s clean rm=1
  s < CONNACK 00
s sub id=1 t,1
  s < SUBACK 1 01
p connect v5 id=p clean
  p < CONNACK 00
p pub r m retain expiry=60
p pub t m1 q=1 id=1 expiry=60
  p < PUBACK 1
  s < PUBLISH t m1 q=1 id=1 expiry=60
p pub t m2 q=1 id=2 expiry=60
  p < PUBACK 2
o open
a connect v5 id=a expiry=3600 ka=10 will=will/a:gone willdelay=60 willexpiry=60
  a < CONNACK 00
b connect v5 id=b expiry=60 will=will/b:gone willdelay=3600
  b < CONNACK 00
b drop
  b < EOF
c connect v4 id=c ka=10 will=will/c:gone
  c < CONNACK 00
advance 10000h
  a < DISCONNECT 8d
  a < EOF
  c < EOF
  o < EOF
  w < PUBLISH will/b gone q=0
  w < PUBLISH will/c gone q=0
stats sessions
  = sessions=5
advance 59s
advance 2s
  w < PUBLISH will/a gone q=0 expiry=60
s puback 1
stats dropped.expired queued inflight
  = dropped.expired=1 queued=0 inflight=0
w sub id=2 r
  w < SUBACK 2 00
advance 1h
advance 200h
stats sessions
  = sessions=3
`,
	"not far enough": `
a connect v5 id=a expiry=3600 ka=10 will=will:gone willdelay=60
  a < CONNACK 00
a sub id=1 t
  a < SUBACK 1 00
w connect v5 id=w clean
  w < CONNACK 00
w sub id=1 will
  w < SUBACK 1 00
advance 14990ms
a ping
  a < PINGRESP
advance 14990ms
a drop
  a < EOF
advance 59990ms
advance 10ms
  w < PUBLISH will gone q=0
advance 3539990ms
stats sessions
  = sessions=2
advance 31s
stats sessions
  = sessions=1
`,
	"while a publisher waits": `
config inflight=1 queued=1 slow=20s refuse-pause=5s
s connect v5 id=s clean
  s < CONNACK 00
s sub id=1 t,1
  s < SUBACK 1 01
a connect v4 id=a clean
  a < CONNACK 00
a repeat 3 pub t m%d q=1 id=%d
  a < PUBACK 1
  a < PUBACK 2
  s < PUBLISH t m1 q=1 id=1
advance 10000h
  a < PUBACK 3
  s < DISCONNECT 97
  s < EOF
stats slow-ended waiting
  = slow-ended=1 waiting=0
`,
}

// TestClockLeaps has the clock leap.
func TestClockLeaps(t *testing.T) {
	for name, script := range leaps {
		t.Run(name, func(t *testing.T) {
			st := leapStage{newNativeStage(t).(*epollStage)}
			playSettled(t, parseScript(script[1:]), st, io.Discard)
		})
	}
}
