package mqtt

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker/mqtt/packet"
)

// args are the words of a command of the script language: "key=value", flags
// and others, in order.
type args struct {
	plain []string
	named map[string][]string
	err   error
}

// flagWords are words that mean something by being there.
var flagWords = map[string]bool{
	"clean": true, "retain": true, "dup": true, "willretain": true, "response-info": true, "no-problem-info": true, "utf8": true,
}

func parseArgs(words []string) *args {
	a := &args{named: make(map[string][]string)}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		switch {
		case ok && name != "" && !strings.ContainsAny(name, "/$,"):
			a.named[name] = append(a.named[name], value)
		case flagWords[w]:
			a.named[w] = append(a.named[w], "")
		default:
			a.plain = append(a.plain, w)
		}
	}
	return a
}

func (a *args) has(name string) bool { return len(a.named[name]) > 0 }

func (a *args) str(name string) string {
	if v := a.named[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (a *args) num(name string) int {
	if !a.has(name) {
		return 0
	}
	return a.parse(a.str(name))
}

func (a *args) parse(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		a.err = err
	}
	return n
}

// arg is the i-th word that is no flag and has no name.
func (a *args) arg(i int) string {
	if i < len(a.plain) {
		return a.plain[i]
	}
	return ""
}

// code is the i-th such word as a Reason Code in hexadecimal.
func (a *args) code(i int) packet.ReasonCode {
	if a.arg(i) == "" {
		return 0
	}
	n, err := strconv.ParseUint(a.arg(i), 16, 8)
	if err != nil {
		a.err = err
	}
	return packet.ReasonCode(n)
}

// payload expands "x*5000", and "-" to nothing.
func payload(s string) []byte {
	if s == "-" {
		return nil
	}
	if what, times, ok := strings.Cut(s, "*"); ok {
		if n, err := strconv.Atoi(times); err == nil {
			return []byte(strings.Repeat(what, n))
		}
	}
	return []byte(s)
}

func users(values []string) (out []packet.UserProperty) {
	for _, kv := range values {
		k, v, _ := strings.Cut(kv, ":")
		out = append(out, packet.UserProperty{Key: k, Value: v})
	}
	return out
}

func messageProperties(a *args) packet.MessageProperties {
	m := packet.MessageProperties{
		ContentType: a.str("type"), ResponseTopic: a.str("response"), User: users(a.named["user"]),
	}
	if a.has("correlation") {
		m.CorrelationData = []byte(a.str("correlation"))
	}
	if a.has("utf8") {
		m.PayloadFormat = 1
	}
	return m
}

// encode makes the packet of a command, or of "send" with raw bytes.
func encode(command string, v packet.Version) ([]byte, error) {
	verb, rest, _ := strings.Cut(command, " ")
	if verb == "send" {
		return rawBytes(rest)
	}
	a := parseArgs(strings.Fields(rest))
	var b []byte
	ack := func(t packet.Type) { b = packet.AppendAck(nil, t, v, packet.PacketID(a.parse(a.arg(0))), a.code(1)) }
	switch verb {
	case "pub":
		b = encodePublish(a, v)
	case "puback":
		ack(packet.TypePubAck)
	case "pubrec":
		ack(packet.TypePubRec)
	case "pubrel":
		ack(packet.TypePubRel)
	case "pubcomp":
		ack(packet.TypePubComp)
	case "sub":
		b = encodeSubscribe(a, v)
	case "unsub":
		b = packet.AppendUnsubscribe(nil, v, &packet.Unsubscribe{PacketID: packet.PacketID(a.num("id")), Filters: a.plain})
	case "ping":
		b = packet.AppendPingReq(nil)
	case "disconnect":
		b = packet.AppendDisconnect(nil, v, &packet.Disconnect{
			Reason: a.code(0), HasSessionExpiry: a.has("expiry"), SessionExpiry: uint32(a.num("expiry")),
		}, 0)
	case "auth":
		b = packet.AppendAuth(nil, &packet.Auth{Reason: a.code(0), Method: a.str("method")}, 0)
	default:
		return nil, fmt.Errorf("unknown command %q", command)
	}
	if a.err == nil && len(b) == 0 {
		a.err = fmt.Errorf("%q makes no packet", command)
	}
	return b, a.err
}

func encodePublish(a *args, v packet.Version) []byte {
	props := messageProperties(a)
	out := &packet.PublishOut{
		Dup: a.has("dup"), Retain: a.has("retain"), QoS: packet.QoS(a.num("q")), PacketID: packet.PacketID(a.num("id")),
		Topic: string(payload(a.arg(0))), Payload: payload(a.arg(1)), TopicAlias: uint16(a.num("alias")),
		HasMessageExpiry: a.has("expiry"), MessageExpiry: uint32(a.num("expiry")), Forward: props.Append(nil),
	}
	return packet.AppendPublish(nil, v, out)
}

// encodeSubscribe takes filters such as "a/#,1,nl,rap,rh2".
func encodeSubscribe(a *args, v packet.Version) []byte {
	s := &packet.Subscribe{PacketID: packet.PacketID(a.num("id")), SubscriptionID: uint32(a.num("sid"))}
	for _, w := range a.plain {
		opts := strings.Split(w, ",")
		f := packet.Filter{TopicFilter: opts[0]}
		for _, o := range opts[1:] {
			switch o {
			case "nl":
				f.NoLocal = true
			case "rap":
				f.RetainAsPublished = true
			case "rh0", "rh1", "rh2":
				f.RetainHandling = o[2] - '0'
			default:
				f.QoS = packet.QoS(a.parse(o))
			}
		}
		s.Filters = append(s.Filters, f)
	}
	return packet.AppendSubscribe(nil, v, s)
}

// versions are the names of the versions in commands.
var versions = map[string]packet.Version{"v3": packet.V31, "v4": packet.V311, "v5": packet.V5}

// encodeConnect makes a CONNECT of "v5 id=a clean …".
func encodeConnect(words string) (packet.Version, []byte, error) {
	a := parseArgs(strings.Fields(words))
	v, ok := versions[a.arg(0)]
	if !ok {
		return 0, nil, fmt.Errorf("connect %s: no version", words)
	}
	c := &packet.Connect{
		Version: v, CleanStart: a.has("clean"), KeepAlive: uint16(a.num("ka")), ClientID: a.str("id"),
		HasSessionExpiry: a.has("expiry"), SessionExpiry: uint32(a.num("expiry")), ReceiveMaximum: uint16(a.num("rm")),
		MaximumPacketSize: uint32(a.num("max")), TopicAliasMaximum: uint16(a.num("alias")),
		RequestResponseInfo: a.has("response-info"), NoProblemInfo: a.has("no-problem-info"),
		HasAuthMethod: a.has("auth"), AuthMethod: a.str("auth"),
		HasUsername: a.has("username"), Username: a.str("username"), HasPassword: a.has("password"), Password: []byte(a.str("password")),
	}
	if a.has("will") {
		topic, body, _ := strings.Cut(a.str("will"), ":")
		c.Will = &packet.Will{
			Topic: topic, Payload: payload(body), QoS: packet.QoS(a.num("willq")), Retain: a.has("willretain"),
			Delay: uint32(a.num("willdelay")), HasMessageExpiry: a.has("willexpiry"), MessageExpiry: uint32(a.num("willexpiry")),
			Properties: messageProperties(a),
		}
	}
	b := packet.AppendConnect(nil, c)
	if a.err == nil && len(b) == 0 {
		a.err = fmt.Errorf("connect %s: makes no packet", words)
	}
	return v, b, a.err
}

// rawBytes turns hex digits and "quoted text" into bytes; blanks are for the
// reader. "00*5000" repeats a byte.
func rawBytes(s string) ([]byte, error) {
	var b []byte
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			b = append(b, part...)
			continue
		}
		for w := range strings.FieldsSeq(part) {
			digits, times, ok := strings.Cut(w, "*")
			x, err := hex.DecodeString(digits)
			n := 1
			if ok && err == nil {
				n, err = strconv.Atoi(times)
			}
			if err != nil {
				return nil, fmt.Errorf("bytes %q: %w", s, err)
			}
			for range n {
				b = append(b, x...)
			}
		}
	}
	return b, nil
}

// mustRaw is rawBytes for tables.
func mustRaw(s string) []byte {
	b, err := rawBytes(s)
	if err != nil {
		panic(err)
	}
	return b
}
