//go:build system

package system

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/paho"

	miop "github.com/holdfast-mqtt/holdfast/bridge/miop/client"
	miopwire "github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
	ximp "github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	ximpwire "github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// got is what a client has been sent, in order.
type got chan string

// expect waits until the client has been sent each of want, in whatever order, and nothing else.
func (g got) expect(t *testing.T, ctx context.Context, who string, want ...string) {
	t.Helper()
	left := slices.Clone(want)
	for len(left) > 0 {
		select {
		case m := <-g:
			i := slices.Index(left, m)
			if i < 0 {
				t.Fatalf("%s: got %q, want %q", who, m, left)
			}
			left = slices.Delete(left, i, i+1)
		case <-ctx.Done():
			t.Fatalf("%s: nothing came of %q", who, left)
		}
	}
}

// trio is a client of each protocol. Each is known to the others by its Client Identifier.
type trio struct {
	t   *testing.T
	ctx context.Context
	end []func()

	mqtt    *paho.Client
	mqttGot got
	ximp    *ximp.Client
	ximpGot got
	miop    *miop.Client
	miopGot got
}

// The trio's Client Identifiers.
const (
	carol = "carol"
	bob   = "x:bob:mobile:phone-7"
	alice = "m:alice"
)

// connect connects all three to n.
func connect(t *testing.T, n *node) *trio {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	c := &trio{t: t, ctx: ctx, mqttGot: make(got, 100), ximpGot: make(got, 100), miopGot: make(got, 100)}
	c.end = append(c.end, cancel)
	t.Cleanup(c.close)
	c.connectMQTT(n)
	c.connectXIMP(n)
	c.connectMIOP(n)
	return c
}

func (c *trio) connectMQTT(n *node) {
	conn, err := net.Dial("tcp", "127.0.0.1:"+n.port)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mqtt = paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(p paho.PublishReceived) (bool, error) {
			c.mqttGot <- p.Packet.Topic + " " + string(p.Packet.Payload)
			return true, nil
		},
	}})
	expiry := uint32(3600)
	ack, err := c.mqtt.Connect(c.ctx, &paho.Connect{ClientID: carol, KeepAlive: 60, Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.end = append(c.end, func() {
		_ = c.mqtt.Disconnect(&paho.Disconnect{}) // the broker may have gone
		<-c.mqtt.Done()
	})
	if ack.SessionPresent {
		return
	}
	_, err = c.mqtt.Subscribe(c.ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "group/tea"}, {Topic: "up/#", QoS: 1}}})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *trio) connectXIMP(n *node) {
	var err error
	c.ximp, err = ximp.Dial(c.ctx, ximp.Options{
		URL: "ximp://127.0.0.1:" + n.ports()["ximp"][0], Header: ximpwire.Header{Version: 1, ClientVersion: 102, App: 4242},
		User: "bob", Platform: "mobile", DeviceID: "phone-7",
	})
	if err != nil {
		c.t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(c.readXIMP)
	c.end = append(c.end, func() { c.ximp.Close(); wg.Wait() })
	if _, err := c.ximp.Join(c.ctx, "tea", nil); err != nil {
		c.t.Fatal(err)
	}
}

// readXIMP takes room messages as they come, and fetches what doorbells ring for.
func (c *trio) readXIMP() {
	inbox := c.ximp.Inbox(ximpwire.BoxPeer, 0)
	pull := func() {
		err := inbox.Pull(c.ctx, func(m ximpwire.Stored) error {
			c.ximpGot <- "peer " + string(m.Body)
			return nil
		})
		if err != nil && c.ctx.Err() == nil && c.ximp.Err() == nil {
			c.t.Errorf("pull: %v", err)
		}
	}
	pull()
	for e := range c.ximp.Events() {
		for _, m := range e.Messages {
			c.ximpGot <- string(m.RoomID) + " " + string(m.Content)
		}
		if box, _, ok := e.Doorbell(); ok && box == ximpwire.BoxPeer {
			pull()
		}
	}
}

func (c *trio) connectMIOP(n *node) {
	var err error
	if c.miop, err = miop.Dial(c.ctx, "127.0.0.1:"+n.ports()["miop"][0], nil, miop.Options{}); err != nil {
		c.t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for m := range c.miop.Messages() {
			c.miopGot <- string(m.Body)
		}
	})
	c.end = append(c.end, func() { c.miop.Close(); wg.Wait() })
	if err := c.miop.Bind(c.ctx, miopwire.BindRequest{User: []byte("alice"), AppID: 1, KeepAlive: 300}); err != nil {
		c.t.Fatal(err)
	}
}

// publish publishes as carol.
func (c *trio) publish(topic, payload string, qos byte) {
	c.t.Helper()
	if _, err := c.mqtt.Publish(c.ctx, &paho.Publish{Topic: topic, Payload: []byte(payload), QoS: qos}); err != nil {
		c.t.Fatalf("publish to %s: %v", topic, err)
	}
}

func (c *trio) close() {
	for i := len(c.end) - 1; i > 0; i-- {
		c.end[i]()
	}
	if len(c.end) > 0 {
		c.end[0]() // the context is the last
	}
	c.end = nil
}

// TestThreeProtocols has an MQTT 5, an XIMP and a MIOP client share a group, and reach each other's inboxes by
// Client Identifier, across a restart. The devices speak to carol, who is their product's server.
func TestThreeProtocols(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	start := func() *node {
		return startNode(t, "--data", data, "--listen", "ximp://127.0.0.1:0?app=default", "--listen", "miop://127.0.0.1:0?app=default",
			"--broker-auto-subscribe", "group/tea")
	}
	n := start()
	c := connect(t, n)

	c.publish("group/tea", "one", 0)
	c.mqttGot.expect(t, c.ctx, carol, "group/tea one")
	c.ximpGot.expect(t, c.ctx, bob, "tea one")
	c.miopGot.expect(t, c.ctx, alice, "one")

	c.publish("inbox/"+bob, "hi bob", 1)
	c.publish("inbox/"+alice, "hi alice", 1)
	c.ximpGot.expect(t, c.ctx, bob, "peer hi bob")
	c.miopGot.expect(t, c.ctx, alice, "hi alice")

	if _, err := c.ximp.SendRoom(c.ctx, "tea", []byte("from bob")); err != nil {
		t.Fatal(err)
	}
	if err := c.ximp.Chat(c.ctx, "alice", []byte("chat")); err != nil {
		t.Fatal(err)
	}
	if err := c.miop.Upload(c.ctx, "alice", 1, []byte("temp=21.5")); err != nil {
		t.Fatal(err)
	}
	c.mqttGot.expect(t, c.ctx, carol, "up/room from bob", "up/chat chat", "up/data temp=21.5")
	c.publish("inbox/"+alice, "chat", 1) // what carol does with it
	c.publish("inbox/"+bob, "temp=21.5", 1)
	c.miopGot.expect(t, c.ctx, alice, "chat")
	c.ximpGot.expect(t, c.ctx, bob, "peer temp=21.5")
	c.close()

	// While all are away, each is sent something.
	for _, id := range []string{alice, bob, carol} {
		n.mustRun(t, "pub", "-p", n.port, "-q", "1", "-t", "inbox/"+id, "-m", "for "+id)
	}
	if _, err := n.stop(t); err != nil {
		t.Fatalf("got exit %v, want code 0", err)
	}
	n = start()
	c = connect(t, n)
	c.mqttGot.expect(t, c.ctx, carol, "inbox/carol for "+carol)
	c.ximpGot.expect(t, c.ctx, bob, "peer for "+bob) // and nothing that was acknowledged
	c.miopGot.expect(t, c.ctx, alice, "for "+alice)
	c.publish("group/tea", "two", 0)
	c.mqttGot.expect(t, c.ctx, carol, "group/tea two")
	c.ximpGot.expect(t, c.ctx, bob, "tea two")
	c.miopGot.expect(t, c.ctx, alice, "two")
}

func (n *node) mustRun(t *testing.T, args ...string) {
	t.Helper()
	if code, out := n.run(t, "holdfast", args...); code != 0 {
		t.Fatalf("holdfast %s: got %d, %s", strings.Join(args, " "), code, out)
	}
}

// TestNativeIdle measures what idle clients of native protocols cost the broker.
func TestNativeIdle(t *testing.T) {
	const most = 1_500 // bytes of resident memory for each
	for _, scheme := range []string{"miop", "ximp"} {
		t.Run(scheme, func(t *testing.T) {
			clients := min(10_000, descriptors(t)-500)
			n := startNode(t, "--data", "memory", "--listen", scheme+"://127.0.0.1:0?app=default")
			r := benchConn(t, "--url", scheme+"://127.0.0.1:"+n.ports()[scheme][0],
				"--clients", strconv.Itoa(clients), "--in-flight", "100", "--settle", "5s", "--pid", strconv.Itoa(n.cmd.Process.Pid))
			t.Logf("%d connections, %d B each", r.Connections.Attempted, r.Broker.PerConnection)
			if got := r.Connections; got.Attempted != clients || got.Failed != 0 {
				t.Errorf("got %d connections of which %d failed, want %d and 0", got.Attempted, got.Failed, clients)
			}
			if got := r.Broker.PerConnection; got <= 0 || got > most {
				t.Errorf("got %d B of resident memory a connection, want at most %d", got, most)
			}
			if _, err := n.stop(t); err != nil {
				t.Errorf("got the broker's end with %v, want none", err)
			}
		})
	}
}

// TestMalformedFrames has one address send malformed packets, each on a connection of its own, while clients of all
// protocols go on: none of them is disturbed, and each malformed packet costs its connection.
func TestMalformedFrames(t *testing.T) {
	const count = 10_000
	n := startNode(t, "--listen", "ximp://127.0.0.1:0?app=default", "--listen", "miop://127.0.0.1:0?app=default", "--data", "memory",
		"--broker-auto-subscribe", "group/tea")
	c := connect(t, n)
	bad := map[string][]string{
		"miop": {
			"\x00\x05\x00\x02\xFF\xFF",                 // negative propLen
			"\x00\x05\x00\x03\x00\x00\x00\x00\x00\x00", // the server's
			"\x00\x05\x00\x0D\x00\x00\xFF\xFF\xFF\xFF", // negative dataLen
			"\x00\x09\x00\x00",
			"\x00\x05\x00\x02\x00\x01u",
		},
		"ximp": {
			"qh\x10\x66\x10\x92\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",         // shorter than its header
			"qh\x10\x66\x10\x92\x00\x00\x00\x00\x00\x00\xFF\xFF\xFF\xFF",         // negative
			"qh\x10\x66\x10\x92\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10",         // no body
			"qh\x10\x66\x10\x92\x00\x00\x00\x00\x00\x00\x00\x00\x00\x12\xFF\xFF", // not a protobuf
			"wxh128",
		},
	}
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for scheme, packets := range bad {
		address := "127.0.0.1:" + n.ports()[scheme][0]
		for range 2 {
			wg.Go(func() {
				for i := range count / 4 {
					if err := spoil(c.ctx, address, packets[i%len(packets)]); err != nil {
						errs <- fmt.Errorf("%s %q: %w", scheme, packets[i%len(packets)], err)
						return
					}
				}
			})
		}
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for i := 0; ; i++ {
		c.publish("inbox/"+alice, strconv.Itoa(i), 1)
		c.publish("inbox/"+bob, strconv.Itoa(i), 1)
		c.publish("group/tea", strconv.Itoa(i), 0)
		c.miopGot.expect(t, c.ctx, alice, strconv.Itoa(i), strconv.Itoa(i))
		c.ximpGot.expect(t, c.ctx, bob, "peer "+strconv.Itoa(i), "tea "+strconv.Itoa(i))
		c.mqttGot.expect(t, c.ctx, carol, "group/tea "+strconv.Itoa(i))
		select {
		case <-done:
			close(errs)
			for err := range errs {
				t.Error(err)
			}
			t.Logf("%d rounds of messages beside %d malformed packets", i+1, count)
			return
		case <-c.ctx.Done():
			t.Fatal("it takes too long")
		default:
		}
	}
}

// spoil sends a packet and waits for the end of the connection.
func spoil(ctx context.Context, address, packet string) error {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer nc.Close()
	if at, ok := ctx.Deadline(); ok {
		if err := nc.SetDeadline(at); err != nil {
			return err
		}
	}
	if _, err := nc.Write([]byte(packet)); err != nil {
		return err
	}
	b := make([]byte, 512)
	for {
		if _, err := nc.Read(b); err != nil {
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				return err
			}
			return nil // closed, or reset
		}
	}
}

// TestNativeTLS reaches devices through TLS, and through WebSocket within it, with this project's clients; without TLS they
// are not served where it is required.
func TestNativeTLS(t *testing.T) {
	dir := t.TempDir()
	newAuthority(t, dir).server("server", "server")
	ca := filepath.Join(dir, "ca.pem")
	n := startNode(t, "--data", "memory", "--listen", "ximps://127.0.0.1:0?app=default", "--listen", "miops://127.0.0.1:0?app=default",
		"--listen", "auto://127.0.0.1:0?app=default&protocols=mqtt,ximp,miop",
		"--tls-cert", filepath.Join(dir, "server.pem"), "--tls-key", filepath.Join(dir, "server.key"))
	ximps, miops, auto := n.ports()["ximps"][0], n.ports()["miops"][0], n.ports()["auto"][0]
	listenXIMP := func(url string) []string {
		return []string{"ximp", "listen", "-u", "bob", "--platform", "mobile", "--device", "phone-7", "--box", "peer", "--cafile", ca, "-C", "1", "-W", "30", "-L", url}
	}
	listenMIOP := func(port string, more ...string) []string {
		return append([]string{"miop", "listen", "alice@1", "-h", "127.0.0.1", "-p", port, "-C", "1", "-W", "30"}, more...)
	}
	for _, tt := range []struct {
		inbox string
		args  []string
	}{
		{bob, listenXIMP("ximps://127.0.0.1:" + ximps)},
		{bob, listenXIMP("wss://127.0.0.1:" + ximps + "/")},
		{bob, listenXIMP("ximp://127.0.0.1:" + auto)},
		{bob, listenXIMP("ximps://127.0.0.1:" + auto)},
		{bob, listenXIMP("ws://127.0.0.1:" + auto + "/")},
		{bob, listenXIMP("wss://127.0.0.1:" + auto + "/")},
		{alice, listenMIOP(miops, "--tls", "--cafile", ca)},
		{alice, listenMIOP(auto, "--tls", "--cafile", ca)},
		{alice, listenMIOP(auto)},
	} {
		n.mustRun(t, "pub", "-p", n.port, "-q", "1", "-t", "inbox/"+tt.inbox, "-m", "hi")
		if code, out := n.run(t, "holdfast", tt.args...); code != 0 || out != "hi\n" {
			t.Errorf("holdfast %s: got %d, %q, want hi", strings.Join(tt.args, " "), code, out)
		}
	}
	for _, args := range [][]string{listenXIMP("ximp://127.0.0.1:" + ximps), listenMIOP(miops)} {
		if code, out := n.run(t, "holdfast", args...); code != 1 {
			t.Errorf("holdfast %s: got %d, %q, want a failure", strings.Join(args, " "), code, out)
		}
	}
}
