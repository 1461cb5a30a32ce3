package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

// ximpCallTimeout bounds the wait for one answer.
const ximpCallTimeout = 30 * time.Second

// maxXIMPContent leaves room for what stands around the content of a message.
const maxXIMPContent = packet.MaxBody - 4096

func runXIMPLogin(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "ximp login", "ximp login -u USER [flags]", ximpNotes)
	logout := fs.Bool("logout", false, "end the session at the server, and what it keeps for this device")
	f := addXIMPFlags(fs)
	if code, done := parse(fs, stdio, args); done {
		return code
	}
	o, err := f.options(stdio)
	if err != nil {
		return usageError(stdio, fs.Name(), err)
	}
	return ximpSession(ctx, fs, stdio, o, func(c *client.Client) error {
		s := c.Session()
		form := "encrypted"
		if len(s.SessionKey) == 0 {
			form = "plaintext"
		}
		_, err := fmt.Fprintf(stdio.Out, "logged in as %s, %s; the server's time is %s, it sees this client at %s\n", o.User, form,
			time.Unix(int64(s.Timestamp), 0).UTC().Format(time.RFC3339), orDash(s.ClientIP))
		if err != nil || !*logout {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, ximpCallTimeout)
		defer cancel()
		return c.Logout(ctx, "logout")
	})
}

// ximpContent are the flags that say what is sent.
type ximpContent struct {
	fs      *pflag.FlagSet
	message string
	file    string
	lines   bool
}

func addXIMPContent(fs *pflag.FlagSet) *ximpContent {
	f := &ximpContent{fs: fs}
	fs.StringVarP(&f.message, "message", "m", "", "send this `text`")
	fs.StringVarP(&f.file, "file", "f", "", "send the content of this `file`")
	fs.BoolVarP(&f.lines, "stdin-line", "l", false, "send each line of standard input as a message")
	return f
}

func (f *ximpContent) check() error {
	given := 0
	for _, flag := range []string{"message", "file", "stdin-line"} {
		if f.fs.Changed(flag) {
			given++
		}
	}
	if given != 1 {
		return errors.New("give exactly one of -m, -f and -l")
	}
	return nil
}

// run connects and sends all of it, each message when the one before has been accepted.
func (f *ximpContent) run(ctx context.Context, stdio Stdio, o client.Options, send func(context.Context, *client.Client, []byte) error) int {
	payload := []byte(f.message)
	if f.file != "" {
		var err error
		if payload, err = readFile(f.file); err != nil {
			return failure(stdio, f.fs.Name(), err)
		}
	}
	return ximpSession(ctx, f.fs, stdio, o, func(c *client.Client) error {
		one := func(payload []byte) error {
			if len(payload) > maxXIMPContent {
				return fmt.Errorf("%d bytes do not fit into one message", len(payload))
			}
			ctx, cancel := context.WithTimeout(ctx, ximpCallTimeout)
			defer cancel()
			return send(ctx, c, payload)
		}
		if !f.lines {
			return one(payload)
		}
		return eachLine(ctx, c, stdio.In, one)
	})
}

func runXIMPChat(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "ximp chat", "ximp chat -u USER --to USER {-m TEXT | -f FILE | -l} [flags]", ximpNotes)
	to := fs.String("to", "", "`user` to send to")
	expire := fs.Uint32("expire", 0, "let messages live so many `seconds`; 0 says nothing of it")
	content := addXIMPContent(fs)
	f := addXIMPFlags(fs)
	if code, done := parse(fs, stdio, args); done {
		return code
	}
	o, err := f.options(stdio)
	if *to == "" {
		err = errors.Join(err, errors.New("nobody to send to: give a user with --to"))
	}
	if err = errors.Join(err, content.check()); err != nil {
		return usageError(stdio, fs.Name(), err)
	}
	return content.run(ctx, stdio, o, func(ctx context.Context, c *client.Client, body []byte) error {
		chat := packet.ChatRequest{Body: body}
		if *expire > 0 {
			chat.ExpireTime = packet.Some(*expire)
		}
		return c.Send(ctx, *to, chat)
	})
}

func runXIMPSay(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "ximp say", "ximp say -u USER ROOM {-m TEXT | -f FILE | -l} [flags]", ximpNotes)
	content := addXIMPContent(fs)
	f := addXIMPFlags(fs)
	if code, done := parseArgs(fs, stdio, args, func() error { return oneRoom(fs) }); done {
		return code
	}
	o, err := f.options(stdio)
	if err = errors.Join(err, content.check()); err != nil {
		return usageError(stdio, fs.Name(), err)
	}
	return content.run(ctx, stdio, o, func(ctx context.Context, c *client.Client, body []byte) error {
		_, err := c.SendRoom(ctx, fs.Arg(0), body)
		return err
	})
}

// ximpStatuses names the states of users.
var ximpStatuses = map[int32]string{
	packet.StatusUnknown: "unknown", packet.StatusUnreachable: "off line, cannot be reached",
	packet.StatusReachable: "off line", packet.StatusOnline: "on line",
}

func runXIMPStatus(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "ximp status", "ximp status -u USER USER… [flags]", ximpNotes)
	f := addXIMPFlags(fs)
	users := func() error {
		if fs.NArg() == 0 {
			return errors.New("name the users to ask about")
		}
		return nil
	}
	if code, done := parseArgs(fs, stdio, args, users); done {
		return code
	}
	o, err := f.options(stdio)
	if err != nil {
		return usageError(stdio, fs.Name(), err)
	}
	return ximpSession(ctx, fs, stdio, o, func(c *client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, ximpCallTimeout)
		defer cancel()
		answers, err := c.Status(ctx, fs.Args()...)
		for _, u := range answers {
			status, ok := ximpStatuses[u.Status]
			if !ok {
				status = fmt.Sprintf("status %d", u.Status)
			}
			if _, err := fmt.Fprintf(stdio.Out, "%s: %s\n", u.UserID, status); err != nil {
				return err
			}
		}
		return err
	})
}
