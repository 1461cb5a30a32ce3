package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/mqttclient"
	"github.com/spf13/pflag"
)

// exitTimeout is mosquitto_sub's exit code when -W seconds have passed.
const exitTimeout = 27

const subNotes = `Examples:
  holdfast sub -t 'a/#' -v
  holdfast sub -h broker.example -t door/bell -q 1 -C 1 -W 30
  holdfast sub -t '#' -T 'noise/#' -v
  holdfast sub -i phone-7 -c -q 1 -t inbox/phone-7        a session that waits for its messages

The command runs until it is interrupted (or -C or -W ends it). It does not reconnect.

Exit codes: 0 interrupted or -C reached, 1 failure (the text says why), 2 wrong command line,
27 the time of -W has passed.
`

// subFlags are the flags of sub.
type subFlags struct {
	*connectFlags
	filters   []string
	filterOut []string
	qos       uint8
	verbose   bool
	count     int
	timeout   int
	noNewline bool
	noRetain  bool
	exitReady bool
}

func addSubFlags(fs *pflag.FlagSet) *subFlags {
	f := &subFlags{}
	fs.StringArrayVarP(&f.filters, "topic", "t", nil, "Topic Filter to subscribe to (repeatable)")
	fs.StringArrayVarP(&f.filterOut, "filter-out", "T", nil, "do not print what this Topic Filter matches (repeatable)")
	fs.Uint8VarP(&f.qos, "qos", "q", 0, "`QoS`: 0, 1 or 2")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "print the Topic Name before each message")
	fs.IntVarP(&f.count, "count", "C", 0, "end after so many messages")
	fs.IntVarP(&f.timeout, "timeout", "W", 0, "end after so many `seconds`, with exit code 27")
	fs.BoolVarP(&f.noNewline, "no-eol", "N", false, "do not end each message with a new line")
	fs.BoolVarP(&f.noRetain, "no-retained", "R", false, "do not print messages that were retained before the subscription")
	fs.BoolVarP(&f.exitReady, "exit-subscribed", "E", false, "end once the subscription has been acknowledged")
	f.connectFlags = addConnectFlags(fs)
	return f
}

func runSub(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "sub", "sub -t FILTER [-t FILTER …] [flags]", subNotes)
	f := addSubFlags(fs)
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
	return f.subscribe(ctx, options, stdio)
}

func (f *subFlags) check(urlTopic string) error {
	if urlTopic != "" {
		f.filters = append(f.filters, urlTopic)
	}
	if len(f.filters) == 0 {
		return errors.New("no topic: give a Topic Filter with -t")
	}
	for _, filter := range slices.Concat(f.filters, f.filterOut) {
		if err := topic.ValidateFilter(filter); err != nil {
			return fmt.Errorf("%q: %w", filter, err)
		}
	}
	if err := checkQoS(f.qos); err != nil {
		return fmt.Errorf("-q: %w", err)
	}
	if f.count < 0 || f.timeout < 0 {
		return errors.New("-C and -W take numbers above 0")
	}
	return nil
}

func (f *subFlags) subscribe(ctx context.Context, o mqttclient.Options, stdio Stdio) int {
	var expired <-chan time.Time
	if f.timeout > 0 {
		timer := time.NewTimer(time.Duration(f.timeout) * time.Second)
		defer timer.Stop()
		expired = timer.C
	}
	var writeErr error // written by the client's goroutine before Done closes, read after
	seen := 0
	o.OnMessage = func(m mqttclient.Message) bool {
		if f.skips(m) {
			return false
		}
		if writeErr = f.print(stdio.Out, m); writeErr != nil {
			return true
		}
		seen++
		return seen == f.count
	}
	c, err := mqttclient.Dial(ctx, o)
	if err != nil {
		return failure(stdio, "sub", err)
	}
	defer c.Close()
	granted, err := c.Subscribe(ctx, f.filters, f.qos)
	select {
	case <-c.Done(): // with -C, retained messages can be the last ones before the answer is here
	default:
		if err != nil {
			return failure(stdio, "sub", err)
		}
	}
	for i, q := range granted {
		if f.debug {
			o.Trace(fmt.Sprintf("subscribed to %s with QoS %d", f.filters[i], q))
		}
	}
	if f.exitReady {
		return exitOK
	}
	select {
	case <-ctx.Done():
		return exitOK
	case <-expired:
		fmt.Fprintln(stdio.Err, "holdfast sub: timed out")
		return exitTimeout
	case <-c.Done():
	}
	if err := errors.Join(c.Err(), writeErr); err != nil {
		return failure(stdio, "sub", err)
	}
	return exitOK
}

func (f *subFlags) skips(m mqttclient.Message) bool {
	return f.noRetain && m.Retain ||
		slices.ContainsFunc(f.filterOut, func(filter string) bool { return topic.Match(filter, m.TopicName) })
}

// print writes m in one piece, so that a reader sees it at once.
func (f *subFlags) print(w io.Writer, m mqttclient.Message) error {
	line := make([]byte, 0, len(m.TopicName)+len(m.Payload)+2)
	if f.verbose {
		line = append(append(line, m.TopicName...), ' ')
	}
	line = append(line, m.Payload...)
	if !f.noNewline {
		line = append(line, '\n')
	}
	_, err := w.Write(line)
	return err
}
