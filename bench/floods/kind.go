package floods

import "slices"

// Kind is a kind of flood, see the package comment.
type Kind string

// The kinds.
const (
	Connect     Kind = "connect"
	Silent      Kind = "silent"
	HalfTLS     Kind = "half-tls"
	Hello       Kind = "hello"
	TLSBytes    Kind = "tls-bytes"
	WSBytes     Kind = "ws-bytes"
	Upgrade     Kind = "upgrade"
	BigRecords  Kind = "big-records"
	Garbage     Kind = "garbage"
	Renegotiate Kind = "renegotiate"
)

// spec is what a kind does.
type spec struct {
	kind   Kind
	scheme string  // of the listener that it is for
	unit   string  // what an attempt is
	share  float64 // attempts, by Options.Attempts
	// held is how many connections it has at most, all the time or until the oldest is closed; 0: as many as workers.
	held    int
	workers int // attempts at a time
	prepare func(*Flood) error
	attempt func(f *Flood, n int64) error // the n-th, from 0
	dummy   dummy
}

// dummy is what a dummy has to do for a flood to go on.
type dummy struct {
	tls     bool // do a handshake
	upgrade bool // answer a request for a WebSocket
	answer  bool // close after the first bytes, those of the handshake left out; without one, answer
}

func specs() []spec {
	return []spec{
		{kind: Connect, scheme: "mqtt", unit: "connections", share: 1, workers: 64, attempt: (*Flood).connect},
		{kind: Silent, scheme: "mqtt", unit: "connections", share: 0.2, workers: 64, held: 4000, attempt: (*Flood).silent},
		{kind: HalfTLS, scheme: "mqtts", unit: "connections", share: 0.1, workers: 64, held: 1500, attempt: (*Flood).halfTLS},
		{kind: Hello, scheme: "mqtts", unit: "handshakes", share: 0.2, workers: 256, attempt: (*Flood).hello, dummy: dummy{answer: true}},
		{
			kind: TLSBytes, scheme: "mqtts", unit: "records", share: 2, workers: 64, held: 50,
			prepare: (*Flood).prepareTLS, attempt: (*Flood).byteOfMany, dummy: dummy{tls: true},
		},
		{
			kind: WSBytes, scheme: "ws", unit: "frames", share: 2, workers: 64, held: 50,
			prepare: (*Flood).prepareWS, attempt: (*Flood).byteOfMany, dummy: dummy{upgrade: true},
		},
		{
			kind: Upgrade, scheme: "ws", unit: "bytes", share: 2, workers: 64, held: 200,
			prepare: (*Flood).prepareUpgrade, attempt: (*Flood).byteOfMany,
		},
		{kind: BigRecords, scheme: "mqtts", unit: "records", share: 0.2, workers: 64, attempt: (*Flood).bigRecord, dummy: dummy{answer: true}},
		{kind: Garbage, scheme: "mqtt", unit: "packets", share: 0.4, workers: 64, attempt: (*Flood).garbage, dummy: dummy{answer: true}},
		{
			kind: Renegotiate, scheme: "mqtts", unit: "connections", share: 0.02, workers: 64,
			attempt: (*Flood).renegotiate, dummy: dummy{tls: true, answer: true},
		},
	}
}

// Kinds returns all kinds in the order of the package comment.
func Kinds() []Kind {
	var kinds []Kind
	for _, s := range specs() {
		kinds = append(kinds, s.kind)
	}
	return kinds
}

// Scheme is the listener that a flood of this kind is for: mqtt, mqtts or ws; "" if there is no such kind.
func (k Kind) Scheme() string {
	if s := k.spec(); s != nil {
		return s.scheme
	}
	return ""
}

func (k Kind) spec() *spec {
	all := specs()
	i := slices.IndexFunc(all, func(s spec) bool { return s.kind == k })
	if i < 0 {
		return nil
	}
	return &all[i]
}
