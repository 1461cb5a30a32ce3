// Holdfast is an open push broker: one binary that holds very many MQTT connections
// and gets every message to its device. See `holdfast help` for its commands.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker (see the Makefile).
var version = "unknown"

// Exit codes of every command. pub and sub have a few more of mosquitto's, see their help.
const (
	exitOK      = 0 // the command did what it was asked
	exitFailure = 1 // it could not
	exitUsage   = 2 // the command line, environment or configuration is wrong
)

// Stdio is the program's standard streams, so that tests can give their own.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first signal asks for an orderly end; a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(Run(ctx, os.Args[1:], Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
