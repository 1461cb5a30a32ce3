package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/mqttclient"
	"github.com/spf13/pflag"
)

// maxPayload is the most that fits into an MQTT Control Packet.
const maxPayload = 268_435_455

const pubNotes = `Examples:
  holdfast pub -t a/b -m hello
  holdfast pub -h broker.example -t door/bell -m ring -q 1 -r
  tail -f sensor.log | holdfast pub -t sensor/7 -l -q 1
  holdfast pub -V mqttv5 -L mqtt://user:secret@broker.example/door/bell -f ring.json

One of -m, -f, -l, -s and -n says what is published. With QoS 1 and 2 the command ends when the
broker has acknowledged everything.

Exit codes: 0 published, 1 failure (the text says why), 2 wrong command line.
`

// pubFlags are the flags of pub.
type pubFlags struct {
	*connectFlags
	topic   string
	message string
	file    string
	lines   bool
	whole   bool
	null    bool
	qos     uint8
	retain  bool
}

func addPubFlags(fs *pflag.FlagSet) *pubFlags {
	f := &pubFlags{}
	fs.StringVarP(&f.topic, "topic", "t", "", "Topic Name to publish to")
	fs.StringVarP(&f.message, "message", "m", "", "publish this `text`")
	fs.StringVarP(&f.file, "file", "f", "", "publish the content of this `file`")
	fs.BoolVarP(&f.lines, "stdin-line", "l", false, "publish each line of standard input as a message")
	fs.BoolVarP(&f.whole, "stdin-file", "s", false, "publish all of standard input as one message")
	fs.BoolVarP(&f.null, "null-message", "n", false, "publish an empty message")
	fs.Uint8VarP(&f.qos, "qos", "q", 0, "`QoS`: 0, 1 or 2")
	fs.BoolVarP(&f.retain, "retain", "r", false, "make the message the topic's retained one")
	f.connectFlags = addConnectFlags(fs)
	return f
}

func runPub(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "pub", "pub -t TOPIC {-m TEXT | -f FILE | -l | -s | -n} [flags]", pubNotes)
	f := addPubFlags(fs)
	if code, done := parse(fs, stdio, args); done {
		return code
	}
	options, urlTopic, err := f.options(stdio)
	if err == nil {
		err = f.check(urlTopic)
	}
	if err != nil {
		return usageError(stdio, fs.Name(), err)
	}
	if err := f.publish(ctx, options, stdio); err != nil {
		return failure(stdio, fs.Name(), err)
	}
	return exitOK
}

func (f *pubFlags) check(urlTopic string) error {
	if f.topic == "" {
		f.topic = urlTopic
	}
	if f.topic == "" {
		return errors.New("no topic: give one with -t")
	}
	if err := topic.ValidateName(f.topic); err != nil {
		return fmt.Errorf("-t %q: %w", f.topic, err)
	}
	if err := checkQoS(f.qos); err != nil {
		return fmt.Errorf("-q: %w", err)
	}
	sources := 0
	for _, given := range []bool{f.fs.Changed("message"), f.file != "", f.lines, f.whole, f.null} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		return errors.New("give exactly one of -m, -f, -l, -s and -n")
	}
	return nil
}

// publish reads what is to be published before it connects, except lines, which it sends as they come.
func (f *pubFlags) publish(ctx context.Context, o mqttclient.Options, stdio Stdio) error {
	payload := []byte(f.message)
	var err error
	switch {
	case f.file != "":
		payload, err = readFile(f.file)
	case f.whole:
		payload, err = readAll(stdio.In)
	}
	if err != nil {
		return err
	}
	c, err := mqttclient.Dial(ctx, o)
	if err != nil {
		return err
	}
	defer c.Close()
	send := func(payload []byte) error {
		return c.Publish(ctx, mqttclient.Message{TopicName: f.topic, Payload: payload, QoS: f.qos, Retain: f.retain})
	}
	if !f.lines {
		return send(payload)
	}
	return eachLine(ctx, c, stdio.In, send)
}

// connection is what a client says of its connection.
type connection interface {
	Done() <-chan struct{}
	Err() error
}

// eachLine sends the lines of r, without their ends, until r or ctx ends or the connection is lost. The
// reading goroutine is left behind then: a read from a terminal cannot be interrupted.
func eachLine(ctx context.Context, c connection, r io.Reader, send func([]byte) error) error {
	lines := make(chan []byte)
	scanErr := make(chan error, 1)
	over := make(chan struct{})
	defer close(over)
	go func() {
		scan := bufio.NewScanner(r)
		scan.Buffer(nil, maxPayload)
		for scan.Scan() {
			select {
			case lines <- append([]byte(nil), scan.Bytes()...):
			case <-over:
				return
			}
		}
		scanErr <- scan.Err()
	}()
	for {
		select {
		case line := <-lines:
			if err := send(line); err != nil {
				return err
			}
		case err := <-scanErr:
			return err
		case <-c.Done():
			return c.Err()
		case <-ctx.Done():
			return nil
		}
	}
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

// readAll reads r, and no more than can be published.
func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPayload+1))
	if err == nil && len(b) > maxPayload {
		err = fmt.Errorf("more than %d bytes do not fit into one message", maxPayload)
	}
	return b, err
}
