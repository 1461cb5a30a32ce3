package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/mqttclient"
	"github.com/spf13/pflag"
)

// connectFlags are the flags of pub and sub that say how to connect. Their letters are mosquitto's.
type connectFlags struct {
	fs        *pflag.FlagSet
	host      string
	port      uint16
	unix      string
	url       string
	id        string
	username  string
	password  string
	keepSess  bool
	expiry    int64
	version   string
	keepAlive uint16
	debug     bool

	willTopic, willPayload string
	willQoS                uint8
	willRetain             bool
}

// neverExpires is the Session Expiry Interval that means for ever (v5 3.1.2.11.2).
const neverExpires = math.MaxUint32

func addConnectFlags(fs *pflag.FlagSet) *connectFlags {
	f := &connectFlags{fs: fs}
	fs.StringVarP(&f.host, "host", "h", "localhost", "`host` of the broker")
	fs.Uint16VarP(&f.port, "port", "p", 1883, "its `port`")
	fs.StringVar(&f.unix, "unix", "", "connect to the Unix socket at this `path` instead")
	fs.StringVarP(&f.url, "url", "L", "", "user, password, host, port and topic in one: mqtt://[user[:password]@]host[:port]/topic")
	fs.StringVarP(&f.id, "id", "i", "", "client `id` (default: a random one)")
	fs.StringVarP(&f.username, "username", "u", "", "user `name`")
	fs.StringVarP(&f.password, "pw", "P", "", "`password`; other users of this machine can see it in the list of processes")
	fs.BoolVarP(&f.keepSess, "disable-clean-session", "c", false, "keep the session at the broker when the connection ends; needs -i")
	fs.Int64VarP(&f.expiry, "session-expiry-interval", "x", 0, "keep it for so many `seconds`, -1 for ever (MQTT 5; default with -c: -1)")
	fs.StringVarP(&f.version, "protocol-version", "V", "mqttv311", "`version` of MQTT: mqttv31, mqttv311 or mqttv5, also 31, 311, 5")
	fs.Uint16VarP(&f.keepAlive, "keepalive", "k", 60, "Keep Alive in `seconds`, 0 for none")
	fs.BoolVarP(&f.debug, "debug", "d", false, "name each packet sent and received on standard error")
	fs.StringVar(&f.willTopic, "will-topic", "", "`topic` of the Will, which the broker publishes should this client vanish")
	fs.StringVar(&f.willPayload, "will-payload", "", "`payload` of the Will")
	fs.Uint8Var(&f.willQoS, "will-qos", 0, "`QoS` of the Will")
	fs.BoolVar(&f.willRetain, "will-retain", false, "make the Will a retained message")
	return f
}

// options turns the flags into what the client takes. The topic in the URL, or "", comes back as well.
func (f *connectFlags) options(stdio Stdio) (o mqttclient.Options, urlTopic string, err error) {
	o = mqttclient.Options{
		Network: "tcp", ClientID: f.id, CleanStart: !f.keepSess, KeepAlive: time.Duration(f.keepAlive) * time.Second,
		Username: f.username, HasUsername: f.fs.Changed("username"),
		Password: f.password, HasPassword: f.fs.Changed("pw"),
	}
	if o.Version, err = parseVersion(f.version); err != nil {
		return o, "", err
	}
	if f.url != "" {
		if urlTopic, err = f.applyURL(&o); err != nil {
			return o, "", err
		}
	}
	o.Address = net.JoinHostPort(f.host, strconv.Itoa(int(f.port)))
	if f.unix != "" {
		o.Network, o.Address = "unix", f.unix
	}
	if o.HasPassword && !o.HasUsername && o.Version != mqttclient.V5 {
		// v3.1.1 [MQTT-3.1.2-22]: only MQTT 5 has a password without a user name.
		return o, "", errors.New("-P needs -u, except with -V mqttv5")
	}
	if o.ClientID == "" {
		if f.keepSess {
			return o, "", errors.New("-c needs a client id: give one with -i")
		}
		// At most 23 characters, which is what MQTT 3.1 takes.
		o.ClientID = "holdfast-" + rand.Text()[:12]
	}
	if err := f.applyExpiry(&o); err != nil {
		return o, "", err
	}
	if f.debug {
		o.Trace = debugTo(stdio.Err, o.ClientID)
	}
	return o, urlTopic, f.applyWill(&o)
}

// debugTo returns a trace of the client id's packets on w, for several goroutines.
func debugTo(w io.Writer, id string) func(string) {
	var mu sync.Mutex
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, "Client %s %s\n", id, line)
	}
}

func (f *connectFlags) applyURL(o *mqttclient.Options) (topicName string, err error) {
	u, err := url.Parse(f.url)
	if err != nil || u.Scheme != "mqtt" || u.Hostname() == "" {
		return "", errors.New("-L takes mqtt://[user[:password]@]host[:port]/topic")
	}
	f.host = u.Hostname()
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return "", fmt.Errorf("-L: %q is not a port", p)
		}
		f.port = uint16(n)
	}
	if u.User != nil {
		o.Username, o.HasUsername = u.User.Username(), true
		if password, ok := u.User.Password(); ok {
			o.Password, o.HasPassword = password, true
		}
	}
	topicName = strings.TrimPrefix(u.Path, "/")
	if u.Fragment != "" || strings.HasSuffix(f.url, "#") {
		topicName += "#" + u.Fragment // the multi-level wildcard, which a URL takes for a fragment
	}
	return topicName, nil
}

func (f *connectFlags) applyExpiry(o *mqttclient.Options) error {
	given := f.fs.Changed("session-expiry-interval")
	switch {
	case given && o.Version != mqttclient.V5:
		return errors.New("-x needs -V mqttv5")
	case f.expiry < -1 || f.expiry > neverExpires:
		return fmt.Errorf("-x %d: write seconds, 0 to 4294967295, or -1 for ever", f.expiry)
	case f.expiry == -1, !given && f.keepSess:
		f.expiry = neverExpires
	}
	o.SessionExpiry = time.Duration(f.expiry) * time.Second
	return nil
}

func (f *connectFlags) applyWill(o *mqttclient.Options) error {
	if f.willTopic == "" {
		if f.fs.Changed("will-payload") || f.fs.Changed("will-qos") || f.willRetain {
			return errors.New("a Will needs --will-topic")
		}
		return nil
	}
	if err := checkQoS(f.willQoS); err != nil {
		return fmt.Errorf("--will-qos: %w", err)
	}
	if err := topic.ValidateName(f.willTopic); err != nil {
		return fmt.Errorf("--will-topic %q: %w", f.willTopic, err)
	}
	o.Will = &mqttclient.Message{TopicName: f.willTopic, Payload: []byte(f.willPayload), QoS: f.willQoS, Retain: f.willRetain}
	return nil
}

func parseVersion(s string) (mqttclient.Version, error) {
	switch s {
	case "mqttv31", "31", "3.1":
		return mqttclient.V31, nil
	case "mqttv311", "311", "3.1.1":
		return mqttclient.V311, nil
	case "mqttv5", "5", "5.0":
		return mqttclient.V5, nil
	}
	return 0, fmt.Errorf("-V %s: write mqttv31, mqttv311 or mqttv5", s)
}

func checkQoS(qos uint8) error {
	if qos > 2 {
		return fmt.Errorf("%d is not a QoS: write 0, 1 or 2", qos)
	}
	return nil
}
