package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// newFlagSet returns an empty flag set whose --help prints usage, the flags and then notes.
func newFlagSet(stdio Stdio, name, usage, notes string) *pflag.FlagSet {
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	fs.SortFlags = false
	fs.SetOutput(stdio.Err)
	fs.Usage = func() {
		// pflag shows that a switch may be turned off with =false, which is of no use here.
		flags := strings.ReplaceAll(fs.FlagUsagesWrapped(100), "[=true|false]", strings.Repeat(" ", 13))
		fmt.Fprintf(stdio.Out, "Usage: holdfast %s\n\nFlags:\n%s\n%s", usage, flags, notes)
	}
	fs.Bool("help", false, "show this text")
	return fs
}

// parse reads args, which are flags only. When done is true the command is over, with exit code code.
func parse(fs *pflag.FlagSet, stdio Stdio, args []string) (code int, done bool) {
	return parseArgs(fs, stdio, args, func() error {
		if fs.NArg() > 0 {
			return fmt.Errorf("unexpected argument %q", fs.Arg(0))
		}
		return nil
	})
}

// parseFile is parse for a command that takes the name of a file, or - for a standard stream.
func parseFile(fs *pflag.FlagSet, stdio Stdio, args []string) (file string, code int, done bool) {
	code, done = parseArgs(fs, stdio, args, func() error {
		if fs.NArg() != 1 || fs.Arg(0) == "" {
			return errors.New("name one file, or - for the standard stream")
		}
		return nil
	})
	return fs.Arg(0), code, done
}

// parseArgs reads args and has check look at what is no flag.
func parseArgs(fs *pflag.FlagSet, stdio Stdio, args []string, check func() error) (code int, done bool) {
	err := fs.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp): // -h, where that is not the host
		return exitOK, true
	case err == nil && fs.Lookup("help").Changed:
		fs.Usage()
		return exitOK, true
	case err == nil:
		err = check()
	}
	if err != nil {
		return usageError(stdio, fs.Name(), err), true
	}
	return exitOK, false
}

// usageError reports a wrong command line and returns its exit code.
func usageError(stdio Stdio, name string, err error) int {
	fmt.Fprintf(stdio.Err, "holdfast %s: %v\n'holdfast %s --help' shows the flags.\n", name, err, name)
	return exitUsage
}

// failure reports why the command could not do its work and returns its exit code.
func failure(stdio Stdio, name string, err error) int {
	fmt.Fprintf(stdio.Err, "holdfast %s: %v\n", name, err)
	return exitFailure
}
