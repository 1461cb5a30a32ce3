package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

var (
	errTimedOut = errors.New("timed out")
	errEnough   = errors.New("enough messages")
)

// ximpPrinter prints messages, and tells when there have been enough.
type ximpPrinter struct {
	verbose bool
	count   int
	timeout int
	out     io.Writer
	seen    int
}

func addXIMPPrinter(fs *pflag.FlagSet, verbose string) *ximpPrinter {
	p := &ximpPrinter{}
	fs.BoolVarP(&p.verbose, "verbose", "v", false, "print "+verbose+" before each message")
	fs.IntVarP(&p.count, "count", "C", 0, "end after so many messages")
	fs.IntVarP(&p.timeout, "timeout", "W", 0, "end after so many `seconds`, with exit code 27")
	return p
}

func (p *ximpPrinter) check() error {
	if p.count < 0 || p.timeout < 0 {
		return errors.New("-C and -W take numbers above 0")
	}
	return nil
}

// enough tells whether -C has been reached.
func (p *ximpPrinter) enough() bool { return p.count > 0 && p.seen >= p.count }

// print writes a message in one piece, so that a reader sees it at once.
func (p *ximpPrinter) print(about string, body []byte) error {
	var line []byte
	if p.verbose {
		line = append(append(line, about...), ' ')
	}
	p.seen++
	_, err := p.out.Write(append(append(line, body...), '\n'))
	return err
}

// bounded has -W end ctx.
func (p *ximpPrinter) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, time.Duration(p.timeout)*time.Second, errTimedOut)
}

func runXIMPListen(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "ximp listen", "ximp listen -u USER [flags]", "\nA message is acknowledged when it has been printed.\n"+ximpNotes)
	boxes := fs.StringSlice("box", []string{packet.BoxPeer, packet.BoxIM, packet.BoxPublic}, "`inboxes` to read")
	p := addXIMPPrinter(fs, "inbox, id and sender")
	f := addXIMPFlags(fs)
	if code, done := parse(fs, stdio, args); done {
		return code
	}
	o, err := f.options(stdio)
	for _, box := range *boxes {
		if !slices.Contains([]string{packet.BoxPeer, packet.BoxIM, packet.BoxPublic}, box) {
			err = errors.Join(err, fmt.Errorf("--box %s: write peer, im or public", box))
		}
	}
	if err = errors.Join(err, p.check()); err != nil {
		return usageError(stdio, fs.Name(), err)
	}
	p.out = stdio.Out
	return ximpSession(ctx, fs, stdio, o, func(c *client.Client) error {
		return orInterrupted(ctx, ximpListen(ctx, c, p, *boxes))
	})
}

// ximpListen reads the boxes once, and again when their doorbells ring.
func ximpListen(ctx context.Context, c *client.Client, p *ximpPrinter, names []string) error {
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	boxes := make(map[string]*client.Inbox)
	for _, name := range names {
		boxes[name] = c.Inbox(name, 0)
		if err := ximpPull(ctx, boxes[name], name, p); err != nil || p.enough() {
			return err
		}
	}
	return ximpEvents(ctx, c, func(e client.Event) error {
		name, id, ok := e.Doorbell()
		box := boxes[name]
		if !ok || box == nil || 0 < id && id < box.Next() {
			return nil
		}
		return ximpPull(ctx, box, name, p)
	}, p)
}

// ximpPull prints what is new in the box, and acknowledges it.
func ximpPull(ctx context.Context, box *client.Inbox, name string, p *ximpPrinter) error {
	err := box.Pull(ctx, func(m packet.Stored) error {
		if p.enough() {
			return errEnough
		}
		return p.print(fmt.Sprintf("%s %d %s", name, m.ID.Value, orDash(m.From)), m.Body)
	})
	if errors.Is(err, errEnough) {
		return box.Acknowledge(ctx)
	}
	return err
}

func orDash(s []byte) string {
	if len(s) == 0 {
		return "-"
	}
	return string(s)
}

// ximpEvents hands events on until there have been enough, ctx or the connection ends.
func ximpEvents(ctx context.Context, c *client.Client, take func(client.Event) error, p *ximpPrinter) error {
	for !p.enough() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e, open := <-c.Events():
			if !open {
				return c.Err()
			}
			if n := e.Message.Notify; n != nil && n.ReConnect != nil {
				return fmt.Errorf("the server is leaving and asks to connect to %s", reconnectTo(n.ReConnect))
			}
			if err := take(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func reconnectTo(r *packet.ReConnect) string {
	if len(r.IP) == 0 {
		return "it again"
	}
	s := bytes.Join(append([][]byte{r.IP}, r.MoreIPs...), []byte(" or "))
	if r.Port.Set {
		s = fmt.Appendf(s, ", port %d", r.Port.Value)
	}
	return string(s)
}

func runXIMPJoin(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "ximp join", "ximp join -u USER ROOM [flags]", ximpNotes)
	since := fs.Int64("since", 0, "print first what the room still has from message `number` on, and fetch what is missed later")
	arguments := fs.StringArray("arg", nil, "`name=value` that the room is told of who joins (repeatable)")
	p := addXIMPPrinter(fs, "room and sender")
	f := addXIMPFlags(fs)
	if code, done := parseArgs(fs, stdio, args, func() error { return oneRoom(fs) }); done {
		return code
	}
	o, err := f.options(stdio)
	given := make(map[string]string)
	for _, a := range *arguments {
		name, value, ok := strings.Cut(a, "=")
		if !ok || name == "" {
			err = errors.Join(err, fmt.Errorf("--arg %s: write name=value", a))
		}
		given[name] = value
	}
	if *since < 0 {
		err = errors.Join(err, errors.New("--since takes a number above 0"))
	}
	if err = errors.Join(err, p.check()); err != nil {
		return usageError(stdio, fs.Name(), err)
	}
	p.out = stdio.Out
	return ximpSession(ctx, fs, stdio, o, func(c *client.Client) error {
		bounded, cancel := p.bounded(ctx)
		defer cancel()
		r := &roomReader{c: c, p: p, name: fs.Arg(0), next: *since}
		return orInterrupted(ctx, r.read(bounded, given))
	})
}

// roomReader prints what a room says, and fetches what was missed of it.
type roomReader struct {
	c    *client.Client
	p    *ximpPrinter
	name string
	next int64 // number of the first message that has not been seen; 0 fetches nothing
}

// read joins the room and prints until there has been enough.
func (r *roomReader) read(ctx context.Context, arguments map[string]string) error {
	if _, err := r.c.Join(ctx, r.name, arguments); err != nil {
		return err
	}
	if r.next > 0 {
		room, err := r.c.Room(ctx, r.name)
		if err == nil {
			err = r.fetch(ctx, int64(room.MaxID.Value)+1)
		}
		if err != nil {
			return err
		}
	}
	return ximpEvents(ctx, r.c, func(e client.Event) error { return r.take(ctx, e) }, r.p)
}

// take prints the messages in e, each after those before it that have not come.
func (r *roomReader) take(ctx context.Context, e client.Event) error {
	for i := range e.Messages {
		m := &e.Messages[i]
		id := int64(m.ID.Value)
		if r.next > 0 && id > 0 && string(m.RoomID) == r.name {
			if id < r.next { // it has been fetched
				continue
			}
			if err := r.fetch(ctx, id); err != nil {
				return err
			}
			r.next = id + 1
		}
		if err := r.p.room(m); err != nil {
			return err
		}
	}
	return nil
}

// mostFetched is how many messages servers answer with at most.
const mostFetched = 100

// fetch prints the messages from next to before end that the room has.
func (r *roomReader) fetch(ctx context.Context, end int64) error {
	var ids []int64
	for id := max(r.next, end-mostFetched); id < end; id++ {
		ids = append(ids, id)
	}
	r.next = max(r.next, end)
	if len(ids) == 0 {
		return nil
	}
	page, err := r.c.GetRoomMessages(ctx, r.name, ids...)
	if err != nil {
		return err
	}
	for _, kept := range page.Messages {
		if kept.Valid.Value == 0 {
			continue
		}
		m, err := client.Unzip(kept.Body)
		if err == nil {
			err = r.p.room(&m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// room prints a message to a room.
func (p *ximpPrinter) room(m *packet.RoomMessage) error {
	if p.enough() {
		return nil
	}
	var sender []byte
	if m.Sender != nil {
		sender = m.Sender.UserID
	}
	return p.print(fmt.Sprintf("%s %s", m.RoomID, orDash(sender)), m.Content)
}

func oneRoom(fs *pflag.FlagSet) error {
	if fs.NArg() != 1 || fs.Arg(0) == "" {
		return errors.New("name one room")
	}
	return nil
}
