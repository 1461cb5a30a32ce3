// Command pahogo drives Eclipse Paho's Go clients with the commands of ../README.md: paho.mqtt.golang for
// MQTT 3.1 and 3.1.1, paho.golang for 5.0.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// patience bounds each wait for an answer of the broker.
const patience = 20 * time.Second

// message is an Application Message or a Will.
type message struct {
	topic   string
	qos     byte
	retain  bool
	payload string
}

// library is a client library: at most one connection at a time. Messages that arrive go to printMessage.
type library interface {
	// connect returns Session Present. will is nil for none.
	connect(clientID string, clean bool, will *message) (sessionPresent bool, err error)
	// subscribe returns the granted QoS or the failure code.
	subscribe(filter string, qos byte) (granted byte, err error)
	// publish returns once the handshake of the QoS is done.
	publish(m message) error
	disconnect() error
}

func main() {
	if len(os.Args) != 3 {
		fail(errors.New("usage: pahogo PORT LEVEL"))
	}
	address := "127.0.0.1:" + os.Args[1]
	secure, err := tlsFromEnvironment()
	if err != nil {
		fail(err)
	}
	var lib library
	switch os.Args[2] {
	case "3", "4":
		lib = &mqtt3{address: address, tls: secure, level: uint(os.Args[2][0] - '0')}
	case "5":
		lib = newMQTT5(address, secure)
	default:
		fail(fmt.Errorf("protocol level %q", os.Args[2]))
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		answer, err := execute(lib, strings.Split(in.Text(), " "))
		if err != nil {
			fail(fmt.Errorf("%s: %w", in.Text(), err))
		}
		printLine(answer)
	}
}

func execute(lib library, f []string) (answer string, err error) {
	switch {
	case f[0] == "connect" && (len(f) == 3 || len(f) == 7):
		var will *message
		if len(f) == 7 {
			will = parseMessage(f[3:])
		}
		present, err := lib.connect(f[1], f[2] == "1", will)
		return "connected " + flag(present), err
	case f[0] == "subscribe" && len(f) == 3:
		granted, err := lib.subscribe(f[1], number(f[2]))
		return "subscribed " + strconv.Itoa(int(granted)), err
	case f[0] == "publish" && (len(f) == 4 || len(f) == 5):
		return "published", lib.publish(*parseMessage(f[1:]))
	case f[0] == "disconnect" && len(f) == 1:
		return "disconnected", lib.disconnect()
	}
	return "", errors.New("unknown command")
}

func parseMessage(f []string) *message {
	m := &message{topic: f[0], qos: number(f[1]), retain: f[2] == "1"}
	if len(f) > 3 {
		m.payload = f[3]
	}
	return m
}

func number(s string) byte {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		fail(err)
	}
	return byte(n)
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

var output sync.Mutex

// printLine writes a whole line, also when several goroutines print.
func printLine(line string) {
	output.Lock()
	defer output.Unlock()
	fmt.Println(line)
}

func printMessage(m message) {
	printLine(fmt.Sprintf("message %s %d %s %s", m.topic, m.qos, flag(m.retain), m.payload))
}

func fail(err error) {
	printLine("error " + err.Error())
	os.Exit(1)
}
