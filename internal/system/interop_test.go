//go:build system

package system

import (
	"strings"
	"testing"
)

// Each client publishes to each client, through our broker and through mosquitto, in every version and
// QoS. holdfast's pub and sub are Paho's Go clients: paho.mqtt.golang for MQTT 3, paho.golang for 5.
// Clients and brokers of others need nothing of ours to do so: v3.1.1 [MQTT-7.0.0-2].
func TestClientsInteroperate(t *testing.T) {
	n := startNode(t)
	brokers := []struct{ name, port string }{{"holdfast", n.port}, {"mosquitto", startMosquitto(t)}}
	for _, broker := range brokers {
		for _, version := range []string{"mqttv31", "mqttv311", "mqttv5"} {
			for _, qos := range []string{"0", "1", "2"} {
				for _, pair := range []struct{ name, sub, pub string }{
					{"holdfast to holdfast", "holdfast", "holdfast"},
					{"holdfast to mosquitto_sub", "mosquitto_sub", "holdfast"},
					{"mosquitto_pub to holdfast", "holdfast", "mosquitto_pub"},
					{"mosquitto_pub to mosquitto_sub", "mosquitto_sub", "mosquitto_pub"},
				} {
					name := strings.Join([]string{broker.name, version, "QoS " + qos, pair.name}, "/")
					t.Run(name, func(t *testing.T) {
						exchange(t, broker.port, version, qos, pair.sub, pair.pub)
					})
				}
			}
		}
	}
}

func exchange(t *testing.T, port, version, qos, subscriber, publisher string) {
	common := []string{"-h", "127.0.0.1", "-p", port, "-V", version, "-q", qos}
	subArgs := append([]string{"-d", "-t", "a/+/c", "-C", "3", "-v"}, common...)
	var sub *client
	if subscriber == "holdfast" {
		sub = startClient(t, "subscribed to ", binary(t), append([]string{"sub"}, subArgs...)...)
	} else {
		// stdbuf: the C library would keep the lines back, since this is no terminal.
		sub = startClient(t, "Subscribed ", "stdbuf", append([]string{"-oL", "mosquitto_sub", "-i", "sub"}, subArgs...)...)
	}
	for _, message := range []string{"one", "zwei", "три"} {
		args := append([]string{"-t", "a/b/c", "-m", message}, common...)
		if publisher == "holdfast" {
			must(t, binary(t), append([]string{"pub"}, args...)...)
		} else {
			must(t, "mosquitto_pub", append([]string{"-i", "pub"}, args...)...)
		}
	}
	code, stdout := sub.wait()
	if code != 0 {
		t.Errorf("subscriber: got exit code %d, want 0", code)
	}
	// mosquitto_sub writes its debug lines to standard output.
	var got []string
	for line := range strings.Lines(stdout) {
		if payload, ok := strings.CutPrefix(line, "a/b/c "); ok {
			got = append(got, strings.TrimSpace(payload))
		}
	}
	want := []string{"one", "zwei", "три"}
	if qos == "0" || subscriber != publisher { // three connections one after the other: no order is promised
		if len(got) != len(want) {
			t.Errorf("got %q, want %q in any order", got, want)
		}
		return
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %q, want %q", got, want)
	}
}
