package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/client"
)

// maxMIOPUsers is how many users one connection may have; see the front.
const maxMIOPUsers = 16

func runMIOPListen(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "miop listen", "miop listen USER@APPID [USER@APPID …] [flags]", "")
	f := addMIOPFlags(fs)
	verbose := fs.BoolP("verbose", "v", false, "print appid and message id before each message")
	count := fs.IntP("count", "C", 0, "end after so many messages")
	timeout := fs.IntP("timeout", "W", 0, "end after so many `seconds`, with exit code 27")
	code, done := f.parse(stdio, args, maxMIOPUsers, func() error {
		if *count < 0 || *timeout < 0 {
			return errors.New("-C and -W take numbers above 0")
		}
		return nil
	})
	if done {
		return code
	}
	if *timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, time.Duration(*timeout)*time.Second, errTimedOut)
		defer cancel()
		ctx = limited
	}
	err := f.listen(ctx, stdio, *count, *verbose)
	switch {
	case errors.Is(context.Cause(ctx), errTimedOut):
		fmt.Fprintln(stdio.Err, "holdfast miop listen: timed out")
		return exitTimeout
	case err != nil && ctx.Err() == nil:
		return failure(stdio, fs.Name(), err)
	}
	return exitOK
}

// listen prints messages, and acknowledges those it has printed.
func (f *miopFlags) listen(ctx context.Context, stdio Stdio, count int, verbose bool) error {
	c, err := f.dial(ctx, stdio)
	if err != nil {
		return err
	}
	defer c.Close()
	for seen := 1; ; seen++ {
		select {
		case m, ok := <-c.Messages():
			if !ok {
				return c.Err()
			}
			if err := printMIOP(stdio.Out, m, verbose); err != nil {
				return err
			}
			if m.Ack != 0 {
				if err := c.Ack(m.Ack); err != nil {
					return err
				}
			}
			if seen == count {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// printMIOP writes m in one piece, so that a reader sees it at once.
func printMIOP(w io.Writer, m client.Message, verbose bool) error {
	var line []byte
	if verbose {
		line = fmt.Appendf(line, "%d %d ", m.AppID, m.ID)
	}
	_, err := w.Write(append(append(line, m.Body...), '\n'))
	return err
}

func runMIOPUpload(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "miop upload", "miop upload USER@APPID {-m TEXT | -f FILE} [flags]", "")
	f := addMIOPFlags(fs)
	message := fs.StringP("message", "m", "", "send this `text`")
	file := fs.StringP("file", "f", "", "send the content of this `file`")
	code, done := f.parse(stdio, args, 1, func() error {
		if fs.Changed("message") == (*file != "") {
			return errors.New("give exactly one of -m and -f")
		}
		return nil
	})
	if done {
		return code
	}
	body := []byte(*message)
	var err error
	if *file != "" {
		body, err = readFile(*file)
	}
	if err == nil {
		err = f.upload(ctx, stdio, body)
	}
	if err != nil {
		return failure(stdio, fs.Name(), err)
	}
	return exitOK
}

func (f *miopFlags) upload(ctx context.Context, stdio Stdio, body []byte) error {
	f.transient, f.users[0].Transient = true, true // it does not stay for messages
	f.users[0].Beside = true
	c, err := f.dial(ctx, stdio)
	if err != nil {
		return err
	}
	defer c.Close()
	go func() {
		for range c.Messages() { // what is for a user that is away will come again
		}
	}()
	u := f.users[0]
	ctx, cancel := f.bounded(ctx)
	defer cancel()
	return c.Upload(ctx, string(u.User), u.AppID, body)
}
